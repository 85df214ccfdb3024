"""Damage done to sound files, as found by changing files at random."""

from __future__ import annotations

import struct
from io import BytesIO

import tifffile


def tag_at(data: bytes, code: int) -> int:
    """Where a tag of the first page of a little-endian classic TIFF stands."""
    (first,) = struct.unpack_from("<I", data, 4)
    (n_tags,) = struct.unpack_from("<H", data, first)
    return next(at for at in range(first + 2, first + 2 + 12 * n_tags, 12) if struct.unpack_from("<H", data, at)[0] == code)


def with_tag(data: bytes, code: int, value: int, count: int = 1) -> bytes:
    """The TIFF with another value, LONG, and count of values in a tag."""
    changed = bytearray(data)
    struct.pack_into("<HII", changed, tag_at(data, code) + 2, 4, count, value)
    return bytes(changed)


def with_a_page_of_negative_length(data: bytes, in_pyramid: bool = False) -> bytes:
    """The TIFF whose first page, or the smaller one below it, has its number of rows with another sign."""
    changed = bytearray(data)
    with tifffile.TiffFile(BytesIO(data)) as tiff:
        page = tiff.pages.first.pages.first if in_pyramid else tiff.pages.first  # type: ignore[union-attr]
        signed_long = 9
        struct.pack_into("<HIi", changed, page.tags[257].offset + 2, signed_long, 1, -page.imagelength)
    return bytes(changed)


def in_a_circle(data: bytes) -> bytes:
    """The TIFF whose second page is the first: who follows the pages never ends."""
    changed = bytearray(data)
    (first,) = struct.unpack_from("<I", data, 4)
    (n_tags,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", changed, first + 2 + 12 * n_tags, first)
    return bytes(changed)


def garbled(data: bytes) -> bytes:
    """The TIFF whose compressed pixels cannot be unpacked."""
    (offset,) = struct.unpack_from("<I", data, tag_at(data, 273) + 8)
    return data[: offset + 2] + b"\xff\xff\xff\xff" + data[offset + 6 :]


def wide_and_high(data: bytes) -> bytes:
    """The TIFF that declares 400,000 × 400,000 px."""
    return with_tag(with_tag(with_tag(data, 256, 400_000), 257, 400_000), 278, 400_000)


def of_two_widths(data: bytes) -> bytes:
    """The TIFF whose width is two numbers."""
    return with_tag(data, 256, 8, count=2)


def without_height(data: bytes) -> bytes:
    """The TIFF whose strips have no rows."""
    return with_tag(data, 278, 0)


DAMAGED_TIFFS = (in_a_circle, garbled, wide_and_high, of_two_widths, without_height, with_a_page_of_negative_length)
