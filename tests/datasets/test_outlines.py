"""Labels from masks, and the stand-ins for boxes and crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_wbc.cells import Box
from napari_wbc.crop import boxes
from napari_wbc.datasets.outlines import centred_box, label_mask, pad_to, read_levels, stand_ins
from napari_wbc.errors import UnsupportedImageError
from napari_wbc.exchange.stand_ins import ellipses
from tests.datasets.trees import draw, draw_mask, save


def test_the_higher_of_two_levels_is_the_nucleus() -> None:
    mask = np.zeros((10, 20), np.uint8)
    mask[1:7, 1:8], mask[2:5, 2:6] = 100, 200
    mask[2:8, 12:16], mask[3:5, 13:15] = 100, 200
    labels, nuclei = label_mask(mask)
    assert boxes(labels) == {1: Box(1, 1, 7, 8), 2: Box(2, 12, 8, 16)}
    assert nuclei == {1: 12, 2: 4}


@pytest.mark.parametrize("levels", [(1,), (255,), (50, 100, 150)])
def test_without_two_levels_no_nucleus_is_known(levels: tuple[int, ...]) -> None:
    mask = draw_mask((40, 40), [(20, 20, 12 - 3 * i) for i in range(len(levels))], levels)
    labels, nuclei = label_mask(mask)
    assert np.array_equal(labels, mask > 0)
    assert nuclei == {}


def test_slips_of_the_pen_are_left_out_and_corners_connect() -> None:
    mask = np.zeros((30, 30), np.uint8)
    mask[5:15, 5:15] = mask[15:25, 15:25] = 255
    mask[2, 28] = 255
    labels, _ = label_mask(mask)
    assert boxes(labels) == {1: Box(5, 5, 25, 25)}


def test_a_photograph_is_not_a_mask(tmp_path: Path) -> None:
    photograph = save(tmp_path / "a.png", np.arange(0, 240, 3, dtype=np.uint8).reshape(8, 10))
    with pytest.raises(UnsupportedImageError, match=r"a\.png should be a mask of few grey levels, and has 79"):
        read_levels(photograph)


def test_an_empty_mask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedImageError, match=r"a\.png is empty"):
        read_levels(save(tmp_path / "a.png", np.zeros((8, 10), np.uint8)))


def test_padding_keeps_the_mask_in_the_middle() -> None:
    mask = draw_mask((20, 30), [(5, 6, 4)], [9])
    padded = pad_to(mask, (28, 38), 4, Path("m.bmp"))
    assert np.array_equal(padded[4:24, 4:34], mask)
    assert padded.sum() == mask.sum()
    with pytest.raises(UnsupportedImageError, match=r"m\.bmp is 30 × 20 px; expected 36 × 28, as the image, or 8 px less"):
        pad_to(mask, (28, 36), 4, Path("m.bmp"))


@pytest.mark.parametrize("box", [Box(2, 3, 12, 33), Box(0, 0, 21, 15), Box(5, 5, 6, 6), Box(1, 1, 3, 4), Box(10, 4, 31, 40)])
def test_the_box_of_a_stand_in_is_the_box_of_the_set(box: Box) -> None:
    labels = ellipses([box], (40, 50))
    assert boxes(labels) == {1: box}
    if min(box.height, box.width) > 9:
        assert np.count_nonzero(labels) == pytest.approx(np.pi / 4 * box.height * box.width, rel=0.05)


def test_of_two_that_overlap_the_smaller_keeps_its_box_and_the_larger_most_of_its_own() -> None:
    for pair in ([Box(0, 0, 24, 24), Box(2, 18, 22, 38)], [Box(2, 18, 22, 38), Box(0, 0, 24, 24)]):
        found = boxes(ellipses(pair, (24, 40)))
        small, large = (found[1 + pair.index(box)] for box in (Box(2, 18, 22, 38), Box(0, 0, 24, 24)))
        assert small == Box(2, 18, 22, 38)
        assert large[:3] == (0, 0, 24)
        assert 20 <= large.x1 < 24
    nested = ellipses([Box(0, 0, 30, 30), Box(12, 12, 18, 18)], (30, 30))
    assert boxes(nested) == {1: Box(0, 0, 30, 30), 2: Box(12, 12, 18, 18)}


def test_a_box_that_was_drawn_twice_counts_once_and_is_told() -> None:
    image, box = draw((30, 30), []), Box(5, 5, 20, 20)
    truth = stand_ins([box, box, Box(22, 22, 28, 28)], {1: "a", 2: "b", 3: "c"}, image, "Before.")
    assert boxes(truth.labels) == {1: box, 3: Box(22, 22, 28, 28)}
    assert truth.cell_types == {1: "a", 3: "c"}
    assert truth.doubt == "Before. 1 of 3 boxes are covered by others and left out."
    assert not truth.drawn


@pytest.mark.parametrize(("size", "at"), [(363, (180, 178)), (80, (42, 38))])
def test_the_cell_in_the_middle_of_a_crop_is_found_among_its_neighbours(size: int, at: tuple[int, int]) -> None:
    radius = size / 6
    image = draw((size, size), [(*at, radius), (0, 0, size / 5), (size, size * 0.9, size / 5)])
    red = (np.indices((size, size)) - np.array([[[size * 0.8]], [[size * 0.15]]])) ** 2
    image[red.sum(axis=0) < (size / 8) ** 2] = (220, 150, 150)  # a red cell: darker than the ground, and not purple
    box = centred_box(image)
    for found, centre in (((box.y0, box.y1), at[0]), ((box.x0, box.x1), at[1])):
        assert sum(found) / 2 == pytest.approx(centre, abs=0.03 * size)
        assert found[1] - found[0] == pytest.approx(2.3 * radius, abs=0.06 * size)


def test_where_nothing_is_stained_the_box_is_the_middle_half() -> None:
    assert centred_box(draw((40, 60), [])) == Box(10, 15, 30, 45)
