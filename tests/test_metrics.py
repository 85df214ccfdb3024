"""Every metric against scikit-learn, scipy, or an answer worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage
from scipy.stats import binomtest
from skimage.segmentation import find_boundaries
from sklearn import metrics as sklearn_metrics  # type: ignore[import-untyped]
from sklearn.calibration import calibration_curve  # type: ignore[import-untyped]
from torchvision.ops import box_iou as torchvision_box_iou

from napari_wbc.cells import Box
from napari_wbc.metrics.cell_types import accuracy, calibration_error, one_against_rest, type_confusion
from napari_wbc.metrics.objects import average_precision, box_iou, match_boxes, match_outlines
from napari_wbc.metrics.pixels import (
    boundary,
    boundary_score,
    class_accuracy,
    dice,
    iou,
    mean_accuracy,
    mean_iou,
    pixel_confusion,
    tolerance_px,
)
from napari_wbc.proportion import Proportion, clopper_pearson

NAN = math.nan


# -- pixels ------------------------------------------------------------------------------------------------------------


def test_pixel_confusion_counts_true_rows_and_predicted_columns() -> None:
    true = np.array([[0, 0, 1, 1], [0, 1, 1, 1]], dtype=bool)
    predicted = np.array([[0, 1, 1, 1], [0, 0, 0, 1]], dtype=bool)
    assert_array_equal(pixel_confusion(true, predicted), [[2, 1], [2, 3]])


def test_pixel_scores_follow_their_formulas() -> None:
    confusion = np.array([[70, 10], [5, 15]])
    assert_allclose(class_accuracy(confusion), [70 / 80, 15 / 20])
    assert mean_accuracy(confusion) == pytest.approx((70 / 80 + 15 / 20) / 2)
    assert_allclose(iou(confusion), [70 / 85, 15 / 30])
    assert mean_iou(confusion) == pytest.approx((70 / 85 + 15 / 30) / 2)
    assert_allclose(dice(confusion), [140 / 155, 30 / 45])


def test_pixel_scores_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 3, (2, 40, 50))
    confusion = pixel_confusion(true, predicted, 3)
    flat = true.ravel(), predicted.ravel()
    assert_array_equal(confusion, sklearn_metrics.confusion_matrix(*flat))
    assert_allclose(iou(confusion), sklearn_metrics.jaccard_score(*flat, average=None))
    assert_allclose(dice(confusion), sklearn_metrics.f1_score(*flat, average=None))
    assert mean_accuracy(confusion) == pytest.approx(sklearn_metrics.balanced_accuracy_score(*flat))


def test_a_class_that_is_nowhere_is_nan_and_out_of_the_mean() -> None:
    nothing = np.zeros((4, 4), dtype=bool)
    confusion = pixel_confusion(nothing, nothing)
    assert_array_equal(iou(confusion), [1, NAN])
    assert_array_equal(dice(confusion), [1, NAN])
    assert mean_iou(confusion) == 1
    assert mean_accuracy(confusion) == 1
    assert math.isnan(mean_iou(np.zeros((2, 2), dtype=np.int64)))


def test_a_class_that_is_only_predicted_has_iou_0() -> None:
    confusion = pixel_confusion(np.zeros((2, 2), dtype=bool), np.eye(2, dtype=bool))
    assert_array_equal(iou(confusion), [0.5, 0])
    assert_array_equal(class_accuracy(confusion), [0.5, NAN])


# -- boundary ----------------------------------------------------------------------------------------------------------


def rectangle(shape: tuple[int, int], y0: int, x0: int, y1: int, x1: int) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_boundary_is_the_rim_inside_the_mask() -> None:
    mask = rectangle((7, 7), 1, 1, 6, 6)
    assert_array_equal(boundary(mask), mask & ~rectangle((7, 7), 2, 2, 5, 5))


def test_the_frame_of_the_image_is_no_boundary() -> None:
    assert_array_equal(boundary(rectangle((6, 6), 0, 0, 3, 6)), rectangle((6, 6), 2, 0, 3, 6))
    assert not boundary(np.ones((6, 6), dtype=bool)).any()


def test_tolerance_is_three_quarters_of_a_percent_of_the_diagonal() -> None:
    assert tolerance_px((300, 400)) == pytest.approx(3.75)
    assert tolerance_px((576, 720)) == pytest.approx(0.0075 * math.hypot(576, 720))


@pytest.mark.parametrize(("theta_px", "expected"), [(1.9, 0.0), (2.0, 1.0)])
def test_boundary_points_count_up_to_and_including_theta(theta_px: float, expected: float) -> None:
    true, shifted = rectangle((20, 20), 0, 0, 20, 8), rectangle((20, 20), 0, 0, 20, 10)
    assert boundary_score(true, shifted, theta_px) == (expected, expected, expected)


def test_boundary_precision_looks_from_the_prediction_and_recall_from_the_truth() -> None:
    true = rectangle((60, 60), 5, 5, 15, 15)
    predicted = true | rectangle((60, 60), 40, 40, 50, 50)
    precision, recall, bf = boundary_score(true, predicted, 1)
    assert (precision, recall) == (0.5, 1.0)
    assert bf == pytest.approx(2 / 3)
    assert boundary_score(predicted, true, 1)[:2] == (1.0, 0.5)


def test_boundary_score_without_a_boundary() -> None:
    mask, nothing = rectangle((9, 9), 2, 2, 6, 6), np.zeros((9, 9), dtype=bool)
    assert_array_equal(boundary_score(nothing, nothing, 1), [NAN, NAN, NAN])
    assert_array_equal(boundary_score(mask, nothing, 1), [NAN, 0, 0])
    assert_array_equal(boundary_score(nothing, mask, 1), [0, NAN, 0])


def test_boundary_score_agrees_with_rims_and_distances_of_scikit_image() -> None:
    rng = np.random.default_rng(3)
    for theta_px in (1.0, 2.5):
        true, predicted = (ndimage.gaussian_filter(rng.random((60, 80)), 4) > 0.5 for _ in range(2))
        rims = [find_boundaries(mask, connectivity=1, mode="inner") for mask in (true, predicted)]
        near = [ndimage.distance_transform_edt(~rim) <= theta_px for rim in rims]
        precision, recall = near[0][rims[1]].mean(), near[1][rims[0]].mean()
        expected = precision, recall, 2 * precision * recall / (precision + recall)
        assert boundary_score(true, predicted, theta_px) == pytest.approx(expected)


# -- objects -----------------------------------------------------------------------------------------------------------


def test_box_iou_by_hand() -> None:
    boxes = [Box(0, 0, 10, 10), Box(0, 5, 10, 15)]
    others = [Box(0, 0, 10, 10), Box(10, 0, 20, 10), Box(2, 2, 4, 7)]
    assert_allclose(box_iou(boxes, others), [[1, 0, 10 / 100], [50 / 150, 0, 4 / 106]])
    assert box_iou([], others).shape == (0, 3)
    assert box_iou([Box(1, 1, 1, 1)], [Box(1, 1, 1, 1)])[0, 0] == 0


def test_box_iou_agrees_with_torchvision() -> None:
    rng = np.random.default_rng(4)
    corners = np.sort(rng.integers(0, 40, (2, 12, 2, 2)), axis=2).reshape(2, 12, 4) + np.array([0, 0, 1, 1])
    a, b = (torch.from_numpy(boxes.astype(np.float64)) for boxes in corners)
    assert_allclose(box_iou(corners[0], corners[1]), torchvision_box_iou(a, b).numpy())


def test_the_detection_of_highest_score_takes_the_true_box() -> None:
    true = [Box(0, 0, 10, 10)]
    found = [Box(0, 0, 10, 10), Box(0, 0, 10, 9)]
    assert_array_equal(match_boxes(found, [0.5, 0.9], true, 0.5), [-1, 0])
    assert_array_equal(match_boxes(found, [0.9, 0.5], true, 0.5), [0, -1])


def test_a_second_detection_falls_to_the_next_true_box_still_free() -> None:
    true = [Box(0, 0, 10, 10), Box(0, 4, 10, 14)]
    found = [Box(0, 0, 10, 10), Box(0, 1, 10, 11)]
    assert_array_equal(match_boxes(found, [0.9, 0.8], true, 0.5), [0, 1])  # second: IoU 9/11 taken, 7/13 free


def test_the_least_iou_is_included() -> None:
    true, found = [Box(0, 0, 10, 10)], [Box(0, 0, 7, 10)]
    assert_array_equal(match_boxes(found, [1.0], true, 0.7), [0])
    assert_array_equal(match_boxes(found, [1.0], true, 0.701), [-1])


def test_matching_nothing() -> None:
    assert_array_equal(match_boxes([Box(0, 0, 2, 2)], [1.0], [], 0.5), [-1])
    assert match_boxes([], [], [Box(0, 0, 2, 2)], 0.5).shape == (0,)


def test_average_precision_by_hand() -> None:
    # precision, recall: 1/1 1/4 · 1/2 1/4 · 2/3 2/4 · 3/4 3/4; the envelope lifts 2/3 to 3/4
    assert average_precision([0.9, 0.8, 0.7, 0.6], [True, False, True, True], 4) == pytest.approx(0.25 + 0.5 * 0.75)


def test_average_precision_ignores_the_order_given() -> None:
    assert average_precision([0.6, 0.9, 0.7, 0.8], [True, True, True, False], 4) == pytest.approx(0.625)


def test_equal_scores_enter_together() -> None:
    assert average_precision([0.9, 0.9], [True, False], 1) == average_precision([0.9, 0.9], [False, True], 1) == 0.5


def test_average_precision_without_truth_or_detections() -> None:
    assert math.isnan(average_precision([0.5], [False], 0))
    assert average_precision([], [], 3) == 0
    assert average_precision([0.5, 0.4], [False, False], 3) == 0


DETECTIONS = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=25)


@given(DETECTIONS, st.integers(0, 5))
def test_average_precision_is_the_integral_of_the_best_precision_at_each_recall(
    detections: list[tuple[int, bool]], n_missed: int
) -> None:
    scores, right = zip(*detections, strict=True)
    n_true = sum(right) + n_missed
    if n_true == 0:
        return
    points = []
    for threshold in set(scores):
        chosen = [hit for score, hit in detections if score >= threshold]
        points.append((sum(chosen) / n_true, sum(chosen) / len(chosen)))
    steps = [max((p for r, p in points if r >= (k + 1) / n_true - 1e-9), default=0.0) for k in range(n_true)]
    assert average_precision(scores, right, n_true) == pytest.approx(sum(steps) / n_true)


@given(DETECTIONS)
def test_average_precision_is_at_least_that_of_scikit_learn_which_has_no_envelope(detections: list[tuple[int, bool]]) -> None:
    scores, right = zip(*detections, strict=True)
    if any(right):
        expected = sklearn_metrics.average_precision_score(right, scores)
        assert average_precision(scores, right, sum(right)) >= expected - 1e-12


def test_average_precision_equals_scikit_learn_where_precision_only_falls() -> None:
    right, scores = [True, True, False, True], [0.9, 0.8, 0.7, 0.6]
    expected = sklearn_metrics.average_precision_score(right, scores)
    assert average_precision(scores, right, 3) == pytest.approx(expected) == pytest.approx((1 + 1 + 0.75) / 3)
    assert average_precision(scores, right, 4) == pytest.approx((1 + 1 + 0.75) / 4)  # one true cell was never found


def test_outlines_are_paired_by_their_pixels() -> None:
    found, true = np.zeros((2, 20, 20), dtype=np.int32)
    found[0:10, 0:10] = 7
    true[0:10, 0:5], true[0:10, 5:15] = 2, 9
    found[15:18, 15:18] = 3
    ((found_id, true_id, overlap),) = match_outlines(found, true)
    assert (found_id, true_id) == (7, 2)  # IoU 50/100 beats 50/150
    assert overlap == pytest.approx(0.5)


def test_outlines_are_paired_for_the_largest_sum() -> None:
    found, true = np.zeros((2, 1, 200), dtype=np.int32)
    true[0, :100], true[0, 100:] = 1, 2
    found[0, 48:150], found[0, :30] = 1, 2
    # found 1 meets true 1 with 52/150 and true 2 with 50/152; found 2 meets true 1 with 30/100: the best pair first would lose one
    assert [(m.found_id, m.true_id) for m in match_outlines(found, true)] == [(1, 2), (2, 1)]
    assert [m.iou for m in match_outlines(found, true)] == pytest.approx([50 / 152, 0.3])


def test_outlines_of_nothing() -> None:
    nothing = np.zeros((5, 5), dtype=np.int32)
    assert match_outlines(nothing, nothing) == []
    assert match_outlines(nothing, nothing + 1) == []


# -- types -------------------------------------------------------------------------------------------------------------


def test_one_against_rest_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    true = np.concatenate([np.arange(5), rng.choice(5, 300, p=[0.02, 0.05, 0.3, 0.08, 0.55])])
    predicted = np.where(rng.random(305) < 0.7, true, rng.integers(0, 5, 305))
    confusion = type_confusion(true, predicted, (5, 5))
    assert_array_equal(confusion, sklearn_metrics.confusion_matrix(true, predicted))
    scores = one_against_rest(confusion, 5)
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(true, predicted)
    assert_allclose(scores.precision, precision)
    assert_allclose(scores.recall, recall)
    assert_allclose(scores.f1, f1)
    tn, fp, fn, tp = sklearn_metrics.multilabel_confusion_matrix(true, predicted).reshape(5, 4).T
    assert_array_equal(scores.true_negative, tn)
    assert_array_equal(scores.false_positive, fp)
    assert_array_equal(scores.false_negative, fn)
    assert_array_equal(scores.true_positive, tp)
    assert_allclose(scores.specificity, tn / (tn + fp))
    assert scores.macro(scores.f1) == pytest.approx(sklearn_metrics.f1_score(true, predicted, average="macro"))
    k, n = accuracy(confusion)
    assert scores.micro_f1 == pytest.approx(k / n)
    assert k / n == pytest.approx(sklearn_metrics.accuracy_score(true, predicted))


def test_cells_that_got_no_type_are_missed_and_false_cells_are_false() -> None:
    #                 named 0, named 1, no name
    confusion = np.array([[6, 1, 3], [0, 4, 0], [2, 0, 5]])  # the last row: no true cell
    scores = one_against_rest(confusion, 2)
    assert_array_equal(scores.true_positive, [6, 4])
    assert_array_equal(scores.false_positive, [2, 1])
    assert_array_equal(scores.false_negative, [4, 0])
    assert_array_equal(scores.true_negative, [9, 16])
    assert scores.micro_f1 == pytest.approx(2 * 10 / (8 + 5 + 10 + 4))


def test_types_that_do_not_occur_are_out_of_the_macro_means_and_those_never_named_are_in() -> None:
    confusion = np.array([[8, 2, 0, 0], [0, 0, 0, 0], [4, 0, 0, 0], [0, 0, 0, 0]])  # 1 only named, 2 never named, 3 neither
    scores = one_against_rest(confusion, 4)
    assert_array_equal(scores.precision, [8 / 12, 0, 0, NAN])
    assert_array_equal(scores.recall, [0.8, NAN, 0, NAN])
    assert_array_equal(scores.f1, [16 / 22, 0, 0, NAN])
    assert scores.macro(scores.precision) == pytest.approx((8 / 12 + 0) / 2)
    assert scores.macro(scores.recall) == pytest.approx(0.4)
    nobody = one_against_rest(np.zeros((5, 5), dtype=np.int64), 5)
    assert math.isnan(nobody.macro(nobody.f1))
    assert math.isnan(nobody.micro_f1)


def test_specificity_is_undefined_where_every_cell_is_of_that_type() -> None:
    scores = one_against_rest(np.array([[3, 0], [0, 0]]), 2)
    assert_array_equal(scores.specificity, [NAN, 1])


def test_calibration_error_by_hand() -> None:
    # bins (0.5, 0.6]: 2 cells, mean 0.575, 1 right; (0.9, 1]: 2 cells, mean 0.975, 1 right
    assert calibration_error([0.55, 0.6, 0.95, 1.0], [True, False, True, False]) == pytest.approx(
        0.5 * abs(0.5 - 0.575) + 0.5 * abs(0.5 - 0.975)
    )


def test_calibration_error_of_perfect_confidence_and_of_nothing() -> None:
    assert calibration_error([1.0, 1.0], [True, True]) == 0
    assert calibration_error([1.0, 1.0], [False, False]) == 1
    assert calibration_error([0.0], [False]) == 0
    assert math.isnan(calibration_error([], []))


def test_calibration_error_agrees_with_the_reliability_curve_of_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    p = rng.uniform(0.2, 1, 400)
    right = rng.random(400) < p**2
    share, mean = calibration_curve(right, p, n_bins=10)
    weights = np.histogram(p, np.linspace(0, 1, 11))[0]
    weights = weights[weights > 0] / 400
    assert calibration_error(p, right) == pytest.approx(float(np.sum(weights * np.abs(share - mean))))


def test_errors_of_one_bin_cancel_and_of_two_bins_do_not() -> None:
    assert calibration_error([0.71, 0.79], [True, False], 1) == pytest.approx(0.25)
    assert calibration_error([0.25, 0.75], [True, False], 1) == pytest.approx(0)
    assert calibration_error([0.25, 0.75], [True, False], 2) == pytest.approx(0.75)


# -- proportions -------------------------------------------------------------------------------------------------------


@given(st.integers(0, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_clopper_pearson_agrees_with_scipy(case: tuple[int, int]) -> None:
    k, n = case
    if n == 0:
        assert np.isnan(clopper_pearson(k, n)).all()
        return
    expected = binomtest(k, n).proportion_ci(method="exact")
    assert clopper_pearson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_a_proportion_prints_its_counts_and_interval() -> None:
    assert str(Proportion(k=254, n=257)) == "254/257 = 98.8 % (96.6-99.8)"
    assert str(Proportion(k=0, n=0)) == "0/0"


def test_a_proportion_of_nothing_has_no_value() -> None:
    assert Proportion(k=0, n=0).model_dump() == {"k": 0, "n": 0, "value": None, "ci_low": None, "ci_high": None}


def test_a_proportion_survives_json() -> None:
    share = Proportion(k=3, n=8)
    assert Proportion.model_validate_json(share.model_dump_json()) == share
