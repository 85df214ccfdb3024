"""To the analysis scale, and back to native pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image as Pillow
from scipy import ndimage

from ..cells import Box, Labels, Mask, Probabilities, RgbImage

GROWTH_PX = 2
"""How far a native outline may lie outside of the cell at the analysis scale, analysis px."""


def resize(image: RgbImage, factor: float) -> RgbImage:
    """The image (H, W, 3) or (H, W) resized by a factor, bilinear and antialiased; no side becomes shorter than one pixel."""
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    if (height, width) == image.shape[:2]:
        return image
    return np.asarray(Pillow.fromarray(image).resize((width, height), Pillow.Resampling.BILINEAR, reducing_gap=2.0))


def to_analysis(image: RgbImage, analysis_scale: float) -> RgbImage:
    """The native image (H, W, 3) at the analysis scale."""
    return resize(image, analysis_scale)


def to_native(labels: Labels, probability: Probabilities, threshold: float, shape: tuple[int, int]) -> Labels:
    """Labels of the native size whose outlines follow the probability between the pixels of the analysis scale.

    Parameters
    ----------
    labels
        (h, w) int32, ids 1..n, analysis scale.
    probability
        (h, w) float32, probability of WBC.
    threshold
        A native pixel belongs to a cell where the interpolated probability is at least this and the nearest cell is that one.
    shape
        Native (H, W).

    Returns
    -------
    (H, W) int32. Every id is present, one 4-connected object without holes (where it is larger than a pixel), but for a
    cell that it surrounds.
    """
    native = np.zeros(shape, dtype=np.int32)
    map_of_wbc = Pillow.fromarray(probability)
    fy, fx = labels.shape[0] / shape[0], labels.shape[1] / shape[1]
    margin = 2 * GROWTH_PX + int(np.ceil(max(fy, fx) / 2))  # every native pixel that a grown cell touches lies within
    for i, slices in enumerate(ndimage.find_objects(labels), start=1):
        if slices is None:
            continue
        grown, top, left = _grown(labels, slices, margin)
        box = Box.around(grown == i)
        assert box is not None
        y0, y1 = int((top + box.y0) / fy), min(int(np.ceil((top + box.y1) / fy)), shape[0])
        x0, x1 = int((left + box.x0) / fx), min(int(np.ceil((left + box.x1) / fx)), shape[1])
        rows = ((np.arange(y0, y1) + 0.5) * fy).astype(int)
        columns = ((np.arange(x0, x1) + 0.5) * fx).astype(int)
        smooth = map_of_wbc.resize((x1 - x0, y1 - y0), Pillow.Resampling.BILINEAR, box=(x0 * fx, y0 * fy, x1 * fx, y1 * fy))
        near = grown[np.ix_(rows - top, columns - left)]
        cell = (near == i) & (np.asarray(smooth) >= threshold)
        cell = one_piece(cell) & np.isin(near, (0, i)) if cell.any() else labels[np.ix_(rows, columns)] == i
        native[y0:y1, x0:x1][cell] = i
    return native


def _grown(labels: Labels, around: Sequence[slice], margin: int) -> tuple[Labels, int, int]:
    """The labels (h, w) about a cell, each grown into the background; and the first row and column of them."""
    rows, columns = (slice(max(0, side.start - margin), side.stop + margin) for side in around)
    near, size = labels[rows, columns], 2 * GROWTH_PX + 1
    return np.where(near > 0, near, ndimage.grey_dilation(near, size=(size, size))), rows.start, columns.start


def one_piece(mask: Mask) -> Mask:
    """The largest 4-connected component of a mask, its holes filled."""
    components, count = ndimage.label(mask)
    if count > 1:
        components = components == np.bincount(components.ravel())[1:].argmax() + 1
    return np.asarray(ndimage.binary_fill_holes(components))
