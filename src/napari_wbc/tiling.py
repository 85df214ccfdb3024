"""Cut a large image into overlapping windows of one shape, and put what was computed in them together again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .cells import Box, Probabilities

TILE_PX, HALO_PX = 768, 96
"""Side of a window and overlap on each side, analysis px: a halo is wider than a cell."""
SMALL_TILE_PX = TILE_PX // 2
"""Side of a window where memory does not suffice for one of `TILE_PX`, analysis px."""


@dataclass(frozen=True)
class Window:
    """What a network sees (`outer`), and the part of it that is kept (`inner`)."""

    outer: Box
    inner: Box


def windows(shape: tuple[int, int], tile_px: int = TILE_PX, halo_px: int = HALO_PX) -> list[Window]:
    """Windows that cover an image of (H, W), row by row.

    An image whose sides are at most `tile_px` is one window. Otherwise all windows along a side have the same length, and
    the inner boxes tile the image without overlap.
    """
    rows, columns = (_intervals(side, tile_px, halo_px) for side in shape)
    return [
        Window(Box(oy0, ox0, oy1, ox1), Box(iy0, ix0, iy1, ix1))
        for (oy0, oy1, iy0, iy1) in rows
        for (ox0, ox1, ix0, ix1) in columns
    ]


def _intervals(side: int, tile_px: int, halo_px: int) -> list[tuple[int, int, int, int]]:
    """(outer start, outer stop, inner start, inner stop) along one side."""
    if side <= tile_px:
        return [(0, side, 0, side)]
    count = -(-(side - 2 * halo_px) // (tile_px - 2 * halo_px))
    starts = [round(i * (side - tile_px) / (count - 1)) for i in range(count)]
    cuts = [0, *((a + tile_px + b) // 2 for a, b in pairwise(starts)), side]
    return [(start, start + tile_px, cuts[i], cuts[i + 1]) for i, start in enumerate(starts)]


def stitch(parts: Iterable[Probabilities], tiles: Sequence[Window], shape: tuple[int, int]) -> Probabilities:
    """The (K, H, W) array whose inner boxes come from the parts (K, h, w) computed in the windows."""
    whole = None
    for part, tile in zip(parts, tiles, strict=True):
        whole = put(part, tile, shape, whole)
    assert whole is not None
    return whole


def put(part: Probabilities, tile: Window, shape: tuple[int, int], whole: Probabilities | None) -> Probabilities:
    """The (K, H, W) array with what of one part lies in the inner box of its window; the first part begins it."""
    if part.shape[1:] == shape:
        return part
    if whole is None:
        whole = np.empty((len(part), *shape), dtype=np.float32)
    rows, columns = tile.inner.slices
    y, x = tile.outer.y0, tile.outer.x0
    whole[:, rows, columns] = part[:, rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
    return whole
