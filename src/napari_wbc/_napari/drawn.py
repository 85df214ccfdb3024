"""Boxes that a person has drawn in a layer of boxes, to have the cell in them outlined; no Qt."""

from __future__ import annotations

import numpy as np
from napari.layers import Shapes

from ..cells import Box

MIN_SIDE_PX = 4
"""A box with a shorter side than this was drawn by mistake."""


def take_drawn(boxes: Shapes, shape: tuple[int, int]) -> Box | None:
    """Take one drawn box, which has no id, out of the layer, clipped to an image of shape (H, W); None if there is none."""
    rows = _drawn(boxes)
    if not rows or getattr(boxes, "_is_creating", False):
        return None
    corners = np.array(boxes.data[rows[0]])
    y0, x0, y1, x1 = (int(v) for end in (corners.min(0), corners.max(0)) for v in np.clip(np.round(end + 0.5), 0, shape))
    boxes.selected_data = {rows[0]}
    boxes.remove_selected()
    box = Box(y0, x0, y1, x1)
    return box if min(box.height, box.width) >= MIN_SIDE_PX else None


def waits(boxes: Shapes) -> bool:
    """Whether a drawn box waits to be taken."""
    return bool(_drawn(boxes))


def _drawn(boxes: Shapes) -> list[int]:
    return [int(row) for row in np.flatnonzero(boxes.features["cell_id"] == 0)]
