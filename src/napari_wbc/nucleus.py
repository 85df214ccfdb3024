"""The nucleus inside a cell, from its colour."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from .cells import Labels, Mask, RgbImage

MIN_CONTRAST = 0.08
"""Share of its own brightness by which the nucleus must be darker than the cytoplasm to be told apart."""
SMOOTHED = 1 / 40
"""Sigma of the Gaussian before the threshold, cell diameters: more than the texture of chromatin, less than a lobe."""
BRIGHTEST = 0.05
"""Share of the brightest pixels, of glass inside the outline or vacuoles, whose brightness is cut off before the threshold."""
MIN_LOBE, MAX_HOLE = 0.015, 0.02
"""Smaller dark parts are granules, smaller pale parts inside are chromatin; share of the cell."""


def nucleus(pixels: RgbImage, cell: Mask) -> Mask:
    """The nucleus of one cell: the darker of two classes of the mean of red and green.

    Chromatin takes red and green light away; the granules of eosinophils leave the red, the cytoplasm of lymphocytes and
    monocytes leaves more of the green. Otsu's threshold over the pixels of the cell, smoothed among themselves; specks are
    dropped, small holes filled. A cell without two classes is all nucleus.

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
    area = int(np.count_nonzero(cell))
    if area == 0:
        return np.zeros_like(cell)
    sigma = 2 * np.sqrt(area / np.pi) * SMOOTHED
    weight = ndimage.gaussian_filter(cell.astype(np.float32), sigma)  # leaves out what surrounds the cell
    grey = (pixels[..., 0].astype(np.float32) + pixels[..., 1]) / 2
    values = ndimage.gaussian_filter(np.where(cell, grey, 0), sigma)[cell] / weight[cell]
    values = np.minimum(values, np.quantile(values, 1 - BRIGHTEST))
    if values.max() - values.min() < 1:
        return cell.copy()
    dark = values <= threshold_otsu(values)
    if dark.all() or values[dark].mean() > (1 - MIN_CONTRAST) * values[~dark].mean():
        return cell.copy()
    found = np.zeros_like(cell)
    found[cell] = dark
    return _whole(found, cell, area)


def _whole(found: Mask, cell: Mask, area: int) -> Mask:
    """The dark parts of a cell without its specks and small holes; if all are specks, they stay."""
    parts, _ = ndimage.label(found)
    large = np.bincount(parts.ravel()) >= MIN_LOBE * area
    large[0] = False
    if large.any():
        found = large[parts]
    holes, _ = ndimage.label(~found)  # what surrounds the cell is part of the hole that reaches its outline
    small = np.bincount(holes.ravel()) < MAX_HOLE * area
    small[0] = False
    small[holes[~cell]] = False
    border = np.ones_like(cell)
    border[1:-1, 1:-1] = False
    small[holes[border & ~found]] = False
    return np.asarray(found | small[holes])


FINE_PX = 80
"""For the area of its nucleus a cell twice as wide as this is seen at every second pixel, one thrice as wide at every third."""


def nucleus_areas_px(image: RgbImage, labels: Labels) -> dict[int, int]:
    """Area of the nucleus of every cell, native px, by id; image (H, W, 3) uint8, labels (H, W) int32."""
    found = enumerate(ndimage.find_objects(labels), start=1)
    return {i: _area_px(image[box], labels[box] == i) for i, box in found if box is not None}


def _area_px(pixels: RgbImage, cell: Mask) -> int:
    """Area of the nucleus of one cell: of the cell, the share that it has of the pixels looked at."""
    area = int(np.count_nonzero(cell))
    step = max(1, int(2 * math.sqrt(area / math.pi) / FINE_PX))
    seen = cell[::step, ::step]
    found = nucleus(pixels[::step, ::step], seen)
    return round(area * int(np.count_nonzero(found)) / max(1, int(np.count_nonzero(seen))))
