"""A new cell in a box that a person has drawn: the segmenter runs inside."""

from __future__ import annotations

import numpy as np

from ..cells import Box, Field, Labels, Mask, RgbImage, Scale
from ..config import Settings
from ..crop import square
from ..pipeline import Segmenter, Steps, segment_steps

CONTEXT = 1.0
"""Margin of what the segmenter sees round a box: the share of the box's longer side by which the seen square is longer."""


def outline_steps(
    pixels: RgbImage, taken: Labels, box: Box, scale: Scale, segmenter: Segmenter, settings: Settings
) -> Steps[Mask]:
    """The mask (H, W) bool of the cell in a box.

    Parameters
    ----------
    pixels
        (H, W, 3) uint8, the image.
    taken
        (H, W) int32, the outlines of the cells that are there.
    box
        Drawn by a person round one cell.
    scale
        That of the analysis; the box is looked at in the same.
    segmenter, settings
        As of `pipeline.analyse`; what the segmenter finds in the box is not doubted.

    Returns
    -------
    The object that covers most of what is free in the box, clipped to it; where there is none, the ellipse that fills the box.
    """
    height, width = pixels.shape[:2]
    around = square(box, CONTEXT)
    seen = Box(max(around.y0, 0), max(around.x0, 0), min(around.y1, height), min(around.x1, width))
    um_per_px = scale.analysis_scale * segmenter.um_per_px
    certain = settings.model_copy(update={"um_per_px": um_per_px, "min_score": 0.0, "min_area_px": 0})
    found = yield from segment_steps(Field(pixels[seen.slices], um_per_px), segmenter, certain)
    mask = np.zeros((height, width), dtype=bool)
    labels = np.zeros((height, width), dtype=np.int32)
    labels[seen.slices] = found.labels
    inside = np.where(taken[box.slices] == 0, labels[box.slices], 0)
    areas = np.bincount(inside.ravel())[1:]
    mask[box.slices] = inside == areas.argmax() + 1 if areas.any() else _ellipse(box)
    return mask


def _ellipse(box: Box) -> Mask:
    rows, columns = np.ogrid[: box.height, : box.width]
    y, x = (rows + 0.5) / box.height - 0.5, (columns + 0.5) / box.width - 0.5
    return np.asarray(y**2 + x**2 <= 0.25)
