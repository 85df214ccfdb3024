"""Boxes of cells, and their crops: square, padded, resized."""

from __future__ import annotations

import numpy as np
from PIL import Image as Pillow
from scipy import ndimage

from .cells import Box, Labels, RgbImage


def boxes(labels: Labels) -> dict[int, Box]:
    """The half-open bounding box of every id in a label image.

    A cell with rows r0..r1 and columns c0..c1 inclusive has the box (r0, c0, r1 + 1, c1 + 1):
    height r1 - r0 + 1, width c1 - c0 + 1.

    Parameters
    ----------
    labels
        (H, W) int32.

    Returns
    -------
    Boxes by id, in ascending order of id.
    """
    found = {}
    for i, slices in enumerate(ndimage.find_objects(labels), start=1):
        if slices is not None:
            rows, columns = slices
            found[i] = Box(rows.start, columns.start, rows.stop, columns.stop)
    return found


def square(box: Box, margin: float) -> Box:
    """The square round the centre of a box, its side the longer side of the box times 1 + `margin`; may leave the image."""
    side = max(1, round(max(box.height, box.width) * (1 + margin)))
    y0 = (box.y0 + box.y1 - side) // 2
    x0 = (box.x0 + box.x1 - side) // 2
    return Box(y0, x0, y0 + side, x0 + side)


def crop(image: RgbImage, box: Box, size_px: int, margin: float | None = None) -> RgbImage:
    """Cut a box from the native image and resize it (bilinear, antialiased).

    Parameters
    ----------
    image
        (H, W, 3) uint8.
    box
        Pixels of `image`.
    size_px
        Side of the crop, px.
    margin
        None cuts the box as it is and stretches it (Roy Reena and Ameer, 2020). A number cuts the square round it, so that
        the cell keeps its shape; what lies outside the image repeats the pixels of its border.

    Returns
    -------
    (size_px, size_px, 3) uint8
    """
    height, width = image.shape[:2]
    wanted = box if margin is None else square(box, margin)
    inside = Box(max(wanted.y0, 0), max(wanted.x0, 0), min(wanted.y1, height), min(wanted.x1, width))
    pixels = image[inside.slices]
    if inside != wanted:
        rows = (inside.y0 - wanted.y0, wanted.y1 - inside.y1)
        columns = (inside.x0 - wanted.x0, wanted.x1 - inside.x1)
        pixels = np.pad(pixels, (rows, columns, (0, 0)), mode="edge")
    resized = Pillow.fromarray(np.ascontiguousarray(pixels)).resize((size_px, size_px), Pillow.Resampling.BILINEAR)
    return np.asarray(resized)
