"""The figures of an evaluation, as a file and as a table to read."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from ..config import CELL_TYPES
from ..proportion import Proportion


class _Figures(BaseModel):
    """Frozen; a figure that is undefined, because nothing it speaks of occurs, is None."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PixelFigures(_Figures):
    """How well the pixels agree, over the data set unless the name says image mean; shares 0..1.

    `confusion` holds n_ij, background first. θ of the BF score differs between images of different size: smallest and largest.
    """

    confusion: tuple[tuple[int, int], tuple[int, int]]
    mean_accuracy: float | None
    mean_iou: float | None
    iou_background: float | None
    iou_wbc: float | None
    dice_wbc: float | None
    iou_wbc_image_mean: float | None
    dice_wbc_image_mean: float | None
    bf_wbc_image_mean: float | None
    bf_theta_px_min: float | None
    bf_theta_px_max: float | None


class ObjectFigures(_Figures):
    """How well the cells are found. Recall = true cells found, precision = found cells that are there.

    `average_precision` is over boxes at IoU 0.7; `outlined` counts the true cells whose outline is met with IoU ≥ 0.5, and
    `outline_iou_mean` is the mean over those.
    """

    average_precision: float | None
    recall_70: Proportion
    precision_70: Proportion
    recall_50: Proportion
    precision_50: Proportion
    outlined: Proportion
    outline_iou_mean: float | None


class TypeFigures(_Figures):
    """One type against the rest, over the cells found."""

    cell_type: str
    precision: Proportion
    recall: Proportion
    specificity: Proportion
    f1: float | None


class NamingFigures(_Figures):
    """How well the cells are named.

    `confusion` has a row for each of the five true types and one for found cells that are none, and a column for each of the
    five names, one for cells that got none of them, and one for true cells that were missed. The figures up to
    `calibration_error` are over the true cells found (box IoU ≥ 0.5), where a cell without one of the five names counts as
    wrong; micro recall is `accuracy`. The last four also charge missed cells and named objects that are no cells.
    """

    confusion: tuple[tuple[int, ...], ...]
    types: tuple[TypeFigures, ...]
    accuracy: Proportion
    macro_precision: float | None
    macro_recall: float | None
    macro_specificity: float | None
    macro_f1: float | None
    calibration_error: float | None
    found_and_named_recall: Proportion
    found_and_named_precision: Proportion
    found_and_named_f1: float | None
    found_and_named_macro_f1: float | None


class Evaluation(_Figures):
    """Results against truth. `naming` is None where the truth has no types.

    `images_without_result` counts images of the truth that the results do not have: their cells count as missed.
    """

    images: int
    images_without_result: int
    true_cells: int
    found_cells: int
    pixels: PixelFigures
    objects: ObjectFigures
    naming: NamingFigures | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, proportions with k, n, value and interval."""
        return self.model_dump(mode="json")

    def to_json(self) -> str:
        """`to_dict` as JSON text."""
        return self.model_dump_json(indent=2) + "\n"

    def table(self) -> str:
        """The figures as text, one a line; intervals are 95 % Clopper-Pearson."""
        lines = [("images", f"{self.images} ({self.images_without_result} without a result)")]
        lines += [("true cells, found cells", f"{self.true_cells}, {self.found_cells}")]
        lines += _pixel_lines(self.pixels) + _object_lines(self.objects)
        if self.naming is None:
            return _aligned(lines)
        return "\n".join([_aligned(lines + _naming_lines(self.naming)), "", *_confusion_lines(self.naming.confusion)])


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _aligned(lines: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def _pixel_lines(pixels: PixelFigures) -> list[tuple[str, str]]:
    low, high = pixels.bf_theta_px_min, pixels.bf_theta_px_max
    theta = "-" if low is None or high is None else f"{low:.1f}" if low == high else f"{low:.1f}-{high:.1f}"
    return [
        ("mean accuracy of pixels", _percent(pixels.mean_accuracy)),
        ("mean IoU, background included", _percent(pixels.mean_iou)),
        ("IoU of WBC", f"{_percent(pixels.iou_wbc)}; mean over images {_percent(pixels.iou_wbc_image_mean)}"),
        ("Dice of WBC", f"{_percent(pixels.dice_wbc)}; mean over images {_percent(pixels.dice_wbc_image_mean)}"),
        (f"BF score of WBC, θ = {theta} px", f"mean over images {_percent(pixels.bf_wbc_image_mean)}"),
    ]


def _object_lines(objects: ObjectFigures) -> list[tuple[str, str]]:
    return [
        ("AP at box IoU 0.7", _percent(objects.average_precision)),
        ("cells found, box IoU 0.7", str(objects.recall_70)),
        ("found boxes right, IoU 0.7", str(objects.precision_70)),
        ("cells found, box IoU 0.5", str(objects.recall_50)),
        ("found boxes right, IoU 0.5", str(objects.precision_50)),
        ("cells outlined, IoU 0.5", f"{objects.outlined}; mean IoU {_percent(objects.outline_iou_mean)}"),
    ]


def _naming_lines(naming: NamingFigures) -> list[tuple[str, str]]:
    lines = [
        ("found cells named right", str(naming.accuracy)),
        ("macro precision, recall", f"{_percent(naming.macro_precision)}, {_percent(naming.macro_recall)}"),
        ("macro specificity, F1", f"{_percent(naming.macro_specificity)}, {_percent(naming.macro_f1)}"),
        ("calibration error", _percent(naming.calibration_error)),
        ("cells found and named right", str(naming.found_and_named_recall)),
        (
            "F1 at IoU 0.5, right type",
            f"{_percent(naming.found_and_named_f1)}; macro {_percent(naming.found_and_named_macro_f1)}",
        ),
    ]
    for scores in naming.types:
        lines.append((f"{scores.cell_type}: recall", str(scores.recall)))
        lines.append((f"{scores.cell_type}: precision", str(scores.precision)))
        lines.append((f"{scores.cell_type}: specificity", str(scores.specificity)))
        lines.append((f"{scores.cell_type}: F1", _percent(scores.f1)))
    return lines


def _confusion_lines(confusion: tuple[tuple[int, ...], ...]) -> list[str]:
    head = "".join(f"{name:>13}" for name in (*CELL_TYPES, "none of five", "missed"))
    rows = (
        f"{name:<11}" + "".join(f"{n:>13}" for n in row) for name, row in zip((*CELL_TYPES, "no cell"), confusion, strict=True)
    )
    return [f"{'true, named':<11}{head}", *rows]
