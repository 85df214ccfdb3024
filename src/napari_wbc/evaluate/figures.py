"""The figures of an evaluation, as a file and as a table to read."""

from __future__ import annotations

from collections.abc import Sequence
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


class OutlineFigures(_Figures):
    """Mean IoU of the outlines of the n true cells of one type, 0..1; a cell that was missed counts as 0."""

    cell_type: str
    n: int
    iou_mean: float


class ObjectFigures(_Figures):
    """How well the cells are found. Recall = true cells found, precision = found cells that are there.

    `average_precision` is over boxes at IoU 0.7; `outlined` counts the true cells whose outline is met with IoU ≥ 0.5, and
    `outline_iou_mean` is the mean over those; `outline_by_type` is over the true cells of every type that occurs.
    """

    average_precision: float | None
    recall_70: Proportion
    precision_70: Proportion
    recall_50: Proportion
    precision_50: Proportion
    outlined: Proportion
    outline_iou_mean: float | None
    outline_by_type: tuple[OutlineFigures, ...]


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
    micro_precision: Proportion
    micro_specificity: Proportion
    micro_f1: float | None
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

    `images_without_result` counts images that failed in the results: their cells count as missed.
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
        lines += pixel_lines(self.pixels) + object_lines(self.objects)
        if self.naming is None:
            return aligned(lines)
        n_others = self.true_cells - sum(map(sum, self.naming.confusion[: len(CELL_TYPES)]))
        lines += [("true cells of other types", f"{n_others}, found or not, but in no figure below")] if n_others else []
        lines += [("found cells named right", str(self.naming.accuracy))]
        lines += naming_lines(self.naming) + _found_and_named_lines(self.naming)
        columns = (*CELL_TYPES, "none of five", "missed")
        return "\n".join([aligned(lines), "", *confusion_lines(self.naming.confusion, (*CELL_TYPES, "no cell"), columns)])


def percent(value: float | None) -> str:
    """`98.4 %`, `-` where it is undefined."""
    return "-" if value is None else f"{100 * value:.1f} %"


def aligned(lines: Sequence[tuple[str, str]]) -> str:
    """Names and values in two columns."""
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def pixel_lines(pixels: PixelFigures) -> list[tuple[str, str]]:
    """Names and values, to read."""
    low, high = pixels.bf_theta_px_min, pixels.bf_theta_px_max
    theta = "-" if low is None or high is None else f"{low:.1f}" if low == high else f"{low:.1f}-{high:.1f}"
    return [
        ("mean accuracy of pixels", percent(pixels.mean_accuracy)),
        ("mean IoU, background included", percent(pixels.mean_iou)),
        ("IoU of WBC", f"{percent(pixels.iou_wbc)}; mean over images {percent(pixels.iou_wbc_image_mean)}"),
        ("Dice of WBC", f"{percent(pixels.dice_wbc)}; mean over images {percent(pixels.dice_wbc_image_mean)}"),
        (f"BF score of WBC, θ = {theta} px", f"mean over images {percent(pixels.bf_wbc_image_mean)}"),
    ]


def object_lines(objects: ObjectFigures) -> list[tuple[str, str]]:
    """Names and values, to read."""
    return [
        ("AP at box IoU 0.7", percent(objects.average_precision)),
        ("cells found, box IoU 0.7", str(objects.recall_70)),
        ("found boxes right, IoU 0.7", str(objects.precision_70)),
        ("cells found, box IoU 0.5", str(objects.recall_50)),
        ("found boxes right, IoU 0.5", str(objects.precision_50)),
        ("cells outlined, IoU 0.5", f"{objects.outlined}; mean IoU {percent(objects.outline_iou_mean)}"),
        *((f"{o.cell_type}: outline IoU", f"{percent(o.iou_mean)} (n = {o.n}, missed = 0)") for o in objects.outline_by_type),
    ]


def naming_lines(naming: NamingFigures) -> list[tuple[str, str]]:
    """Names and values, to read: what is said of the cells found."""
    lines = [
        ("micro precision", str(naming.micro_precision)),
        ("micro specificity", str(naming.micro_specificity)),
        ("micro recall, F1", f"{percent(naming.accuracy.value)}, {percent(naming.micro_f1)}"),
        ("macro precision, recall", f"{percent(naming.macro_precision)}, {percent(naming.macro_recall)}"),
        ("macro specificity, F1", f"{percent(naming.macro_specificity)}, {percent(naming.macro_f1)}"),
        ("calibration error", percent(naming.calibration_error)),
    ]
    for scores in naming.types:
        lines.append((f"{scores.cell_type}: recall", str(scores.recall)))
        lines.append((f"{scores.cell_type}: precision", str(scores.precision)))
        lines.append((f"{scores.cell_type}: specificity", str(scores.specificity)))
        lines.append((f"{scores.cell_type}: F1", percent(scores.f1)))
    return lines


def _found_and_named_lines(naming: NamingFigures) -> list[tuple[str, str]]:
    both = f"{percent(naming.found_and_named_f1)}; macro {percent(naming.found_and_named_macro_f1)}"
    return [("cells found and named right", str(naming.found_and_named_recall)), ("F1 at IoU 0.5, right type", both)]


def confusion_lines(confusion: Sequence[Sequence[int]], rows: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The matrix as text, a line for each true name."""
    head = "".join(f"{name:>13}" for name in columns)
    counts = (f"{name:<13}" + "".join(f"{n:>13}" for n in row) for name, row in zip(rows, confusion, strict=True))
    return [f"{'true, named':<13}{head}", *counts]
