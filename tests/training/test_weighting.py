"""Median frequency, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_wbc.errors import UsageError
from napari_wbc.training.weighting import median_frequency


def test_weights_by_hand() -> None:
    """f(background) = 20/24, f(WBC) = 4/16 since the second image has none; median 13/24; weights 0.65 and 2.1667."""
    first, second = np.zeros((4, 4), np.int32), np.zeros((2, 4), np.int32)
    first[:2, :2] = [[1, 1], [2, 2]]
    assert median_frequency([first, second]) == pytest.approx((13 / 24 / (20 / 24), 13 / 24 / (4 / 16)))


def test_unknown_pixels_count_nowhere() -> None:
    labels = np.array([[0, 0, 0, 1, -1, -1, -1, -1]], np.int32)
    assert median_frequency([labels]) == pytest.approx((0.5 / 0.75, 0.5 / 0.25))


def test_a_class_that_is_missing_is_refused() -> None:
    with pytest.raises(UsageError, match="one is missing"):
        median_frequency([np.zeros((3, 3), np.int32)])
