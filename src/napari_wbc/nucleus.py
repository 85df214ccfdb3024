"""The nucleus inside a cell, from its colour."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from .cells import Labels, Mask, RgbImage

MIN_CONTRAST = 12.0
"""Grey levels of the green channel by which nucleus and cytoplasm must differ to be told apart."""


def nucleus(pixels: RgbImage, cell: Mask) -> Mask:
    """The nucleus of one cell: the darker of two classes of the smoothed green channel, where stained chromatin absorbs most.

    Otsu's threshold over the pixels of the cell, smoothed among themselves by a Gaussian of 1/60 of the cell's diameter. A
    cell without two classes (they differ by less than `MIN_CONTRAST` grey levels) is all nucleus.

    Parameters
    ----------
    pixels
        (h, w, 3) uint8, the box of the cell.
    cell
        (h, w) bool.

    Returns
    -------
    (h, w) bool, inside `cell`.
    """
    area = np.count_nonzero(cell)
    if area == 0:
        return np.zeros_like(cell)
    sigma = 2 * np.sqrt(area / np.pi) / 60
    weight = ndimage.gaussian_filter(cell.astype(np.float32), sigma)  # leaves out what surrounds the cell
    blurred = ndimage.gaussian_filter(np.where(cell, pixels[..., 1], 0).astype(np.float32), sigma)
    values = blurred[cell] / weight[cell]
    if values.max() - values.min() < MIN_CONTRAST:
        return cell.copy()
    threshold = threshold_otsu(values)
    dark = values <= threshold
    if dark.all() or values[~dark].mean() - values[dark].mean() < MIN_CONTRAST:
        return cell.copy()
    found = np.zeros_like(cell)
    found[cell] = dark
    return found


def nucleus_areas_px(image: RgbImage, labels: Labels) -> dict[int, int]:
    """Area of the nucleus of every cell, native px, by id; image (H, W, 3) uint8, labels (H, W) int32."""
    found = enumerate(ndimage.find_objects(labels), start=1)
    return {i: int(np.count_nonzero(nucleus(image[box], labels[box] == i))) for i, box in found if box is not None}
