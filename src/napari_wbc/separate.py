"""Part touching cells and number them: one object per cell."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

from .cells import Labels, Mask, Probabilities

EIGHT_CONNECTED = np.ones((3, 3), dtype=bool)


def label_components(mask: Mask) -> Labels:
    """Number the 8-connected components of a mask 1..n, in raster order of their first pixel; (H, W) int32."""
    labels = np.empty(mask.shape, dtype=np.int32)
    ndimage.label(mask, structure=EIGHT_CONNECTED, output=labels)
    return labels


def separate(mask: Mask, core: Probabilities | None, core_threshold: float, min_area_px: int) -> Labels:
    """One label per cell: components, parted where one holds more than one core.

    A core is a region of `core` above half the threshold that reaches the threshold somewhere: two peaks with a shallow dip
    between them are one core. Each component that holds two or more is flooded from them (marker-controlled watershed on the
    core probability), so that the seam runs where the network saw least of a core. Parts smaller than `min_area_px` are
    merged back by leaving their cores out. A component with one core or none stays whole.

    Parameters
    ----------
    mask
        (H, W) bool, cleaned, at the analysis scale.
    core
        (H, W) float32 in 0..1, the probability of lying well inside a cell; None gives plain connected components.
    core_threshold
        Value that a core must reach.
    min_area_px
        Smallest area of a part, analysis px.

    Returns
    -------
    (H, W) int32, ids 1..n in raster order of the first pixel.
    """
    labels = label_components(mask)
    if core is None:
        return labels
    markers = label_components((core >= core_threshold / 2) & mask)
    strong = np.zeros(int(markers.max(initial=0)) + 1, dtype=bool)
    strong[markers[core >= core_threshold]] = True
    inside = np.flatnonzero(markers)
    is_strong = strong[markers.flat[inside]]
    markers.flat[inside[~is_strong]] = 0
    inside = inside[is_strong]
    component_of = np.zeros(len(strong), dtype=np.int32)  # a marker lies in one component
    component_of[markers.flat[inside]] = labels.flat[inside]
    crowded = np.flatnonzero(np.bincount(component_of[component_of > 0]) > 1)
    if not len(crowded):
        return labels
    boxes = ndimage.find_objects(labels)
    next_id = len(boxes) + 1
    for component in crowded:
        box = boxes[component - 1]
        inside = labels[box] == component
        seeds = np.where(inside, markers[box], 0)
        parts = _flood(core[box], seeds, inside, min_area_px)
        for part in np.unique(parts[parts > 0])[1:]:
            labels[box][parts == part] = next_id
            next_id += 1
    return _renumber(labels)


def _flood(core: Probabilities, seeds: Labels, inside: Mask, min_area_px: int) -> Labels:
    """Watershed from the seeds inside one component; the smallest seed is left out until every part is large enough."""
    while True:
        parts = np.asarray(watershed(-core, seeds, mask=inside, connectivity=2), dtype=np.int32)
        ids, areas = np.unique(parts[parts > 0], return_counts=True)
        if len(ids) < 2 or areas.min() >= min_area_px:
            return parts
        seeds = np.where(seeds == ids[areas.argmin()], 0, seeds)


def _renumber(labels: Labels) -> Labels:
    """The same objects as 1..n, in raster order of their first pixel."""
    ids, first = np.unique(labels[labels > 0], return_index=True)
    lookup = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.int32)
    lookup[ids[np.argsort(first)]] = np.arange(1, len(ids) + 1)
    return np.asarray(lookup[labels])
