"""Measurements of drawn discs and ellipses against what geometry says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.measure import regionprops
from skimage.morphology import convex_hull_image

from napari_wbc.cells import Cell
from napari_wbc.crop import boxes
from napari_wbc.measure import hull_area_px, measure
from napari_wbc.nucleus import nucleus_areas_px

SHAPE = (140, 160)
YY, XX = np.mgrid[: SHAPE[0], : SHAPE[1]]
WHITE = np.full((*SHAPE, 3), 255, dtype=np.uint8)


def ellipse(y: float, x: float, a: float, b: float, angle_deg: float = 0) -> np.ndarray:
    """Half axes `a` and `b`, px; `a` is turned by `angle_deg` from the columns."""
    angle = math.radians(angle_deg)
    along = (XX - x) * math.cos(angle) + (YY - y) * math.sin(angle)
    across = (YY - y) * math.cos(angle) - (XX - x) * math.sin(angle)
    return np.asarray((along / a) ** 2 + (across / b) ** 2 <= 1)


def measured(mask: np.ndarray, image: np.ndarray = WHITE, um_per_px: float | None = None) -> Cell:
    labels = mask.astype(np.int32)
    (cell,) = measure(image, labels, {}, um_per_px, nucleus_areas_px(image, labels))
    return cell


def test_a_disc() -> None:
    mask = ellipse(70, 80, 40, 40)
    cell = measured(mask)
    assert cell.area_px == np.count_nonzero(mask)
    assert cell.area_px == pytest.approx(math.pi * 40**2, rel=0.01)
    assert cell.diameter_px == pytest.approx(80, rel=0.005)
    assert cell.perimeter_px == pytest.approx(2 * math.pi * 40, rel=0.05)
    assert cell.eccentricity == pytest.approx(0, abs=0.02)
    assert cell.solidity == pytest.approx(1, abs=0.02)
    assert (cell.centroid_y, cell.centroid_x) == (70, 80)
    assert cell.box == (30, 40, 111, 121)
    assert not cell.touches_border


@pytest.mark.parametrize("angle_deg", [0, 30, 90])
def test_an_ellipse(angle_deg: float) -> None:
    cell = measured(ellipse(70, 80, 50, 25, angle_deg))
    assert cell.area_px == pytest.approx(math.pi * 50 * 25, rel=0.01)
    assert cell.eccentricity == pytest.approx(math.sqrt(1 - 0.25), abs=0.005)
    assert cell.diameter_px == pytest.approx(2 * math.sqrt(50 * 25), rel=0.005)


def test_solidity_is_the_share_of_the_convex_hull() -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[20:80, 20:80] = True
    mask[50:80, 50:80] = False  # an L: 3/4 of the square; its hull lacks half of the missing quarter
    assert measured(mask).solidity == pytest.approx(0.75 / 0.875, abs=0.01)


def test_the_centre_of_pixel_0_is_0() -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[0:4, 0:3] = True
    cell = measured(mask)
    assert (cell.centroid_y, cell.centroid_x) == (1.5, 1.0)


def test_micrometres_follow_the_pixel_size_and_are_missing_without_one() -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[10:60, 10:50] = True  # 2000 px
    cell = measured(mask, um_per_px=0.1)
    assert cell.area_um2 == 20
    assert cell.diameter_um == pytest.approx(2 * math.sqrt(20 / math.pi), abs=0.005)
    without = measured(mask)
    assert (without.area_um2, without.diameter_um) == (None, None)
    assert without.area_px == 2000


@pytest.mark.parametrize(
    ("rows", "columns", "touches"),
    [
        (slice(0, 5), slice(5, 9), True),
        (slice(5, 9), slice(0, 5), True),
        (slice(135, 140), slice(5, 9), True),
        (slice(5, 9), slice(155, 160), True),
        (slice(1, 139), slice(1, 159), False),
    ],
)
def test_a_cell_in_the_outermost_row_or_column_touches_the_border(rows: slice, columns: slice, touches: bool) -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[rows, columns] = True
    assert measured(mask).touches_border is touches


def test_colours_are_means_over_the_cell_alone() -> None:
    image = np.full((*SHAPE, 3), 7, dtype=np.uint8)
    left, right = (XX < 80) & ellipse(70, 79.5, 30, 30), (XX >= 80) & ellipse(70, 79.5, 30, 30)
    image[left], image[right] = (100, 10, 200), (200, 20, 250)
    cell = measured(left | right, image)
    assert (cell.mean_red, cell.mean_green, cell.mean_blue) == (150, 15, 225)


def test_the_nucleus_is_measured_inside_the_cell() -> None:
    image = np.full((*SHAPE, 3), 230, dtype=np.uint8)
    image[ellipse(70, 80, 40, 40)] = (190, 170, 210)
    image[ellipse(70, 80, 20, 20)] = (90, 50, 140)
    cell = measured(ellipse(70, 80, 40, 40), image)
    assert cell.nucleus_area_px == pytest.approx(math.pi * 20**2, rel=0.05)
    assert cell.nucleus_area_px is not None
    assert cell.nc_ratio == pytest.approx(cell.nucleus_area_px / cell.area_px, abs=5e-5)
    assert measured(ellipse(70, 80, 40, 40)).nc_ratio == 1  # one colour: all nucleus


def test_one_row_per_id_with_its_box_and_score() -> None:
    labels = np.zeros(SHAPE, dtype=np.int32)
    labels[100:110, 5:20], labels[10:20, 50:60], labels[40:45, 70:90] = 2, 9, 4
    labels.flags.writeable = False
    table = measure(WHITE, labels, {2: 0.91236, 9: 0.5, 77: 0.1}, None)
    assert [cell.cell_id for cell in table] == [2, 4, 9]
    assert {cell.cell_id: cell.box for cell in table} == boxes(labels)
    assert [cell.segmentation_score for cell in table] == [0.9124, None, 0.5]
    assert [cell.cell_type for cell in table] == [None] * 3


@pytest.mark.parametrize("pixels", [[(5, 5)], [(5, 5), (5, 6), (5, 7)], [(5, 5), (6, 6), (7, 7)]])
def test_a_dot_or_a_line_drawn_by_hand_is_measured_without_warning(pixels: list[tuple[int, int]]) -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[tuple(np.transpose(pixels))] = True
    cell = measured(mask)
    assert cell.area_px == len(pixels)
    assert cell.solidity == 1
    assert all(math.isfinite(v) for v in cell.as_row().values() if isinstance(v, float))


def test_no_cells_give_an_empty_table() -> None:
    assert len(measure(WHITE, np.zeros(SHAPE, dtype=np.int32), {}, 0.1)) == 0


@pytest.mark.parametrize("seed", range(8))
def test_shape_is_measured_as_by_scikit_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = ellipse(60, 70, rng.uniform(1, 45), rng.uniform(1, 45), rng.uniform(0, 180)) & (
        rng.random(SHAPE) < rng.uniform(0.3, 2)
    )
    mask[60, 70] = True
    (region,) = regionprops(mask.astype(np.int32))
    cell = measured(mask)
    assert (cell.area_px, cell.box) == (region.area, region.bbox)
    assert (cell.centroid_y, cell.centroid_x) == pytest.approx(region.centroid, abs=0.0051)
    assert cell.perimeter_px == pytest.approx(region.perimeter, abs=0.0051)
    assert cell.eccentricity == pytest.approx(region.eccentricity, abs=5.1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_the_hull_is_scikit_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = ellipse(60, 70, rng.uniform(8, 45), rng.uniform(8, 45), rng.uniform(0, 180)) & (rng.random(SHAPE) < 0.7)
    expected = np.count_nonzero(convex_hull_image(mask, offset_coordinates=False))
    assert hull_area_px(mask) == pytest.approx(expected, rel=0.005)


def test_the_hull_of_a_triangle_by_hand() -> None:
    assert hull_area_px(np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1]], dtype=bool)) == 6
    assert hull_area_px(np.ones((1, 1), dtype=bool)) == 1
    assert hull_area_px(np.eye(4, dtype=bool)) == 4
