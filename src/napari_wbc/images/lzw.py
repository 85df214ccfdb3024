"""LZW in TIFF, looked through before it is decoded: imagecodecs (2026.3 and before) follows a code that no entry was made for.

After a CLEAR the table holds the 256 bytes alone, so the next code is one of them. imagecodecs checks every code but this one,
and then reads memory that it has not written, which ends the process. Codes as in TIFF 6.0, section 13, and the older order of
bits that libtiff reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import UnreadableImageError

LZW = 5
"""Its number among the compressions of TIFF."""
CLEAR, END = 256, 257
MAX_ENTRIES = 4096
FIRST_STEP = 512
"""Codes read at once; the double each time, until a CLEAR is found."""
MIN_BITS = 8192
"""Encoders clear the table when it is full, after some 44,000 bits; where it is much more often, no encoder wrote it."""


def guard_lzw(series: Any) -> None:
    """Have the segments of a `tifffile` series looked through before they are decoded, where they are LZW."""
    for page in {id(level.keyframe): level.keyframe for level in series.levels}.values():
        if page.compression == LZW:
            page.decode = _guarded(page.decode)


def _guarded(decode: Callable[..., Any]) -> Callable[..., Any]:
    def checked(data: bytes | None, *args: Any, **options: Any) -> Any:
        if data is not None:
            check_lzw(data)
        return decode(data, *args, **options)

    return checked


def check_lzw(data: bytes) -> None:
    """Refuse data in which a code after a CLEAR is no byte, or that is cleared again and again.

    Raises
    ------
    UnreadableImageError
        If it is so.
    """
    n_bits, n_clears, at = 8 * len(data), 0, 9  # the first code is a CLEAR, or nothing is decoded
    codes = _Codes(data)
    while at < n_bits:
        first, at = codes.until_clear(at)
        n_clears += 1
        if first > END or n_clears > 64 + n_bits // MIN_BITS:
            raise UnreadableImageError("the LZW data of the TIFF is damaged. Copy or export it again.")


class _Codes:
    """The codes in LZW data; after a CLEAR the width of each depends on its place alone."""

    def __init__(self, data: bytes) -> None:
        self._old = data[:1] == b"\0" and data[1:2] != b"" and bool(data[1] & 1)
        self._bytes = np.frombuffer(bytes(data) + bytes(4), np.uint8)
        self._n_bits = 8 * len(data)
        entries = np.maximum(np.arange(MAX_ENTRIES - CLEAR - 1), 1) + CLEAR + 1  # in the table when a code is read
        limits = np.array([512, 1024, 2048]) - (not self._old)
        self._widths: npt.NDArray[np.int64] = 9 + np.digitize(entries, limits)
        self._places: npt.NDArray[np.int64] = np.cumsum(self._widths) - self._widths

    def until_clear(self, at: int) -> tuple[int, int]:
        """The code at a bit, and the bit after the next CLEAR, or that of the end."""
        start, step, first = 0, FIRST_STEP, CLEAR
        while start < len(self._places):
            places, widths = at + self._places[start : start + step], self._widths[start : start + step]
            n_whole = int(np.searchsorted(places + widths, self._n_bits, side="right"))
            codes = self._read(places[:n_whole], widths[:n_whole])
            if start == 0 and n_whole:
                first = int(codes[0])
            ends = np.flatnonzero((codes == CLEAR) | (codes == END))
            if len(ends):
                i = int(ends[0])
                return first, int(places[i] + widths[i]) if codes[i] == CLEAR else self._n_bits
            if n_whole < len(places):
                break
            start, step = start + step, 2 * step
        return first, self._n_bits

    def _read(self, places: npt.NDArray[np.int64], widths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        at, within = places >> 3, places & 7
        parts = [self._bytes[at + i].astype(np.int64) for i in range(3)]
        first, second, third = parts[::-1] if self._old else parts
        shift = within if self._old else 24 - within - widths
        return np.asarray((first << 16 | second << 8 | third) >> shift & (1 << widths) - 1)
