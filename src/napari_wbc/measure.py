"""Measure every labelled cell: area, shape, colour, share of the nucleus."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from skimage.measure import regionprops

from .cells import Box, Cell, CellTable, Labels, RgbImage


def measure(
    image: RgbImage,
    labels: Labels,
    scores: Mapping[int, float],
    um_per_px: float | None,
    nucleus_areas_px: Mapping[int, int] = MappingProxyType({}),
) -> CellTable:
    """One row per cell, without a type.

    Parameters
    ----------
    image
        (H, W, 3) uint8.
    labels
        (H, W) int32, value = id.
    scores
        Mean probability of WBC inside each cell, by id; ids without one get none.
    um_per_px
        Pixel size, µm, or None: then the columns in µm stay empty.
    nucleus_areas_px
        Area of the nucleus of each cell, by id; ids without one get none.

    Returns
    -------
    Cells in ascending order of id. Diameter is that of the circle of equal area; perimeter and shape follow
    `skimage.measure.regionprops`.
    """
    height, width = labels.shape
    cells = []
    for region in regionprops(labels):
        box = Box(*(int(v) for v in region.bbox))
        area_px = int(region.area)
        diameter_px = 2 * math.sqrt(area_px / math.pi)
        pixels = image[box.slices]
        inside = region.image
        red, green, blue = (round(float(v), 2) for v in pixels[inside].mean(axis=0))
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
                solidity=round(float(region.solidity), 4),
                mean_red=red,
                mean_green=green,
                mean_blue=blue,
                segmentation_score=_score(scores.get(int(region.label))),
            )
        )
    return CellTable(tuple(cells))


def _score(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
