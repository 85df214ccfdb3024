"""Results against truth: every figure of an evaluation, from two analyses of the same images."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..config import CELL_TYPES, UNIDENTIFIED
from ..errors import ResultsError, UsageError
from ..metrics.cell_types import OneAgainstRest, accuracy, calibration_error, one_against_rest
from ..metrics.objects import average_precision
from ..metrics.pixels import dice, iou, mean_accuracy, mean_iou
from ..metrics.ratios import Confusion, defined, mean_of_defined
from ..proportion import Proportion
from ..results import images_in, read_analysis, read_record
from .compare import N_TYPES, OUTLINE_IOU, Compared, Outlined, Pair, compare
from .figures import Evaluation, NamingFigures, ObjectFigures, OutlineFigures, PixelFigures, TypeFigures

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
        If one is no results folder, an image is another file in the truth than in the results, or a record or label image is
        damaged.
    """
    judged, true = _images(results), _images(truth)
    reviewed = [image for image in true if read_record(truth, image).row.reviewed_by is not None]
    shared = sorted(set(reviewed) & set(judged))
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


def _images(folder: Path) -> list[str]:
    """The images of a results folder; a ResultsError where there is none."""
    if images := images_in(folder):
        return images
    raise ResultsError(f"{folder} is not a results folder: it has no records. Check the path.")


def evaluate(pairs: Iterable[Pair]) -> Evaluation:
    """Compare the results of any number of images with the truth; the pairs are taken one at a time.

    Raises
    ------
    ResultsError
        If the two label images of a pair differ in size.
    """
    images = [compare(pair) for pair in pairs]
    types = _sum([image.types for image in images], (N_TYPES + 1, N_TYPES + 2))
    calibration = [answer for image in images for answer in image.calibration]
    return Evaluation(
        images=len(images),
        images_without_result=sum(not image.has_result for image in images),
        true_cells=sum(len(image.outlines) for image in images),
        found_cells=sum(len(image.scores) for image in images),
        pixels=pixel_figures(images),
        objects=object_figures(images),
        naming=naming_figures(types, calibration) if types[:N_TYPES].any() else None,
    )


def pixel_figures(images: Sequence[Compared]) -> PixelFigures:
    """How well the pixels of these images agree."""
    pooled = _sum([image.pixels for image in images], (2, 2))
    (background, false), (missed, right) = pooled.tolist()
    apart = [np.array(image.pixels, dtype=np.int64) for image in images]
    thetas = [image.theta_px for image in images]
    return PixelFigures(
        confusion=((background, false), (missed, right)),
        mean_accuracy=defined(mean_accuracy(pooled)),
        mean_iou=defined(mean_iou(pooled)),
        iou_background=defined(iou(pooled)[0]),
        iou_wbc=defined(iou(pooled)[1]),
        dice_wbc=defined(dice(pooled)[1]),
        iou_wbc_image_mean=defined(mean_of_defined([iou(pixels)[1] for pixels in apart])),
        dice_wbc_image_mean=defined(mean_of_defined([dice(pixels)[1] for pixels in apart])),
        bf_wbc_image_mean=defined(mean_of_defined([image.bf for image in images if image.bf is not None])),
        bf_theta_px_min=min(thetas, default=None),
        bf_theta_px_max=max(thetas, default=None),
    )


def object_figures(images: Sequence[Compared]) -> ObjectFigures:
    """How well the cells of these images are found, and outlined."""
    true = [cell for image in images for cell in image.outlines]
    scores = [score for image in images for score in image.scores]
    right_70 = [right for image in images for right in image.right_70]
    hits_70, hits_50 = sum(right_70), sum(sum(image.right_50) for image in images)
    outlines = [cell.iou for cell in true if cell.iou >= OUTLINE_IOU]
    return ObjectFigures(
        average_precision=defined(average_precision(scores, right_70, len(true))),
        recall_70=Proportion(k=hits_70, n=len(true)),
        precision_70=Proportion(k=hits_70, n=len(scores)),
        recall_50=Proportion(k=hits_50, n=len(true)),
        precision_50=Proportion(k=hits_50, n=len(scores)),
        outlined=Proportion(k=len(outlines), n=len(true)),
        outline_iou_mean=defined(mean_of_defined(outlines)),
        outline_by_type=tuple(_outline_figures(true)),
    )


def _outline_figures(true: Sequence[Outlined]) -> Iterator[OutlineFigures]:
    """For each type that occurs, the five in their order before others."""
    names = {cell.cell_type for cell in true if cell.cell_type not in (None, UNIDENTIFIED)}
    for name in (*CELL_TYPES, *sorted(map(str, names - set(CELL_TYPES)))):
        if ious := [cell.iou for cell in true if cell.cell_type == name]:
            yield OutlineFigures(cell_type=name, n=len(ious), iou_mean=mean_of_defined(ious))


def naming_figures(types: Confusion, calibration: Sequence[tuple[float, bool]]) -> NamingFigures:
    """How well cells are named.

    Parameters
    ----------
    types
        (6, 7) counts; see `NamingFigures`.
    calibration
        Top probability, and whether it is that of the true type, of cells of the five types.
    """
    among_found = types[:N_TYPES, : N_TYPES + 1]
    named, end_to_end = one_against_rest(among_found, N_TYPES), one_against_rest(types, N_TYPES)
    k, n = accuracy(among_found)
    true_negative, false_positive = int(named.true_negative.sum()), int(named.false_positive.sum())
    return NamingFigures(
        confusion=tuple(tuple(row) for row in types.tolist()),
        types=tuple(_type_figures(named, i, name) for i, name in enumerate(CELL_TYPES)),
        accuracy=Proportion(k=k, n=n),
        micro_precision=Proportion(k=k, n=k + false_positive),
        micro_specificity=Proportion(k=true_negative, n=true_negative + false_positive),
        micro_f1=defined(named.micro_f1),
        macro_precision=defined(named.macro(named.precision)),
        macro_recall=defined(named.macro(named.recall)),
        macro_specificity=defined(named.macro(named.specificity)),
        macro_f1=defined(named.macro(named.f1)),
        calibration_error=defined(calibration_error([p for p, _ in calibration], [right for _, right in calibration])),
        found_and_named_recall=Proportion(k=k, n=int(types[:N_TYPES].sum())),
        found_and_named_precision=Proportion(k=k, n=int(types[:, :N_TYPES].sum())),
        found_and_named_f1=defined(end_to_end.micro_f1),
        found_and_named_macro_f1=defined(end_to_end.macro(end_to_end.f1)),
    )


def _type_figures(scores: OneAgainstRest, i: int, name: str) -> TypeFigures:
    tp, fp = int(scores.true_positive[i]), int(scores.false_positive[i])
    fn, tn = int(scores.false_negative[i]), int(scores.true_negative[i])
    return TypeFigures(
        cell_type=name,
        precision=Proportion(k=tp, n=tp + fp),
        recall=Proportion(k=tp, n=tp + fn),
        specificity=Proportion(k=tn, n=tn + fp),
        f1=defined(scores.f1[i]),
    )


def _sum(counts: Sequence[tuple[tuple[int, ...], ...]], shape: tuple[int, int]) -> Confusion:
    """The sum of matrices of counts."""
    return np.asarray(np.array(counts, dtype=np.int64).reshape(-1, *shape).sum(axis=0))
