"""Outlines as a person changes them, against hand-made cases."""

from __future__ import annotations

import numpy as np
import pytest

from napari_wbc.errors import UsageError
from napari_wbc.review import add, delete, merge, split


@pytest.fixture
def labels() -> np.ndarray:
    """Cell 2 is a dumb-bell of a large and a small disc, 5 a square; there is no cell 1, 3, 4."""
    rows, columns = np.mgrid[:40, :80]
    found = np.zeros((40, 80), np.int32)
    found[(rows - 20) ** 2 + (columns - 15) ** 2 < 11**2] = 2
    found[(rows - 20) ** 2 + (columns - 31) ** 2 < 8**2] = 2
    found[5:15, 60:70] = 5
    return found


@pytest.mark.parametrize("seeds", [(), ((20, 15), (20, 31)), ((20, 31), (20, 15))])
def test_a_dumb_bell_parts_at_its_waist_and_the_large_part_keeps_the_id(
    labels: np.ndarray, seeds: tuple[tuple[float, float], ...]
) -> None:
    after = split(labels, 2, seeds)
    assert set(np.unique(after)) == {0, 2, 5, 6}
    np.testing.assert_array_equal(after > 0, labels > 0)
    assert after[20, 15] == 2
    assert after[20, 31] == 6
    columns_of_2 = np.nonzero(after == 2)[1]
    columns_of_6 = np.nonzero(after == 6)[1]
    assert columns_of_2.max() <= 26  # the discs meet at about column 24
    assert columns_of_6.min() >= 22


def test_a_cell_without_a_waist_is_halved() -> None:
    rows, columns = np.mgrid[:60, :60]
    disc = ((rows - 30) ** 2 + (columns - 30) ** 2 < 20**2).astype(np.int32)
    areas = np.bincount(split(disc, 1).ravel())[1:]
    assert len(areas) == 2
    assert areas.min() / areas.sum() > 0.4


def test_three_seeds_make_three_cells(labels: np.ndarray) -> None:
    after = split(labels, 5, [(6, 61), (6, 68), (13, 65)])
    assert set(np.unique(after[5:15, 60:70])) == {5, 6, 7}


@pytest.mark.parametrize(("cell_id", "seeds"), [(2, [(20, 15), (20, 15)]), (3, []), (0, [])])
def test_what_does_not_come_apart_is_refused(labels: np.ndarray, cell_id: int, seeds: list[tuple[float, float]]) -> None:
    with pytest.raises(UsageError, match=f"ell {cell_id}"):
        split(labels, cell_id, seeds)


def test_a_cell_of_one_pixel_does_not_come_apart() -> None:
    labels = np.zeros((3, 3), np.int32)
    labels[1, 1] = 1
    with pytest.raises(UsageError, match="does not come apart"):
        split(labels, 1)


def test_merged_cells_have_the_smallest_id(labels: np.ndarray) -> None:
    np.testing.assert_array_equal(merge(labels, [5, 2]), np.where(labels == 5, 2, labels))
    with pytest.raises(UsageError, match="two or more"):
        merge(labels, [5, 5])
    with pytest.raises(UsageError, match="no cell 3"):
        merge(labels, [5, 3])


def test_deleted_cells_are_background(labels: np.ndarray) -> None:
    np.testing.assert_array_equal(delete(labels, [5]), np.where(labels == 5, 0, labels))
    with pytest.raises(UsageError, match="no cell 1"):
        delete(labels, [1])


def test_a_new_cell_takes_nothing_from_others(labels: np.ndarray) -> None:
    mask = np.zeros(labels.shape, bool)
    mask[10:20, 55:75] = True
    after = add(labels, mask)
    np.testing.assert_array_equal(after == 6, mask & (labels == 0))
    np.testing.assert_array_equal(after[labels > 0], labels[labels > 0])
    with pytest.raises(UsageError, match="no room"):
        add(labels, labels == 5)


def test_new_cells_take_no_id_that_was_used_before(labels: np.ndarray) -> None:
    assert set(np.unique(split(labels, 5, [(6, 61), (6, 68), (13, 65)], last_id=9))) == {0, 2, 5, 10, 11}
    mask = np.zeros(labels.shape, bool)
    mask[30:, 70:] = True
    assert add(labels, mask, last_id=9)[39, 79] == 10
    assert add(labels, mask, last_id=3)[39, 79] == 6


def test_the_input_stays_as_it_is(labels: np.ndarray) -> None:
    before = labels.copy()
    labels.flags.writeable = False
    split(labels, 2)
    merge(labels, [2, 5])
    delete(labels, [2])
    add(labels, np.ones(labels.shape, bool))
    np.testing.assert_array_equal(labels, before)
