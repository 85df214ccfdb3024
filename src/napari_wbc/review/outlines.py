"""Outlines as a person changes them: split, merge, delete, add. Label images (H, W) int32 in, new ones out.

An id stays with its cell, a new cell has the largest that there ever was plus 1: what was said of one that is gone is not its.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

from ..cells import Box, Labels, Mask
from ..errors import UsageError

MIN_SHARE = 0.15
"""Least share of a cell that a part has that is parted at a waist."""


def split(labels: Labels, cell_id: int, seeds: Sequence[tuple[float, float]] = (), *, last_id: int = 0) -> Labels:
    """Part a cell: flooded from the seeds, so that the seam runs where the cell is narrow; where it has no waist, half way.

    The largest part keeps the id, the others get new ones.

    Parameters
    ----------
    labels
        (H, W) int32.
    cell_id
        The cell.
    seeds
        Two or more points (y, x), px, one in each part; without them, one standard deviation to either side of the middle along
        the long axis.
    last_id
        The largest id that was used before, also of a cell that is gone.

    Raises
    ------
    UsageError
        If there is no such cell, or it does not come apart: it is a single pixel, or the seeds lie in one.
    """
    window, inside = _find(labels, cell_id)
    points = np.argwhere(inside)
    wanted = np.array(seeds, dtype=float) - (window.y0, window.x0) if len(seeds) else _ends(points)
    markers = np.zeros(inside.shape, dtype=np.int32)
    for i, seed in enumerate(wanted, start=1):
        markers[tuple(points[((points - seed) ** 2).sum(axis=1).argmin()])] = i
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    parts = watershed(-depth, markers, mask=inside, connectivity=2)
    ids, areas = np.unique(parts[parts > 0], return_counts=True)
    if areas.min() < MIN_SHARE * areas.sum():  # no waist: one seed has flooded all
        nearest = ((points[:, None] - np.argwhere(markers)) ** 2).sum(axis=2).argmin(axis=1)
        parts[tuple(points.T)] = nearest + 1
        ids, areas = np.unique(parts[parts > 0], return_counts=True)
    if len(ids) < 2:
        raise UsageError(f"Cell {cell_id} does not come apart there. Paint one of its parts with a new id.")
    after, next_id = _writable(labels), _next_id(labels, last_id)
    for part in ids[ids != ids[areas.argmax()]]:
        after[window.slices][parts == part] = next_id
        next_id += 1
    return after


def merge(labels: Labels, ids: Collection[int]) -> Labels:
    """Make one cell of several; it has the smallest of their ids.

    Raises
    ------
    UsageError
        If they are fewer than two, or one is not there.
    """
    if len(set(ids)) < 2:
        raise UsageError("Choose two or more cells to merge.")
    after = _writable(labels)
    for i in ids:
        window, inside = _find(labels, i)
        after[window.slices][inside] = min(ids)
    return after


def delete(labels: Labels, ids: Collection[int]) -> Labels:
    """Remove cells.

    Raises
    ------
    UsageError
        If one is not there.
    """
    after = _writable(labels)
    for i in ids:
        window, inside = _find(labels, i)
        after[window.slices][inside] = 0
    return after


def add(labels: Labels, mask: Mask, *, last_id: int = 0) -> Labels:
    """A new cell from its mask (H, W) bool, as far as it lies on no other cell; `last_id` as of `split`.

    Raises
    ------
    UsageError
        If nothing of it is left.
    """
    free = mask & (labels == 0)
    if not free.any():
        raise UsageError("There is no room for a new cell: nothing was outlined, or other cells lie there.")
    after = _writable(labels)
    after[free] = _next_id(labels, last_id)
    return after


def _next_id(labels: Labels, last_id: int) -> int:
    return max(int(labels.max()), last_id) + 1


def _find(labels: Labels, cell_id: int) -> tuple[Box, Mask]:
    """The box of a cell, and its mask in it."""
    window = Box.around(labels == cell_id) if cell_id > 0 else None
    if window is None:
        raise UsageError(f"There is no cell {cell_id}. Choose a cell first.")
    return window, labels[window.slices] == cell_id


def _ends(points: np.ndarray) -> np.ndarray:
    """The points one standard deviation to either side of the middle along the long axis of points (N, 2); (2, 2) float64."""
    middle = points.mean(axis=0)
    if len(points) < 2:
        return np.array([middle])
    variances, axes = np.linalg.eigh(np.cov(points.T))
    step = np.sqrt(variances[-1]) * axes[:, -1]
    return np.array([middle - step, middle + step])


def _writable(labels: Labels) -> Labels:
    return np.array(labels)
