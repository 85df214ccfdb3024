"""Cells at the seams between tiles: each is taken once and whole."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .. import scale as scaling
from ..cells import Labels
from ..tiling import Window

SEAM_PX = 8
"""A centroid so far outside its tile still counts, analysis px: two tiles may see it on either side of their seam."""
SAME_CELL = 0.5
"""A cell of which more is covered by cells of earlier tiles is one of them."""


def owned(labels: Labels, tile: Window, known: Labels, seam_px: float) -> Labels:
    """The cells that a tile owns and that no earlier tile has.

    Parameters
    ----------
    labels
        (h, w) int32, the cells of the outer box of the tile.
    known
        (h, w) int32, the cells of earlier tiles there. They keep their pixels.
    seam_px
        How far outside the inner box a centroid may lie: two tiles may see it on either side of their seam.

    Returns
    -------
    (h, w) int32, the ids as they were, each one piece.
    """
    fresh = np.zeros_like(labels)
    outer, inner = tile.outer, tile.inner
    low = inner.y0 - outer.y0 - seam_px, inner.x0 - outer.x0 - seam_px
    high = inner.y1 - outer.y0 + seam_px, inner.x1 - outer.x0 + seam_px
    for i, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        cell = labels[box] == i
        centre = [c + side.start + 0.5 for c, side in zip(ndimage.center_of_mass(cell), box, strict=True)]
        free = cell & (known[box] == 0)
        inside = all(a <= c < b for a, c, b in zip(low, centre, high, strict=True))
        if inside and np.count_nonzero(free) >= (1 - SAME_CELL) * np.count_nonzero(cell):
            fresh[box][scaling.one_piece(free) & free] = i
    return fresh
