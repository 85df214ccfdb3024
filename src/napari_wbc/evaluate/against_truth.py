"""Results against truth: every figure of an evaluation, from two analyses of the same images."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ..config import CELL_TYPES
from ..errors import ResultsError, UsageError
from ..metrics.cell_types import OneAgainstRest, accuracy, calibration_error, one_against_rest
from ..metrics.objects import average_precision
from ..metrics.pixels import dice, iou, mean_accuracy, mean_iou
from ..metrics.ratios import Confusion, mean_of_defined
from ..proportion import Proportion
from ..results import images_in, read_analysis, read_record
from .compare import N_TYPES, Compared, Pair, compare
from .figures import Evaluation, NamingFigures, ObjectFigures, PixelFigures, TypeFigures

logger = logging.getLogger(__name__)


def read_pairs(results: Path, truth: Path) -> Iterator[Pair]:
    """The images that two results folders share, one at a time, as `evaluate` takes them.

    Of the truth count the images that a person vouches for (`reviewed_by`). Among them, one that failed in the results has
    no result; one that the results have no record of was not asked for, and is left out with a warning.

    Parameters
    ----------
    results, truth
        Results folders of the same images under the same names.

    Raises
    ------
    UsageError
        If there is no such image.
    ResultsError
        If an image is another file in the truth than in the results, or a record or label image is damaged.
    """
    reviewed = [image for image in images_in(truth) if read_record(truth, image).row.reviewed_by is not None]
    shared = sorted(set(reviewed) & set(images_in(results)))
    if not shared:
        raise UsageError(
            f"Nothing to compare: {truth} has {len(reviewed)} reviewed images, and {results} has none of them. The truth needs "
            "images that a person vouches for, under the same names as in the results."
        )
    if len(shared) < len(reviewed):
        logger.warning(
            "%d of the %d reviewed images of %s are not in %s", len(reviewed) - len(shared), len(reviewed), truth, results
        )
    for image in shared:
        row, true_row = read_record(results, image).row, read_record(truth, image).row
        if None not in (row.sha256, true_row.sha256) and row.sha256 != true_row.sha256:
            raise ResultsError(
                f"{image} is another file in {truth} than in {results} (sha256). Compare results of the same files."
            )
        yield Pair(image, read_analysis(results, image) if row.status == "done" else None, read_analysis(truth, image))


def evaluate(pairs: Iterable[Pair]) -> Evaluation:
    """Compare the results of any number of images with the truth; the pairs are taken one at a time.

    Raises
    ------
    ResultsError
        If the two label images of a pair differ in size.
    """
    images = [compare(pair) for pair in pairs]
    types = sum((image.types for image in images), np.zeros((N_TYPES + 1, N_TYPES + 2), dtype=np.int64))
    return Evaluation(
        images=len(images),
        images_without_result=sum(not image.has_result for image in images),
        true_cells=sum(image.n_true for image in images),
        found_cells=sum(len(image.scores) for image in images),
        pixels=_pixel_figures(images),
        objects=_object_figures(images),
        naming=_naming_figures(types, images) if types[:N_TYPES].any() else None,
    )


def _pixel_figures(images: list[Compared]) -> PixelFigures:
    pooled = sum((image.pixels for image in images), np.zeros((2, 2), dtype=np.int64))
    (background, false), (missed, right) = pooled.tolist()
    thetas = [image.theta_px for image in images]
    return PixelFigures(
        confusion=((background, false), (missed, right)),
        mean_accuracy=_defined(mean_accuracy(pooled)),
        mean_iou=_defined(mean_iou(pooled)),
        iou_background=_defined(iou(pooled)[0]),
        iou_wbc=_defined(iou(pooled)[1]),
        dice_wbc=_defined(dice(pooled)[1]),
        iou_wbc_image_mean=_defined(mean_of_defined([iou(image.pixels)[1] for image in images])),
        dice_wbc_image_mean=_defined(mean_of_defined([dice(image.pixels)[1] for image in images])),
        bf_wbc_image_mean=_defined(mean_of_defined([image.boundary.bf for image in images])),
        bf_theta_px_min=min(thetas, default=None),
        bf_theta_px_max=max(thetas, default=None),
    )


def _object_figures(images: list[Compared]) -> ObjectFigures:
    n_true = sum(image.n_true for image in images)
    scores = np.concatenate([np.zeros(0), *(image.scores for image in images)])
    right_70 = np.concatenate([np.zeros(0, dtype=bool), *(image.right_70 for image in images)])
    hits_70, hits_50 = int(right_70.sum()), sum(int(image.right_50.sum()) for image in images)
    outlines = [value for image in images for value in image.outline_ious]
    return ObjectFigures(
        average_precision=_defined(average_precision(scores, right_70, n_true)),
        recall_70=Proportion(k=hits_70, n=n_true),
        precision_70=Proportion(k=hits_70, n=len(scores)),
        recall_50=Proportion(k=hits_50, n=n_true),
        precision_50=Proportion(k=hits_50, n=len(scores)),
        outlined=Proportion(k=len(outlines), n=n_true),
        outline_iou_mean=_defined(mean_of_defined(outlines)),
    )


def _naming_figures(types: Confusion, images: list[Compared]) -> NamingFigures:
    among_found = types[:N_TYPES, : N_TYPES + 1]
    named, end_to_end = one_against_rest(among_found, N_TYPES), one_against_rest(types, N_TYPES)
    k, n = accuracy(among_found)
    calibration = [pair for image in images for pair in image.calibration]
    return NamingFigures(
        confusion=tuple(tuple(row) for row in types.tolist()),
        types=tuple(_type_figures(named, i, name) for i, name in enumerate(CELL_TYPES)),
        accuracy=Proportion(k=k, n=n),
        macro_precision=_defined(named.macro(named.precision)),
        macro_recall=_defined(named.macro(named.recall)),
        macro_specificity=_defined(named.macro(named.specificity)),
        macro_f1=_defined(named.macro(named.f1)),
        calibration_error=_defined(calibration_error([p for p, _ in calibration], [right for _, right in calibration])),
        found_and_named_recall=Proportion(k=k, n=int(types[:N_TYPES].sum())),
        found_and_named_precision=Proportion(k=k, n=int(types[:, :N_TYPES].sum())),
        found_and_named_f1=_defined(end_to_end.micro_f1),
        found_and_named_macro_f1=_defined(end_to_end.macro(end_to_end.f1)),
    )


def _type_figures(scores: OneAgainstRest, i: int, name: str) -> TypeFigures:
    tp, fp = int(scores.true_positive[i]), int(scores.false_positive[i])
    fn, tn = int(scores.false_negative[i]), int(scores.true_negative[i])
    return TypeFigures(
        cell_type=name,
        precision=Proportion(k=tp, n=tp + fp),
        recall=Proportion(k=tp, n=tp + fn),
        specificity=Proportion(k=tn, n=tn + fp),
        f1=_defined(scores.f1[i]),
    )


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
