"""PNG, JPEG and BMP, by Pillow."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from ..cells import Field
from ..errors import UnreadableImageError, UnsupportedImageError
from .checks import check_size, pixel_size
from .rgb import to_rgb, upright

# The readers are called directly, not through `Image.open`: no other format is tried, and Pillow's warning of "decompression
# bombs" does not arise, because the declared size is checked here.
READERS: dict[bytes, Callable[[BytesIO], ImageFile.ImageFile]] = {
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"\xff\xd8\xff": JpegImageFile,
    b"BM": BmpImageFile,
}


def decode_png_jpeg_bmp(data: bytes, reader: Callable[[BytesIO], ImageFile.ImageFile], max_megapixels: float) -> Field:
    """PNG, JPEG, BMP."""
    with reader(BytesIO(data)) as image:
        check_size(*image.size, max_megapixels)
        frames = getattr(image, "n_frames", 1)
        if frames > 1:
            raise UnsupportedImageError(
                f"an animation of {frames} frames; one picture is needed. Export the frames one by one."
            )
        if isinstance(image, PngImageFile):
            _check_png(data)
        if isinstance(image, PngImageFile) and data[24] == 16:  # Pillow would keep the upper 8 of the 16 bits
            import imagecodecs

            pixels = to_rgb(imagecodecs.png_decode(data))
        else:
            image.load()
            image.info.pop("transparency", None)
            pixels = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
        dpi = image.info.get("dpi", (0, 0))
        um_per_px = pixel_size(25400 / dpi[0], 25400 / dpi[1]) if min(dpi) > 0 else None
        return Field(upright(pixels, exif_orientation(image.info.get("exif", b""))), um_per_px)


def _check_png(data: bytes) -> None:
    """Refuse a PNG with a wrong checksum or without its end: Pillow does not look at the checksums of the pixels."""
    view, at = memoryview(data), 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(view[at : at + 4], "big")
        if zlib.crc32(view[at + 4 : end]).to_bytes(4, "big") != view[end : end + 4]:
            raise UnreadableImageError("the PNG is damaged: a checksum is wrong. Copy or export it again.")
        if view[at + 4 : at + 8].tobytes() == b"IEND":
            return
        at = end + 4
    raise UnreadableImageError("the PNG is truncated: its end is missing. Copy or export it again.")


def exif_orientation(exif: bytes) -> int:
    """The orientation in an EXIF block, 1..8; 1 where it has none or is damaged (Pillow's own reading warns and rewrites)."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = ">" if tiff[:1] == b"M" else "<"
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (n_tags,) = struct.unpack_from(f"{order}H", tiff, start)
        for i in range(n_tags):
            tag, kind, count, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * i)
            if (tag, kind, count) == (0x0112, 3, 1):
                return int(value)
    except struct.error:
        pass
    return 1
