"""Clean a mask at the analysis scale: fill holes, then area opening."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.morphology import remove_small_objects

from .cells import Mask


def clean_up(mask: Mask, min_area_px: int) -> Mask:
    """Fill the holes of a mask, then remove its components of fewer than `min_area_px` pixels.

    Parameters
    ----------
    mask
        (H, W) bool at the analysis scale. A hole is background that is not 4-connected to the image border.
    min_area_px
        Components are 8-connected; one of exactly this many pixels stays.

    Returns
    -------
    (H, W) bool
    """
    filled = ndimage.binary_fill_holes(mask)
    if min_area_px <= 1:
        return np.asarray(filled)
    return np.asarray(remove_small_objects(filled, max_size=min_area_px - 1, connectivity=2))
