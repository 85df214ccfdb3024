"""TIFF: OME, ImageJ, pyramids, by tifffile; what a file lacks is found here, because tifffile would go on without it."""

from __future__ import annotations

import math
import mmap
import re
import struct
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from ..cells import Field, RgbImage
from ..errors import UnreadableImageError, UnsupportedImageError
from .checks import UM, check_size, pixel_size
from .lzw import guard_lzw
from .rgb import to_rgb, to_uint8, upright

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
NDPI = (65420).to_bytes(2, "little")
"""A tag that every page of an NDPI file has."""
_BASELINE_TAGS = set(range(254, 348))

Buffer = bytes | mmap.mmap
"""The bytes of a file, read or mapped."""


def decode_tiff(data: bytes, max_megapixels: float) -> Field:
    """TIFF, OME-TIFF, ImageJ; of a pyramid the full size, of a picture with thumbnails the picture."""
    import tifffile

    directories = tiff_directories(data)
    with tifffile.TiffFile(BytesIO(data), is_ndpi=is_ndpi(data)) as tiff:
        series = sound_series(tiff, directories, len(data), max_megapixels)
        array = np.asarray(series.asarray(level=0, maxworkers=1))
        orientation = int(series.keyframe.tags.valueof(274, default=1))
        return Field(upright(tiff_to_rgb(array, series), orientation), tiff_pixel_size(tiff, series.keyframe))


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
    series = max(series_in(tiff), key=lambda s: s.keyframe.imagewidth * s.keyframe.imagelength)
    page = series.keyframe
    check_size(page.imagewidth, page.imagelength, max_megapixels)
    if lost := directories[page.index] & _BASELINE_TAGS - {tag.code for tag in page.tags}:
        raise UnreadableImageError(f"the TIFF is truncated: its tags {sorted(lost)} are missing. Copy or export it again.")
    _check_single(tiff, series)
    for level in series.levels:
        _check_complete(level, n_bytes)
    guard_lzw(series)
    return series


def series_in(tiff: Any) -> Any:
    """The series of an open `tifffile.TiffFile`.

    Raises
    ------
    UnreadableImageError
        If a page has no pixels: tifffile would look for the others of its series for ever.
    """
    for page in tiff.pages if tiff.is_shaped else ():
        for part in (page, *(page.pages or ())):
            if min(part.shape, default=0) < 1 or (part is not page and part.subifds):
                raise UnreadableImageError(
                    f"the TIFF is damaged: it has a page of the shape {part.shape}. Copy or export it again."
                )
    return tiff.series


def tiff_directories(data: Buffer) -> list[set[int]]:
    """The codes of the tags of every page; refuses a chain of pages that leaves the file or bites its tail."""
    order, big = "<" if data[:1] == b"I" else ">", 43 in data[2:4]
    count, tag_size = ("Q", 20) if big else ("H", 12)
    word = "Q" if big or is_ndpi(data) else "I"
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


def is_ndpi(data: Buffer) -> bool:
    """Whether a TIFF is Hamamatsu's: its first page, whose place has 64 bits in a file of 32, has the tag 65420."""
    if data[:4] != b"II*\0" or len(data) < 12:
        return False
    (at,) = struct.unpack_from("<Q", data, 4)
    if not 12 <= at <= len(data) - 2:
        return False
    (n_tags,) = struct.unpack_from("<H", data, at)
    tags = data[at + 2 : at + 2 + 12 * n_tags]
    return any(tags[i : i + 2] == NDPI for i in range(0, len(tags), 12))


def _check_single(tiff: Any, series: Any) -> None:
    """Refuse what holds more than one picture, thumbnails aside."""
    page, axes = series.keyframe, series.axes
    others = [s.keyframe for s in tiff.series if s is not series]
    small = all(p.is_reduced or (2 * p.imagewidth <= page.imagewidth and 2 * p.imagelength <= page.imagelength) for p in others)
    channels = series.shape[axes.index("C")] if "C" in axes else 3
    samples = series.shape[axes.index("S")] if "S" in axes else 1
    flat = sorted(axes.replace("C", "S")) in (["X", "Y"], ["S", "X", "Y"]) and channels in (3, 4) and samples <= 4
    if not small or not flat:
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
        return np.asarray(Pillow.fromarray(to_uint8(array), "CMYK").convert("RGB"))
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
