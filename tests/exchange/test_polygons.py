"""Polygons on the edges of pixels, against shapely."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_wbc.cells import Box, Mask
from napari_wbc.exchange.budget import Budget
from napari_wbc.exchange.polygons import Polygon, fill, polygons, trim
from tests.exchange.made import quick

FILE = Path("x")

masks = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))


def as_shapely(found: list[Polygon]) -> shapely.MultiPolygon:
    return shapely.MultiPolygon([shapely.Polygon(outer, holes) for outer, *holes in found])


def painted(mask: Mask, box: Box, shape: tuple[int, int]) -> Mask:
    full = np.zeros(shape, dtype=bool)
    full[box.slices] = mask
    return full


@quick
@given(mask=masks)
def test_every_mask_comes_back_from_valid_polygons_of_its_area(mask: Mask) -> None:
    height, width = mask.shape
    box, shape = Box(3, 4, 3 + height, 4 + width), (3 + height, 4 + width)
    found = polygons(mask, box)
    area = as_shapely(found)
    assert area.is_valid, shapely.is_valid_reason(area)
    assert area.area == np.count_nonzero(mask)
    assert all(shapely.LinearRing(one[0]).is_ccw for one in found), "clockwise on the screen, where y points down"
    back = fill([ring for one in found for ring in one], Budget(shape, FILE))
    if mask.any():
        assert back is not None
        np.testing.assert_array_equal(painted(*back, shape), painted(mask, box, shape))
        assert back[1] == trim(mask, box)[1]  # type: ignore[index]
    else:
        assert (found, back) == ([], None)


@quick
@given(mask=masks)
def test_polygons_are_the_union_of_the_pixels(mask: Mask) -> None:
    y, x = np.nonzero(mask)
    union = shapely.union_all(shapely.box(x, y, x + 1, y + 1))
    assert as_shapely(polygons(mask, Box(0, 0, *mask.shape))).symmetric_difference(union).area == 0


def test_a_square_with_a_hole_by_hand() -> None:
    mask = np.ones((3, 3), dtype=bool)
    mask[1, 1] = False
    ((outer, hole),) = polygons(mask, Box(10, 20, 13, 23))
    assert set(outer) == {(20, 10), (23, 10), (23, 13), (20, 13)}
    assert set(hole) == {(21, 11), (22, 11), (22, 12), (21, 12)}


def test_pieces_that_touch_in_a_corner_are_two_polygons() -> None:
    assert len(polygons(np.eye(2, dtype=bool), Box(0, 0, 2, 2))) == 2


coordinates = st.floats(-5, 15)


@quick
@given(points=st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8))
@example(points=[(0.0, 0.0), (0.0, 1.0), (1.1125369292536007e-308, 0.0)])
def test_filling_takes_the_centres_inside_as_shapely_sees_them(points: list[tuple[float, float]]) -> None:
    polygon = shapely.Polygon(points)
    if not polygon.is_valid:  # shapely's `contains` knows no even-odd rule
        return
    found = fill([points], Budget((9, 11), FILE))
    y, x = np.mgrid[:9, :11]
    with np.errstate(divide="ignore"):  # shapely warns of edges of 1e-308 px
        off_the_line = shapely.distance(polygon.boundary, shapely.points(x + 0.5, y + 0.5)) > 1e-9
    actual = np.zeros((9, 11), bool) if found is None else painted(*found, (9, 11))
    np.testing.assert_array_equal(actual[off_the_line], shapely.contains_xy(polygon, x + 0.5, y + 0.5)[off_the_line])


def test_a_line_that_crosses_itself_is_filled_by_the_even_odd_rule() -> None:
    twice = [(0, 0), (4, 0), (4, 4), (0, 4)] * 2
    assert fill([twice], Budget((5, 5), FILE)) is None
    found = fill([[(0, 0), (6, 0), (6, 6), (0, 6)], [(2, 2), (4, 2), (4, 4), (2, 4)]], Budget((6, 6), FILE))
    assert found is not None
    assert np.count_nonzero(found[0]) == 32


def test_what_leaves_the_image_is_cut_off() -> None:
    found = fill([[(-1e300, -7), (3, -7), (3, 1e12), (-1e300, 1e12)]], Budget((4, 6), FILE))
    assert found is not None
    assert found[1] == Box(0, 0, 4, 3)
    assert found[0].all()
    assert fill([[(10, 10), (20, 10), (20, 20)]], Budget((4, 6), FILE)) is None
    assert fill([], Budget((4, 6), FILE)) is None


@pytest.mark.parametrize("ring", [[(0, 0), (1, float("nan"))], [1, 2, 3], [(1,), (2,)], "abc", [(0, float("inf"))]])
def test_rings_that_are_none_are_refused(ring: object) -> None:
    with pytest.raises(ValueError, match=r"pairs of finite numbers|could not convert|inhomogeneous"):
        fill([ring], Budget((4, 4), FILE))  # type: ignore[list-item]
