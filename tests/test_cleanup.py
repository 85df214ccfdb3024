"""Filling of holes and area opening, to the pixel."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_wbc.cleanup import clean_up, drop_doubtful


def mask_of(*slices: tuple[slice, slice], shape: tuple[int, int] = (60, 60)) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    for rows, columns in slices:
        mask[rows, columns] = True
    return mask


def test_a_component_of_200_px_stays_and_one_of_199_goes() -> None:
    both = mask_of((slice(2, 12), slice(2, 22)), (slice(30, 40), slice(30, 50)))
    both[39, 49] = False
    assert_array_equal(clean_up(both, 200), mask_of((slice(2, 12), slice(2, 22))))


def test_components_that_touch_at_a_corner_are_one() -> None:
    corner = mask_of((slice(10, 20), slice(10, 20)), (slice(20, 30), slice(20, 30)))
    assert_array_equal(clean_up(corner, 200), corner)
    apart = mask_of((slice(10, 20), slice(10, 20)), (slice(20, 30), slice(21, 31)))
    assert not clean_up(apart, 200).any()


def test_holes_are_filled_before_the_area_is_counted() -> None:
    disc = mask_of((slice(10, 20), slice(10, 30)))
    ring = disc & ~mask_of((slice(12, 18), slice(12, 28)))
    assert np.count_nonzero(ring) < 200
    assert_array_equal(clean_up(ring, 200), disc)


def test_background_that_leaves_only_over_a_corner_is_a_hole_and_an_open_bay_is_not() -> None:
    square = mask_of((slice(10, 30), slice(10, 30)))
    leaking, bay = square.copy(), square.copy()
    leaking[11, 11] = leaking[10, 10] = False
    filled = square.copy()
    filled[10, 10] = False
    assert_array_equal(clean_up(leaking, 200), filled)
    bay[10:15, 15] = False
    assert_array_equal(clean_up(bay, 200), bay)


def test_background_at_the_border_of_the_image_is_no_hole() -> None:
    half_ring = mask_of((slice(0, 30), slice(0, 30)))
    half_ring[0:10, 10:20] = False
    assert_array_equal(clean_up(half_ring, 200), half_ring)


@pytest.mark.parametrize("min_area_px", [0, 1])
def test_an_area_of_0_or_1_removes_nothing(min_area_px: int) -> None:
    dot = mask_of((slice(5, 6), slice(5, 6)))
    assert_array_equal(clean_up(dot, min_area_px), dot)
    assert not clean_up(dot, 2).any()


def test_an_empty_mask_stays_empty_and_the_input_as_it_is() -> None:
    assert not clean_up(mask_of(), 200).any()
    ring = mask_of((slice(10, 20), slice(10, 20)))
    ring[15, 15] = False
    before = ring.copy()
    assert clean_up(ring, 200).dtype == bool
    assert_array_equal(ring, before)


def test_objects_of_low_mean_probability_are_left_out_and_the_rest_numbered_anew() -> None:
    labels = np.array([[1, 1, 0, 2, 2, 0, 3]], dtype=np.int32)
    probability = np.array([[0.9, 0.7, 0.1, 0.8, 0.6, 0.0, 0.75]], dtype=np.float32)
    kept, scores = drop_doubtful(labels, probability, 0.75)
    assert kept.tolist() == [[1, 1, 0, 0, 0, 0, 2]]
    assert scores == {1: pytest.approx(0.8), 2: pytest.approx(0.75)}
    nothing, none = drop_doubtful(np.zeros((2, 3), np.int32), np.ones((2, 3), np.float32), 0.5)
    assert nothing.shape == (2, 3)
    assert not nothing.any()
    assert none == {}
