"""Read an image as (H, W, 3) uint8 with its pixel size; refuse the rest, with a reason.

Files are known by their content, not by their suffix: PNG, JPEG and BMP go to Pillow, TIFF (OME, ImageJ, pyramids) to
tifffile. The conversions are the same everywhere, those of `to_rgb`.
"""

from __future__ import annotations

import math
import mmap
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from .cells import Field, RgbImage
from .config import Settings
from .errors import ImageError, ImageTooLargeError, UnreadableImageError, UnsupportedImageError

IMAGE_SUFFIXES: tuple[str, ...] = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
"""Suffixes of the files that are images, lower case."""

MAX_MEGAPIXELS: float = Settings.model_fields["max_megapixels"].default

# The readers are called directly, not through `Image.open`: no other format is tried, and Pillow's warning of "decompression
# bombs" does not arise, because the declared size is checked here.
_PILLOW: dict[bytes, Callable[[BytesIO], ImageFile.ImageFile]] = {
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"\xff\xd8\xff": JpegImageFile,
    b"BM": BmpImageFile,
}
_BASELINE_TAGS = set(range(254, 348))
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    SyntaxError,
    EOFError,
    RuntimeError,
    AssertionError,
    ImportError,
    struct.error,
    zlib.error,
    Warning,  # where warnings are errors
)
"""What Pillow, tifffile and imagecodecs raise on damaged files, found by changing files of every format at random."""

_PLAUSIBLE_UM_PER_PX = (0.01, 5.0)
UM = {
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "nm": 1e-3,
    "mm": 1e3,
    "cm": 1e4,
    "inch": 25400.0,
    "m": 1e6,
}


def read_image(path: str | Path, max_megapixels: float = MAX_MEGAPIXELS) -> Field:
    """Read an image file, upright, with the pixel size that it states.

    Parameters
    ----------
    path
        A PNG, JPEG, BMP or TIFF file with one flat image.
    max_megapixels
        Images that declare more pixels are refused before they are decoded, megapixels.

    Returns
    -------
    (H, W, 3) uint8 read-only, and µm per pixel where the file states a plausible one.

    Raises
    ------
    UnreadableImageError
        If the file cannot be opened, is damaged, truncated, empty, or not an image.
    UnsupportedImageError
        If it is sound, but several images, or values that are not a picture's.
    ImageTooLargeError
        If it declares more pixels than the budget, or memory does not suffice.
    """
    return decode(read_bytes(path), str(path), max_megapixels)


def read_bytes(path: str | Path) -> bytes:
    """The bytes of an image file, for `decode`; whoever also needs their SHA-256 reads the file once.

    Raises
    ------
    UnreadableImageError
        If the file is missing, a folder, or may not be read.
    ImageTooLargeError
        If memory does not suffice.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"{path}: cannot be read: {error.strerror or error}. Check path and permission.") from None
    except MemoryError:
        raise ImageTooLargeError(f"{path}: the file does not fit into memory. Write a tiled TIFF instead.") from None


def decode(data: bytes, name: str, max_megapixels: float = MAX_MEGAPIXELS) -> Field:
    """`read_image` for the bytes of a file; `name` is what messages call it."""
    with explained(name):
        if not data:
            raise UnreadableImageError("the file is empty (0 bytes). Copy or export it again.")
        if data.startswith(_TIFF):
            return _decode_tiff(data, max_megapixels)
        for signature, reader in _PILLOW.items():
            if data.startswith(signature):
                return _decode_pillow(data, reader, max_megapixels)
        raise UnreadableImageError(
            f"not a PNG, JPEG, BMP or TIFF image: it begins with {data[:8]!r}. Export it as one of these."
        )


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn what libraries raise on damaged files into errors of ours, and begin messages with the name of the image.

    Raises
    ------
    ImageError
        Where the block raises one, or anything that a damaged file causes.
    """
    try:
        yield
    except ImageError as error:
        raise type(error)(f"{name}: {error}") from None
    except MemoryError:
        raise ImageTooLargeError(f"{name}: memory does not suffice to decode it. Write a tiled TIFF instead.") from None
    except DAMAGE as error:
        reason = f"{type(error).__name__}: {error}".rstrip(". ")
        raise UnreadableImageError(f"{name}: the image is damaged or truncated ({reason}). Copy or export it again.") from error


def to_rgb(array: npt.NDArray[Any]) -> RgbImage:
    """Convert an array to a picture of 8 bits.

    Parameters
    ----------
    array
        (H, W), (H, W, 1..4), (3, H, W) or (4, H, W). One channel is grey; the second of two and the fourth of four are
        dropped (transparency; a cell under it is still a cell). bool: black and white. Integers of at most 16 bits,
        non-negative: divided, rounding down, by the smallest of 1, 4, 16, 64 and 256 that brings them to 0..255, since cameras
        of 8, 10, 12, 14 and 16 bits all write 16. Real numbers: 0..1 times 255, or 0..255, rounded.

    Returns
    -------
    (H, W, 3) uint8, contiguous; no copy if `array` is that already.

    Raises
    ------
    UnsupportedImageError
        If shape or values are none of these.
    """
    if array.ndim == 3 and array.shape[2] > 4 and array.shape[0] in (3, 4):
        array = np.moveaxis(array, 0, 2)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or not 1 <= array.shape[2] <= 4:
        raise UnsupportedImageError(f"expected one picture, (H, W) or (H, W, 3), found an array of shape {array.shape}.")
    if array.size == 0:
        raise UnsupportedImageError(f"the picture has no pixels: its shape is {array.shape}.")
    channels = 3 if array.shape[2] >= 3 else 1
    values = _to_uint8(array[..., :channels])
    return np.ascontiguousarray(values if channels == 3 else np.repeat(values, 3, axis=2))


def _to_uint8(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Values to 0..255 by the rules of `to_rgb`; any shape."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return np.where(array, np.uint8(255), np.uint8(0))
    if array.dtype.kind not in "iuf":
        raise UnsupportedImageError(f"values of type {array.dtype} are not a picture's. Export 8 or 16 bits.")
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UnsupportedImageError("some values are not numbers (NaN) or infinite. Export 8 or 16 bits.")
    if low < 0:
        raise UnsupportedImageError(f"some values are negative (smallest {low}). Export 8 or 16 bits, without offset.")
    if array.dtype.kind == "f":
        if high > 255:
            raise UnsupportedImageError(f"real numbers must be 0..1 or 0..255, found {high}. Export 8 or 16 bits.")
        return np.rint(array.astype(np.float32) * (255 if high <= 1 else 1)).astype(np.uint8)
    for bits in (8, 10, 12, 14, 16):
        if high < 2**bits:
            return (array >> (bits - 8)).astype(np.uint8)
    raise UnsupportedImageError(f"whole numbers must have at most 16 bits (65535), found {high}. Export 8 or 16 bits.")


def _check_size(width: int, height: int, max_megapixels: float) -> None:
    """Refuse sizes that are empty or beyond the budget, px."""
    if width * height == 0:
        raise UnreadableImageError(f"the image has no pixels ({width} × {height}). Export it again.")
    if width * height > max_megapixels * 1e6:
        raise ImageTooLargeError(
            f"{width} × {height} = {width * height / 1e6:.1f} megapixels, more than max_megapixels = {max_megapixels:g}. "
            "Write a tiled TIFF, which is analysed tile by tile, or raise max_megapixels."
        )


def _upright(pixels: RgbImage, orientation: int) -> RgbImage:
    """Undo an EXIF or TIFF orientation, 1..8 (5 to 8 exchange rows and columns); others count as 1. Read-only."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    pixels = np.ascontiguousarray(pixels)
    pixels.flags.writeable = False
    return pixels


def pixel_size(x_um: float, y_um: float) -> float | None:
    """The pixel size, µm, unless it is implausible under a microscope (72 and 300 dpi are) or x and y differ by over 2 %."""
    low, high = _PLAUSIBLE_UM_PER_PX
    return x_um if low <= x_um <= high and low <= y_um <= high and abs(x_um - y_um) <= 0.02 * max(x_um, y_um) else None


def _decode_pillow(data: bytes, reader: Callable[[BytesIO], ImageFile.ImageFile], max_megapixels: float) -> Field:
    """PNG, JPEG, BMP."""
    with reader(BytesIO(data)) as image:
        _check_size(*image.size, max_megapixels)
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
        return Field(_upright(pixels, exif_orientation(image.info.get("exif", b""))), um_per_px)


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


def _decode_tiff(data: bytes, max_megapixels: float) -> Field:
    """TIFF, OME-TIFF, ImageJ; of a pyramid the full size, of a picture with thumbnails the picture."""
    import tifffile

    directories = tiff_directories(data)
    with tifffile.TiffFile(BytesIO(data)) as tiff:
        series = sound_series(tiff, directories, len(data), max_megapixels)
        array = np.asarray(series.asarray(level=0, maxworkers=1))
        orientation = int(series.keyframe.tags.valueof(274, default=1))
        return Field(_upright(tiff_to_rgb(array, series), orientation), tiff_pixel_size(tiff, series.keyframe))


Buffer = bytes | mmap.mmap
"""The bytes of a file, read or mapped."""


def sound_series(tiff: Any, directories: list[set[int]], n_bytes: int, max_megapixels: float = math.inf) -> Any:
    """The series of the one picture that a TIFF holds, once it is known to be whole.

    Parameters
    ----------
    tiff
        An open `tifffile.TiffFile`.
    directories
        From `tiff_directories`: tifffile would go on without the pages and tags that it cannot read.
    n_bytes
        Size of the file.

    Raises
    ------
    ImageError
        If it is truncated, too large, or holds more than one picture.
    """
    series = max(tiff.series, key=lambda s: s.keyframe.imagewidth * s.keyframe.imagelength)
    page = series.keyframe
    _check_size(page.imagewidth, page.imagelength, max_megapixels)
    if lost := directories[page.index] & _BASELINE_TAGS - {tag.code for tag in page.tags}:
        raise UnreadableImageError(f"the TIFF is truncated: its tags {sorted(lost)} are missing. Copy or export it again.")
    _check_single(tiff, series)
    for level in series.levels:
        _check_complete(level, n_bytes)
    return series


def tiff_directories(data: Buffer) -> list[set[int]]:
    """The codes of the tags of every page; refuses a chain of pages that leaves the file or bites its tail."""
    order, big = "<" if data[:1] == b"I" else ">", 43 in data[2:4]
    word, count, tag_size = ("Q", "Q", 20) if big else ("I", "H", 12)
    pages: dict[int, set[int]] = {}
    (at,) = struct.unpack_from(order + word, data, 8 if big else 4)
    while at:
        if at in pages or not 8 <= at < len(data):
            raise UnreadableImageError(f"the TIFF is truncated or damaged after page {len(pages)}. Copy or export it again.")
        (n_tags,) = struct.unpack_from(order + count, data, at)
        start = at + struct.calcsize(order + count)
        pages[at] = {struct.unpack_from(f"{order}H", data, start + i * tag_size)[0] for i in range(n_tags)}
        (at,) = struct.unpack_from(order + word, data, start + n_tags * tag_size)
    if not pages:
        raise UnreadableImageError("the TIFF has no page. Copy or export it again.")
    return list(pages.values())


def _check_single(tiff: Any, series: Any) -> None:
    """Refuse what holds more than one picture, thumbnails aside."""
    page, axes = series.keyframe, series.axes
    others = [s.keyframe for s in tiff.series if s is not series]
    small = all(p.is_reduced or (2 * p.imagewidth <= page.imagewidth and 2 * p.imagelength <= page.imagelength) for p in others)
    channels = series.shape[axes.index("C")] if "C" in axes else 3
    if not small or sorted(axes.replace("C", "S")) not in (["X", "Y"], ["S", "X", "Y"]) or channels not in (3, 4):
        raise UnsupportedImageError(
            f"the TIFF holds {len(tiff.pages)} pages (axes {axes}, shape {series.shape}); one flat picture is needed. "
            "Export one plane, as RGB."
        )


def _check_complete(series: Any, n_bytes: int) -> None:
    """Refuse a TIFF whose strips or tiles are missing or beyond the end of the file: tifffile would fill them with black."""
    for page in series.pages:
        if page is None:
            raise UnsupportedImageError("some planes of the OME-TIFF are in other files. Export one file per picture.")
        segments = list(zip(page.dataoffsets, page.databytecounts, strict=True))
        n_missing = sum(offset == 0 or count == 0 or offset + count > n_bytes for offset, count in segments)
        n_missing += max(0, int(np.prod(series.keyframe.chunked)) - len(segments))
        if n_missing:
            raise UnreadableImageError(
                f"the TIFF is truncated: {n_missing} strips or tiles are missing. Copy or export it again."
            )


def tiff_to_rgb(array: npt.NDArray[Any], series: Any) -> RgbImage:
    """Pixels of a series, or of a part of it, with its axes, by its photometric interpretation."""
    page = series.keyframe
    for axis in "SC":  # samples of a pixel, or channels: last
        if axis in series.axes:
            array = np.moveaxis(array, series.axes.index(axis), -1)
    form, bits = page.photometric.name, page.bitspersample
    if form == "PALETTE":
        colours = page.colormap.T  # (n, 3) uint16
        return to_rgb((colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)[array.astype(np.intp)])
    if form == "SEPARATED" and array.shape[-1] == 4:
        return np.asarray(Pillow.fromarray(_to_uint8(array), "CMYK").convert("RGB"))
    if form not in ("MINISBLACK", "MINISWHITE", "RGB") and not (form == "YCBCR" and page.compression in (6, 7)):
        raise UnsupportedImageError(f"the TIFF has {form} colours with {page.samplesperpixel} channels. Export RGB or grey.")
    if 1 < bits < 8:
        array = array * np.uint8(255 // (2**bits - 1))
    return 255 - to_rgb(array) if form == "MINISWHITE" else to_rgb(array)


def tiff_pixel_size(tiff: Any, page: Any) -> float | None:
    """The pixel size, µm, that OME, Aperio, ImageJ or the resolution tags state, in this order."""
    if tiff.is_ome:
        pixels = ElementTree.fromstring(tiff.ome_metadata).find(".//{*}Pixels")
        if pixels is not None and "PhysicalSizeX" in pixels.attrib:
            x, y = (
                float(pixels.get(f"PhysicalSize{axis}", "nan")) * UM.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"), np.nan)
                for axis in "XY"
            )
            return pixel_size(x, y)
    if tiff.is_svs and (found := re.search(r"\bMPP\s*=\s*([\d.]+)", page.description)):
        return pixel_size(float(found[1]), float(found[1]))
    unit_um = {2: 25400.0, 3: 1e4, 4: 1e3, 5: 1.0}.get(int(page.tags.valueof(296, default=2)))
    if tiff.is_imagej:
        unit_um = UM.get(str(tiff.imagej_metadata.get("unit", "")).replace("\\u00B5", "µ"), unit_um)
    (x_pixels, x_units), (y_pixels, y_units) = (page.tags.valueof(tag, default=(0, 1)) for tag in (282, 283))
    if unit_um is None or not (x_pixels > 0 and y_pixels > 0):
        return None
    return pixel_size(x_units / x_pixels * unit_um, y_units / y_pixels * unit_um)
