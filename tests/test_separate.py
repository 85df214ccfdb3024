"""Touching cells become one object each, and nothing else is parted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal
from scipy import ndimage

from napari_wbc.separate import label_components, separate

YY, XX = np.mgrid[:80, :120]


def disc(y: float, x: float, radius: float) -> np.ndarray:
    return np.asarray((YY - y) ** 2 + (XX - x) ** 2 <= radius**2)


def core_of(mask: np.ndarray) -> np.ndarray:
    """A core as a network would see it: the distance to the rim, 1 in the middle of a cell of 20 px radius."""
    return np.clip(ndimage.distance_transform_edt(mask) / 20, 0, 1).astype(np.float32)


def test_two_touching_discs_are_parted_at_their_neck() -> None:
    mask = disc(40, 40, 20) | disc(40, 76, 20)
    labels = separate(mask, core_of(mask) ** 3, 0.7, 200)
    assert labels.dtype == np.int32
    assert_array_equal(labels > 0, mask)
    assert labels.max() == 2
    assert np.all(labels[mask & (XX < 57)] == 1)
    assert np.all(labels[mask & (XX > 59)] == 2)


def test_without_a_core_they_stay_one_object() -> None:
    mask = disc(40, 40, 20) | disc(40, 76, 20)
    assert_array_equal(separate(mask, None, 0.7, 200), mask)


def test_a_component_with_one_core_or_none_stays_whole() -> None:
    mask = disc(40, 30, 20) | disc(40, 90, 20)
    core = np.where(XX < 60, core_of(mask), 0).astype(np.float32)
    labels = separate(mask, core, 0.7, 200)
    assert_array_equal(labels, np.where(disc(40, 30, 20), 1, 0) + np.where(disc(40, 90, 20), 2, 0))


def test_the_threshold_decides_what_is_a_core() -> None:
    mask = disc(40, 40, 20) | disc(40, 76, 20)
    core = np.zeros(mask.shape, dtype=np.float32)
    core[40, 40], core[40, 76] = 0.9, 0.5
    assert separate(mask, core, 0.5, 200).max() == 2
    assert separate(mask, core, 0.51, 200).max() == 1


def test_cores_outside_the_mask_do_not_count() -> None:
    mask = disc(40, 40, 20)
    core = np.zeros(mask.shape, dtype=np.float32)
    core[40, 40] = core[40, 110] = 1
    assert_array_equal(separate(mask, core, 0.5, 200), mask)


def two_halves(cut: int) -> tuple[np.ndarray, np.ndarray]:
    """A bar of 20 × 60 px, and two cores that part it at column 10 + `cut`."""
    mask = np.zeros((80, 120), dtype=bool)
    mask[10:30, 10:70] = True
    core = (np.abs(XX - (10 + cut - 0.5)) / 100).astype(np.float32)
    return mask, core


@pytest.mark.parametrize(("min_area_px", "n_parts"), [(200, 2), (201, 1)])
def test_a_part_under_the_least_area_is_merged_back(min_area_px: int, n_parts: int) -> None:
    mask, core = two_halves(10)  # left part: 20 × 10 = 200 px
    labels = separate(mask, core, 0.04, min_area_px)
    assert labels.max() == n_parts
    assert_array_equal(labels > 0, mask)
    if n_parts == 2:
        assert np.count_nonzero(labels == 1) == 200


def test_merging_a_small_part_leaves_the_others_parted() -> None:
    mask = disc(40, 40, 20) | disc(40, 76, 20) | disc(40, 100, 6)
    core = np.zeros(mask.shape, dtype=np.float32)
    for x, height in ((40, 1.0), (76, 1.0), (102, 1.0)):
        core = np.maximum(core, height - np.hypot(YY - 40, XX - x) / 12).astype(np.float32)
    assert separate(mask, core, 0.8, 1).max() == 3
    labels = separate(mask, core, 0.8, 300)
    assert labels.max() == 2
    assert labels[40, 102] == labels[40, 80] == 2


def test_components_that_touch_at_a_corner_are_one() -> None:
    assert label_components(np.eye(5, dtype=bool)).max() == 1


def test_nothing_gives_no_labels() -> None:
    nothing = np.zeros((8, 8), dtype=bool)
    assert not separate(nothing, None, 0.5, 200).any()
    assert not separate(nothing, np.ones((8, 8), dtype=np.float32), 0.5, 200).any()


@given(
    arrays(bool, (12, 14)),
    arrays(np.float32, (12, 14), elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])),
    st.integers(0, 6),
)
def test_every_pixel_keeps_a_label_and_ids_are_1_to_n_in_raster_order(
    mask: np.ndarray, core: np.ndarray, min_area_px: int
) -> None:
    components = label_components(mask)
    for labels in (components, separate(mask, core, 0.75, min_area_px)):
        assert_array_equal(labels > 0, mask)
        ids, first = np.unique(labels[labels > 0], return_index=True)
        assert_array_equal(ids, np.arange(1, len(ids) + 1))
        assert_array_equal(first, np.sort(first))
        for i in ids:
            assert ndimage.label(labels == i, np.ones((3, 3)))[1] == 1
            areas = np.count_nonzero(labels == i)
            whole = np.count_nonzero(components == components[labels == i][0])
            assert areas >= min_area_px or areas == whole
            assert len(np.unique(components[labels == i])) == 1


@pytest.mark.parametrize(("dip", "cells"), [(0.1, 2), (0.24, 2), (0.26, 1), (0.45, 1)])
def test_two_peaks_are_two_cores_only_if_the_dip_between_them_is_deep(dip: float, cells: int) -> None:
    core = np.full((9, 21), 0.0, np.float32)
    core[2:7, 2:9] = core[2:7, 12:19] = 0.9
    core[2:7, 9:12] = dip
    assert separate(np.ones((9, 21), bool), core, 0.5, 1).max() == cells


def test_faint_cores_part_nothing() -> None:
    mask = disc(40, 20, 12) | disc(40, 60, 12) | disc(40, 100, 12)
    core = np.zeros(mask.shape, dtype=np.float32)
    core[35, 20] = core[45, 20] = core[35, 100] = core[45, 100] = 0.4
    core[40, 60] = 0.9
    assert_array_equal(separate(mask, core, 0.5, 1), label_components(mask))
