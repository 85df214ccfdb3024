"""Clean what was found at the analysis scale: fill holes, area opening, leave out doubtful objects."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.morphology import remove_small_objects

from .cells import Labels, Mask, Probabilities


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


def drop_doubtful(labels: Labels, probability: Probabilities, min_score: float) -> tuple[Labels, dict[int, float]]:
    """Leave out the objects whose mean probability is below `min_score`.

    Parameters
    ----------
    labels
        (H, W) int32, ids 1..n.
    probability
        (H, W) float32, probability of WBC.

    Returns
    -------
    The labels of the rest, numbered 1..m in the same order, and the mean probability of each.
    """
    inside = np.flatnonzero(labels)
    ids = labels.ravel()[inside]
    areas = np.bincount(ids, minlength=1)
    scores = np.bincount(ids, weights=probability.ravel()[inside], minlength=1) / np.maximum(areas, 1)
    kept = (areas > 0) & (scores >= min_score)
    new_ids = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    return new_ids[labels], {int(new_ids[i]): float(scores[i]) for i in np.flatnonzero(kept)}
