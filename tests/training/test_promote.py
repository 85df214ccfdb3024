"""Paired tests, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_wbc.training.promote import compare_iou, compare_right


def right(*counts: int) -> tuple[np.ndarray, np.ndarray]:
    """Both right, only the new, only the old, neither: so many of each."""
    return np.repeat([1.0, 0, 1, 0], counts), np.repeat([1.0, 1, 0, 0], counts)


def test_mcnemar_by_hand() -> None:
    """Six changed to wrong, none to right: 1/64. Five and one: (6 + 1)/64."""
    found = compare_right(*right(10, 0, 6, 3))
    assert (found.better, found.worse, found.n) == (0, 6, 19)
    assert found.p_value == pytest.approx(1 / 64)
    assert not found.promoted
    almost = compare_right(*right(10, 1, 5, 3))
    assert almost.p_value == pytest.approx(7 / 64)
    assert almost.promoted


def test_a_better_or_an_equal_model_is_promoted() -> None:
    assert compare_right(*right(5, 9, 0, 5)).promoted
    same = compare_right(*right(5, 0, 0, 5))
    assert same.p_value == 1.0
    assert same.promoted
    assert same.old == same.new == 0.5


def test_wilcoxon_by_hand() -> None:
    """Five images, all worse by different amounts: the most extreme of 2^5 signs."""
    old = np.array([0.9, 0.8, 0.85, 0.95, 0.7, 0.6])
    new = old - np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.0])
    found = compare_iou(old, new)
    assert found.p_value == pytest.approx(1 / 32)
    assert (found.better, found.worse, found.n, found.promoted) == (0, 5, 6, False)
    assert compare_iou(new, old).promoted
    assert compare_iou(old, old).p_value == 1.0
