"""Stand-ins for cells of which only a box is known: the ellipse in it, so that box, crop and type have a label to hang on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..cells import Box, Cell, CellTable, Labels
from ..crop import boxes as boxes_of


def ellipses(boxes: Sequence[Box], shape: tuple[int, int]) -> Labels:
    """A stand-in label for each box: the ellipse inside it, ids 1, 2, … in the order of the boxes; (H, W) int32.

    Where two overlap the smaller lies on top, of equals the first. What lies outside the image is cut off.
    """
    labels = np.zeros(shape, dtype=np.int32)
    height, width = shape
    for i, box in sorted(enumerate(boxes, start=1), key=lambda item: (item[1].height * item[1].width, item[0]), reverse=True):
        inside = Box(max(box.y0, 0), max(box.x0, 0), min(box.y1, height), min(box.x1, width))
        if inside.height <= 0 or inside.width <= 0:
            continue
        rows, columns = np.ogrid[inside.slices]
        y, x = (box.y0 + box.y1 - 1) / 2, (box.x0 + box.x1 - 1) / 2
        labels[inside.slices][((rows - y) / (box.height / 2)) ** 2 + ((columns - x) / (box.width / 2)) ** 2 < 1] = i
    return labels


def stand_in_cells(labels: Labels) -> CellTable:
    """One row per stand-in label (H, W) int32: its place and its area, since shape and colour inside it mean nothing."""
    height, width = labels.shape
    cells = []
    for i, box in boxes_of(labels).items():
        rows, columns = np.nonzero(labels[box.slices] == i)
        cells.append(
            Cell(
                cell_id=i,
                box=box,
                centroid_x=round(float(columns.mean()) + box.x0, 2),
                centroid_y=round(float(rows.mean()) + box.y0, 2),
                area_px=len(rows),
                touches_border=box.y0 == 0 or box.x0 == 0 or box.y1 == height or box.x1 == width,
            )
        )
    return CellTable(tuple(cells))
