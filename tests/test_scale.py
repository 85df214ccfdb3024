"""The analysis scale: who is believed, how red cells measure an image, and the way back to native pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_wbc import scale
from napari_wbc.cells import Field, Scale
from napari_wbc.config import ASSUMED_UM_PER_PX, Settings
from napari_wbc.scale.red_cells import FARTHEST_PX, _bright, _distance, _red_cell_widths
from napari_wbc.synthetic import draw_field

ANALYSIS_UM = 0.2


def blank(height: int = 120, width: int = 160) -> np.ndarray:
    return np.full((height, width, 3), 225, np.uint8)


def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.indices(shape)
    return np.hypot(y - centre[0], x - centre[1]) <= radius


def test_the_user_is_believed_before_the_file_and_the_file_before_the_red_cells() -> None:
    smear = Field(draw_field(np.random.default_rng(0), um_per_px=0.1).image, um_per_px=0.08)
    user = scale.choose_scale(smear, Settings(um_per_px=0.05), ANALYSIS_UM)
    assert user == Scale(0.05, pytest.approx(0.25), "user")
    file = scale.choose_scale(smear, Settings(), ANALYSIS_UM)
    assert file == Scale(0.08, pytest.approx(0.4), "file")
    red = scale.choose_scale(replace(smear, um_per_px=None), Settings(), ANALYSIS_UM)
    assert red.source == "estimated"
    assert red.um_per_px == pytest.approx(0.1, rel=0.12)
    assert red.analysis_scale == pytest.approx(red.um_per_px / ANALYSIS_UM)
    nothing = scale.choose_scale(Field(blank()), Settings(), ANALYSIS_UM)
    assert nothing == Scale(None, pytest.approx(ASSUMED_UM_PER_PX / ANALYSIS_UM), "assumed")


@pytest.mark.parametrize("um_per_px", [0.08, 0.1, 0.16])
@pytest.mark.parametrize("seed", [1, 2])
def test_red_cells_measure_drawn_smears_of_any_resolution(um_per_px: float, seed: int) -> None:
    image = draw_field(np.random.default_rng(seed), n_cells=2, um_per_px=um_per_px).image
    found = scale.red_cell_diameter_px(image)
    assert found is not None
    assert found * um_per_px == pytest.approx(7.5, rel=0.12)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_the_same_smear_at_another_resolution_gives_the_same_scale(factor: float) -> None:
    image = draw_field(np.random.default_rng(3), n_cells=2).image
    one, other = scale.red_cell_diameter_px(image), scale.red_cell_diameter_px(scale.resize(image, factor))
    assert one is not None
    assert other is not None
    assert other / one == pytest.approx(factor, rel=0.05)


def test_plain_discs_are_measured_as_wide_as_they_are() -> None:
    image = blank(240, 320)
    for y in range(30, 240, 60):
        for x in range(30, 320, 60):
            image[disc((240, 320), (y, x), 18)] = 150
    assert scale.red_cell_diameter_px(image) == pytest.approx(36.5, rel=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (3, 5), (12, 12)])
def test_images_of_any_shape_have_a_scale(shape: tuple[int, int]) -> None:
    assert scale.choose_scale(Field(np.zeros((*shape, 3), np.uint8)), Settings(), ANALYSIS_UM).analysis_scale > 0
    assert min(scale.resize(np.zeros((*shape, 3), np.uint8), 0.01).shape) >= 1


def test_a_doubtful_scale_is_corrected_by_the_white_cells() -> None:
    """A cell of 30 analysis px where 15 µm ÷ 0.2 µm = 75 px are usual: the image must be magnified 2.5 times more."""
    labels = disc((200, 200), (100, 100), 15.0).astype(np.int32)
    diameter = 2 * np.sqrt(labels.sum() / np.pi)
    better = scale.scale_from_cells(labels, Scale(None, 0.5, "assumed"), ANALYSIS_UM, 15.0)
    assert better == Scale(pytest.approx(0.5 * 75 / diameter * ANALYSIS_UM), pytest.approx(0.5 * 75 / diameter), "estimated")
    for trusted in ("user", "file", "estimated"):
        assert scale.scale_from_cells(labels, Scale(0.1, 0.5, trusted), ANALYSIS_UM, 15.0) is None  # type: ignore[arg-type]
    huge = disc((400, 400), (200, 200), 80.0).astype(np.int32)
    assert scale.scale_from_cells(huge, Scale(0.1, 0.5, "estimated"), ANALYSIS_UM, 15.0) is not None
    assert scale.scale_from_cells(huge, Scale(0.1, 0.5, "file"), ANALYSIS_UM, 15.0) is None
    right = disc((200, 200), (100, 100), 37.0).astype(np.int32)
    assert scale.scale_from_cells(right, Scale(None, 0.5, "assumed"), ANALYSIS_UM, 15.0) is None
    assert scale.scale_from_cells(np.zeros((5, 5), np.int32), Scale(None, 0.5, "assumed"), ANALYSIS_UM, 15.0) is None


@pytest.mark.parametrize("factor", [0.3, 0.47, 1.0, 1.7])
def test_outlines_come_back_to_native_pixels_where_they_belong(factor: float) -> None:
    native = disc((220, 260), (110.3, 120.8), 60)
    small_shape = (round(220 * factor), round(260 * factor))
    y, x = (np.indices(small_shape)[i] + 0.5 for i in (0, 1))
    distance = np.hypot(y / factor - 0.5 - 110.3, x / factor - 0.5 - 120.8) - 60
    probability = (1 / (1 + np.exp(distance * factor / 1.0))).astype(np.float32)
    back = scale.to_native((probability >= 0.5).astype(np.int32), probability, 0.5, (220, 260))
    assert back.dtype == np.int32
    assert ((back > 0) & native).sum() / ((back > 0) | native).sum() > 0.97
    cy, cx = (axis.mean() for axis in np.nonzero(back))
    assert abs(cy - 110.3) < 0.5
    assert abs(cx - 120.8) < 0.5


@given(st.integers(20, 90), st.integers(20, 90), st.floats(0.05, 2.0), st.integers(0, 2**32 - 1))
def test_a_native_pixel_is_of_the_nearest_cell_at_every_scale(height: int, width: int, factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.zeros((height, width), np.int32)
    for i in range(1, 4):
        labels[disc(labels.shape, tuple(rng.uniform((0, 0), labels.shape)), 5) & (labels == 0)] = i
    shape = max(1, round(height * factor)), max(1, round(width * factor))
    rows, columns = (((np.arange(n) + 0.5) * (m / n)).astype(int) for n, m in zip(shape, labels.shape, strict=True))
    near = np.where(labels > 0, labels, ndimage.grey_dilation(labels, size=(5, 5)))[np.ix_(rows, columns)]
    back = scale.to_native(labels, np.ones(labels.shape, np.float32), 0.5, shape)
    expected = np.zeros(shape, np.int32)
    for i in set(np.unique(near)) - {0}:
        expected[scale.one_piece(near == i) & np.isin(near, (0, i))] = i
    assert (back == expected).all()


@given(st.integers(3, 40), st.integers(3, 40), st.floats(0.3, 4.0), st.randoms(use_true_random=False))
def test_every_id_survives_the_way_back(height: int, width: int, factor: float, random: object) -> None:
    rng = np.random.default_rng(random.getrandbits(32))  # type: ignore[attr-defined]
    labels = np.zeros((height, width), np.int32)
    labels[: height // 2, : width // 2] = 1
    labels[height // 2 :, width // 2 :] = 2
    probability = rng.uniform(0, 1, labels.shape).astype(np.float32)
    shape = (round(height * factor) + 3, round(width * factor) + 3)
    back = scale.to_native(labels, probability, 0.5, shape)
    assert back.shape == shape
    assert set(np.unique(back)) <= {0, 1, 2}
    if factor >= 1:
        assert {1, 2} <= set(np.unique(back))


def test_the_bright_neighbours_are_a_percentile_filter() -> None:
    values = np.random.default_rng(0).uniform(0, 255, (7, 23)).astype(np.float32)
    np.testing.assert_array_equal(_bright(values), ndimage.percentile_filter(values, 80, size=11))


@given(st.integers(1, 30), st.integers(1, 30), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_distances_are_those_of_the_distance_transform(height: int, width: int, share: float, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < share
    found = _distance(mask)
    expected = ndimage.distance_transform_edt(mask) if not mask.all() else np.full(mask.shape, FARTHEST_PX)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("width", [16, 20.5, 24, 30])
def test_widths_of_discs_are_right_within_a_pixel(width: float) -> None:
    y, x = np.mgrid[:400, :600].astype(float)
    distance = np.full(y.shape, np.inf)
    for row, centre_y in enumerate(np.arange(2 * width, 400 - width, 2 * width)):
        for column, centre_x in enumerate(np.arange(2 * width, 600 - width, 2 * width)):
            distance = np.minimum(distance, np.hypot(y - centre_y - 0.37 * row, x - centre_x - 0.21 * column))
    green = (230 - 90 * np.clip(width / 2 - distance + 0.5, 0, 1)).astype(np.uint8)
    found = _red_cell_widths(green)
    assert found is not None
    assert width - 1 < found < width  # the middle of most lies between pixels, where the distance is a little larger


def test_distances_are_exact_where_red_cells_are_and_end_where_none_is() -> None:
    mask = disc((300, 400), (150, 200), 120) | disc((300, 400), (20, 30), 9)
    np.testing.assert_array_equal(_distance(mask), ndimage.distance_transform_edt(mask))
    wide = np.ones((500, 400), dtype=bool)
    wide[0] = False
    assert _distance(wide)[[10, 150, 499], 200].tolist() == [10, 150, FARTHEST_PX]


def test_touching_cells_stay_apart() -> None:
    labels = np.zeros((40, 60), np.int32)
    labels[5:35, 5:30], labels[5:35, 30:55] = 1, 2
    back = scale.to_native(labels, (labels > 0).astype(np.float32), 0.5, (80, 120))
    assert (back[10:70, 10:60] == 1).all()
    assert (back[10:70, 60:110] == 2).all()


def test_a_cell_inside_another_is_not_covered_by_it() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[5:35, 5:35] = 1
    labels[15:25, 15:25] = 2
    for ids in (labels, np.where(labels > 0, 3 - labels, 0)):
        back = scale.to_native(ids, (labels > 0).astype(np.float32), 0.5, (40, 40))
        assert (back == ids).all()


def test_between_touching_cells_a_pixel_belongs_to_the_side_of_its_centre() -> None:
    labels = np.zeros((10, 70), np.int32)
    labels[:, :31], labels[:, 31:] = 1, 2
    expected = np.where(np.arange(100) < 44, 1, 2)  # the border is at 44.29
    probability = np.ones((10, 70), np.float32)
    assert (scale.to_native(labels, probability, 0.5, (10, 100)) == expected).all()
    assert (scale.to_native(labels.T.copy(), probability.T.copy(), 0.5, (100, 10)) == expected[:, None]).all()


def test_what_falls_apart_on_the_way_back_leaves_its_largest_part() -> None:
    labels = np.zeros((20, 40), np.int32)
    labels[5:15, 5:15], labels[5:13, 25:33], labels[9, 15:25] = 1, 1, 1
    probability = np.where(labels > 0, 1, 0).astype(np.float32)
    probability[9, 15:25] = 0.2
    back = scale.to_native(labels, probability, 0.5, (20, 40))
    assert (back[6:14, 6:14] == 1).all()
    assert not back[:, 20:].any()


def test_a_cell_that_is_nowhere_probable_stays_where_it_was_found() -> None:
    labels = disc((30, 30), (15, 15), 6).astype(np.int32)
    assert (scale.to_native(labels, np.zeros((30, 30), np.float32), 0.5, (30, 30)) == labels).all()


def test_fragments_beside_a_cell_of_the_usual_size_do_not_change_the_scale() -> None:
    labels = disc((200, 200), (100, 100), 37.0).astype(np.int32)
    labels[5:12, 5:12] = 2
    assert scale.scale_from_cells(labels, Scale(None, 0.5, "assumed"), ANALYSIS_UM, 15.0) is None


def test_other_scales_are_tried_only_where_the_scale_is_doubtful() -> None:
    field = Field(blank(300, 400))
    assumed = scale.other_scales(field, Scale(None, 0.5, "assumed"))
    assert [(s.um_per_px, s.analysis_scale, s.source) for s in assumed] == [
        (2 * ASSUMED_UM_PER_PX, 1.0, "estimated"),
        (ASSUMED_UM_PER_PX / 2, 0.25, "estimated"),
    ]
    assert scale.other_scales(field, Scale(0.1, 0.5, "user")) == []
    assert scale.other_scales(field, Scale(0.1, 0.5, "file")) == []
    assert len(scale.other_scales(field, Scale(0.08, 0.4, "estimated"))) == 2  # 32 µm wide
    assert scale.other_scales(field, Scale(0.09, 0.45, "estimated")) == []  # 36 µm wide
