"""Measure every labelled cell: area, shape, colour, share of the nucleus."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from scipy.spatial import ConvexHull, QhullError
from skimage.measure import regionprops

from .cells import Box, Cell, CellTable, Labels, Mask, RgbImage


def measure(
    image: RgbImage,
    labels: Labels,
    scores: Mapping[int, float],
    um_per_px: float | None,
    nucleus_areas_px: Mapping[int, int] = MappingProxyType({}),
    window: Box | None = None,
) -> CellTable:
    """One row per cell, without a type.

    Parameters
    ----------
    image
        (H, W, 3) uint8.
    labels
        (H, W) int32, value = id; with a `window` those of the window alone.
    scores
        Mean probability of WBC inside each cell, by id; ids without one get none.
    um_per_px
        Pixel size, µm, or None: then the columns in µm stay empty.
    nucleus_areas_px
        Area of the nucleus of each cell, by id; ids without one get none.
    window
        The box of `image` that `labels` shows; None: all of it.

    Returns
    -------
    Cells in ascending order of id. Diameter is that of the circle of equal area; solidity is area ÷ area of
    the convex hull of its pixels; perimeter and eccentricity follow
    `skimage.measure.regionprops`.
    """
    height, width = image.shape[:2]
    y0, x0 = (0, 0) if window is None else window[:2]
    cells = []
    for region in regionprops(labels, offset=(y0, x0)):
        box = Box(*(int(v) + offset for v, offset in zip(region.bbox, (y0, x0, y0, x0), strict=True)))
        area_px = int(region.area)
        diameter_px = 2 * math.sqrt(area_px / math.pi)
        pixels = image[box.slices]
        inside = region.image
        # A product of matrices is many times quicker than `pixels[inside].mean(axis=0)`, and as exact: sums of whole numbers.
        sums = inside.ravel().astype(np.float64) @ pixels.reshape(-1, 3).astype(np.float64)
        red, green, blue = (round(float(v), 2) for v in sums / area_px)
        nucleus_area_px = nucleus_areas_px.get(int(region.label))
        cells.append(
            Cell(
                cell_id=int(region.label),
                box=box,
                centroid_x=round(float(region.centroid[1]), 2),
                centroid_y=round(float(region.centroid[0]), 2),
                area_px=area_px,
                touches_border=box.y0 == 0 or box.x0 == 0 or box.y1 == height or box.x1 == width,
                nucleus_area_px=nucleus_area_px,
                nc_ratio=None if nucleus_area_px is None else round(nucleus_area_px / area_px, 4),
                diameter_px=round(diameter_px, 2),
                area_um2=None if um_per_px is None else round(area_px * um_per_px**2, 2),
                diameter_um=None if um_per_px is None else round(diameter_px * um_per_px, 2),
                perimeter_px=round(float(region.perimeter), 2),
                eccentricity=round(float(region.eccentricity), 4),
                solidity=round(area_px / hull_area_px(inside), 4),
                mean_red=red,
                mean_green=green,
                mean_blue=blue,
                segmentation_score=_score(scores.get(int(region.label))),
            )
        )
    return CellTable(tuple(cells))


def placed(cell: Cell, cell_id: int, window: Box, shape: tuple[int, int]) -> Cell:
    """A cell measured in a window alone, as one of the image of (H, W) px in which the window lies."""
    y0, x0 = window[:2]
    box = Box(cell.box.y0 + y0, cell.box.x0 + x0, cell.box.y1 + y0, cell.box.x1 + x0)
    return dataclasses.replace(
        cell,
        cell_id=cell_id,
        box=box,
        centroid_x=round(cell.centroid_x + x0, 2),
        centroid_y=round(cell.centroid_y + y0, 2),
        touches_border=box.y0 == 0 or box.x0 == 0 or box.y1 == shape[0] or box.x1 == shape[1],
    )


def hull_area_px(mask: Mask) -> float:
    """Number of pixels whose centres lie in the convex hull of the centres of a mask (h, w), by Pick's theorem."""
    rows = np.flatnonzero(mask.any(axis=1))
    left = mask[rows].argmax(axis=1)
    right = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    try:
        hull = ConvexHull(np.column_stack([np.tile(rows, 2), np.concatenate([left, right])]))
    except QhullError:  # all pixels in one line
        return float(np.count_nonzero(mask))
    corners = hull.points[hull.vertices].astype(int)
    edges = np.abs(corners - np.roll(corners, 1, axis=0))
    return float(hull.volume + np.gcd(edges[:, 0], edges[:, 1]).sum() / 2 + 1)  # of points in a plane the volume is the area


def _score(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
