"""Boxes are half open; crops are what lies in the box, also at the border of the image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from napari_wbc.cells import Box
from napari_wbc.crop import boxes, crop, square

RNG = np.random.default_rng(5)
IMAGE = RNG.integers(0, 256, (50, 70, 3), dtype=np.uint8)


def test_boxes_are_half_open() -> None:
    labels = np.zeros((20, 30), dtype=np.int32)
    labels[3, 4] = 1
    labels[5:9, 10:17] = 2  # rows 5..8, columns 10..16
    labels[19, 29] = 3
    found = boxes(labels)
    assert found == {1: (3, 4, 4, 5), 2: (5, 10, 9, 17), 3: (19, 29, 20, 30)}
    assert (found[2].height, found[2].width) == (8 - 5 + 1, 16 - 10 + 1)
    assert np.all(labels[found[2].slices] == 2)


def test_boxes_skip_gaps_in_the_ids() -> None:
    labels = np.zeros((9, 9), dtype=np.int32)
    labels[1, 1], labels[5, 5], labels[7, 1] = 9, 4, 9
    assert list(boxes(labels).items()) == [(4, (5, 5, 6, 6)), (9, (1, 1, 8, 2))]
    assert boxes(np.zeros((3, 3), dtype=np.int32)) == {}


def test_the_square_is_centred_and_as_wide_as_the_longer_side_with_its_margin() -> None:
    assert square(Box(10, 20, 20, 26), 0.0) == (10, 18, 20, 28)
    assert square(Box(10, 20, 20, 26), 0.5) == (7, 15, 22, 30)  # 15 px; centre 15, 23
    assert square(Box(0, 0, 4, 4), 1.0) == (-2, -2, 6, 6)


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 60), st.integers(1, 60), st.floats(0, 1))
def test_the_square_holds_the_box_and_is_square(y: int, x: int, height: int, width: int, margin: float) -> None:
    box = Box(y, x, y + height, x + width)
    found = square(box, margin)
    assert found.height == found.width
    assert found.y0 <= box.y0
    assert found.x0 <= box.x0
    assert found.y1 >= box.y1
    assert found.x1 >= box.x1
    assert abs((found.y0 + found.y1) - (box.y0 + box.y1)) <= 1
    assert abs((found.x0 + found.x1) - (box.x0 + box.x1)) <= 1


def test_a_crop_of_the_size_of_its_box_is_the_pixels_of_the_box() -> None:
    assert_array_equal(crop(IMAGE, Box(10, 20, 26, 36), 16), IMAGE[10:26, 20:36])
    assert_array_equal(crop(IMAGE, Box(12, 20, 24, 36), 16, margin=0.0), IMAGE[10:26, 20:36])


@pytest.mark.parametrize("box", [Box(0, 0, 6, 6), Box(44, 30, 50, 36), Box(20, 64, 26, 70), Box(0, 62, 8, 70)])
def test_what_lies_outside_the_image_repeats_its_border(box: Box) -> None:
    wanted = square(box, 1.0)
    rows = np.clip(np.arange(wanted.y0, wanted.y1), 0, 49)
    columns = np.clip(np.arange(wanted.x0, wanted.x1), 0, 69)
    assert_array_equal(crop(IMAGE, box, wanted.height, margin=1.0), IMAGE[np.ix_(rows, columns)])


def test_without_margin_the_box_is_stretched_and_with_one_the_cell_keeps_its_shape() -> None:
    image = np.zeros((100, 100, 3), dtype=np.uint8)
    image[40:60, 30:70] = 255  # 20 × 40 px
    box = Box(40, 30, 60, 70)
    assert np.all(crop(image, box, 80) == 255)
    rows, columns = np.nonzero(crop(image, box, 80, margin=0.0)[..., 0] > 127)
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (20, 60, 0, 80)


def test_a_smaller_crop_is_antialiased() -> None:
    checkers = np.zeros((64, 64, 3), dtype=np.uint8)
    checkers[::2, ::2] = checkers[1::2, 1::2] = 255
    assert_allclose(crop(checkers, Box(0, 0, 64, 64), 8), 127.5, atol=8)


def test_a_crop_is_square_uint8_and_its_own() -> None:
    found = crop(IMAGE, Box(3, 4, 20, 60), 227)
    assert found.shape == (227, 227, 3)
    assert found.dtype == np.uint8
    assert not np.shares_memory(crop(IMAGE, Box(10, 20, 26, 36), 16), IMAGE)
