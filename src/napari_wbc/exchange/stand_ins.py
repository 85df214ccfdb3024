"""Stand-ins for cells of which only a box is known: the ellipse in it, so that box, crop and type have a label to hang on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ..cells import Box, Cell, CellTable, Labels, Mask
from ..crop import boxes as boxes_of


def ellipses(boxes: Sequence[Box], shape: tuple[int, int]) -> Labels:
    """A stand-in label for each box: the ellipse inside it, ids 1, 2, … in the order of the boxes; (H, W) int32.

    Where two overlap the smaller lies on top, of equals the first. What lies outside the image is cut off.
    """
    labels = np.zeros(shape, dtype=np.int32)
    for i, mask, inside in stacked(dict(enumerate(boxes, start=1)), shape):
        labels[inside.slices][mask] = i
    return labels


def stacked(boxes: Mapping[int, Box], shape: tuple[int, int]) -> Iterator[tuple[int, Mask, Box]]:
    """The ellipses inside boxes, by id, as far as they lie in an image of (H, W), in the order in which they are painted.

    Yields
    ------
    The id, the pixels (h, w) bool and their box.
    """
    height, width = shape
    for i, box in sorted(boxes.items(), key=lambda item: (item[1].height * item[1].width, item[0]), reverse=True):
        inside = Box(max(box.y0, 0), max(box.x0, 0), min(box.y1, height), min(box.x1, width))
        if inside.height <= 0 or inside.width <= 0:
            continue
        rows, columns = np.ogrid[inside.slices]
        y, x = (box.y0 + box.y1 - 1) / 2, (box.x0 + box.x1 - 1) / 2
        yield i, ((rows - y) / (box.height / 2)) ** 2 + ((columns - x) / (box.width / 2)) ** 2 < 1, inside


def stand_in_cells(labels: Labels) -> CellTable:
    """One row per stand-in label (H, W) int32: its place and its area, since shape and colour inside it mean nothing."""
    shape = labels.shape[0], labels.shape[1]
    return CellTable(tuple(stand_in(i, labels[box.slices] == i, box, shape) for i, box in boxes_of(labels).items()))


def stand_in(cell_id: int, mask: Mask, box: Box, shape: tuple[int, int]) -> Cell:
    """The row of one stand-in, whose pixels are the mask (h, w) bool in a box of an image of (H, W)."""
    rows, columns = np.nonzero(mask)
    return Cell(
        cell_id=cell_id,
        box=box,
        centroid_x=round(float(columns.mean()) + box.x0, 2),
        centroid_y=round(float(rows.mean()) + box.y0, 2),
        area_px=len(rows),
        touches_border=box.y0 == 0 or box.x0 == 0 or box.y1 == shape[0] or box.x1 == shape[1],
    )
