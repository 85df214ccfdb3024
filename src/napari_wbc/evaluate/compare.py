"""One image as analysed against the same image as it truly is: what it adds to an evaluation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from ..cells import Analysis, Cell, CellTable, Labels
from ..config import ARTEFACT, CELL_TYPES
from ..errors import ResultsError
from ..metrics.cell_types import type_confusion
from ..metrics.objects import match_boxes, match_outlines
from ..metrics.pixels import boundary_score, pixel_confusion, tolerance_px
from ..metrics.ratios import Confusion, defined

AP_IOU, NAMING_IOU, OUTLINE_IOU = 0.7, 0.5, 0.5
"""Intersection over union from which a box, a named cell, or an outline counts as that of the true cell."""

N_TYPES = len(CELL_TYPES)
NO_CELL = UNNAMED = N_TYPES
MISSED = N_TYPES + 1
_INDEX = {name: i for i, name in enumerate(CELL_TYPES)}


@dataclass(frozen=True, eq=False)
class Pair:
    """One image as analysed and as it truly is.

    Parameters
    ----------
    image
        Its name, for messages.
    found
        The result; None where there is none, so that all its cells count as missed.
    true
        The truth. Objects named `artefact`, here or in the result, are no cells. Cells without one of the five types are
        cells to find, but not to name.
    """

    image: str
    found: Analysis | None
    true: Analysis


class Outlined(BaseModel):
    """A true cell: the name that it truly has, if any, and the IoU of its outline with the found one; 0 where it was missed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell_type: str | None
    iou: float


class Compared(BaseModel):
    """What one image adds to the evaluation, in plain values that a file can keep: N found cells, some of them true.

    `pixels` is (2, 2) and `types` (6, 7), counts; `scores`, `right_70` and `right_50` are (N,).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: str
    has_result: bool
    pixels: tuple[tuple[int, ...], ...]
    bf: float | None
    theta_px: float
    outlines: tuple[Outlined, ...]
    scores: tuple[float, ...]
    right_70: tuple[bool, ...]
    right_50: tuple[bool, ...]
    types: tuple[tuple[int, ...], ...]
    calibration: tuple[tuple[float, bool], ...]


def compare(pair: Pair) -> Compared:
    """Compare one image with its truth.

    Raises
    ------
    ResultsError
        If the two label images differ in size.
    """
    true, shape = pair.true, pair.true.labels.shape
    found = pair.found or Analysis(np.zeros_like(true.labels), CellTable(), true.scale)
    if found.labels.shape != shape:
        raise ResultsError(
            f"Cannot compare {pair.image}: its labels are {found.labels.shape} in the results, {shape} in the truth (rows, "
            "columns). Results and truth must be of the same image at its own size."
        )
    found_labels, true_labels = (without_artefacts(one.labels, one.cells) for one in (found, true))
    found_cells, true_cells = _cells(found), _cells(true)
    scores = np.array([_score(cell) for cell in found_cells], dtype=np.float64)
    found_boxes, true_boxes = [c.box for c in found_cells], [c.box for c in true_cells]
    match_50 = match_boxes(found_boxes, scores, true_boxes, NAMING_IOU)
    theta_px = tolerance_px((shape[0], shape[1]))
    ious = {m.true_id: m.iou for m in match_outlines(found_labels, true_labels)}
    return Compared(
        image=pair.image,
        has_result=pair.found is not None,
        pixels=pixel_confusion(true_labels > 0, found_labels > 0).tolist(),
        bf=defined(boundary_score(true_labels > 0, found_labels > 0, theta_px).bf),
        theta_px=theta_px,
        outlines=tuple(Outlined(cell_type=cell.cell_type, iou=ious.get(cell.cell_id, 0.0)) for cell in true_cells),
        scores=scores.tolist(),
        right_70=(match_boxes(found_boxes, scores, true_boxes, AP_IOU) >= 0).tolist(),
        right_50=(match_50 >= 0).tolist(),
        types=_types(found_cells, true_cells, match_50).tolist(),
        calibration=tuple(_calibration(found_cells, true_cells, match_50)),
    )


def _cells(analysis: Analysis) -> list[Cell]:
    return [cell for cell in analysis.cells if cell.cell_type != ARTEFACT]


def without_artefacts(labels: Labels, cells: Iterable[Cell]) -> Labels:
    """The labels (H, W) without the objects that are no cells."""
    artefacts = [cell.cell_id for cell in cells if cell.cell_type == ARTEFACT]
    return np.where(np.isin(labels, artefacts), 0, labels) if artefacts else labels


def _score(cell: Cell) -> float:
    """The score by which detections are ranked; an outline drawn by a person has none and is certain."""
    return 1.0 if cell.segmentation_score is None else cell.segmentation_score


def _types(found: list[Cell], true: list[Cell], match: npt.NDArray[np.int64]) -> Confusion:
    """The matrix of `NamingFigures.confusion` for one image; `match` (N,) is the index of the true cell, or −1."""
    pairs = [(NO_CELL, _INDEX.get(cell.cell_type or "", UNNAMED)) for cell, j in zip(found, match, strict=True) if j < 0]
    pairs += [(_INDEX[t], _INDEX.get(cell.cell_type or "", UNNAMED)) for cell, t in _typed_pairs(found, true, match)]
    missed = set(range(len(true))) - set(match.tolist())
    pairs += [(_INDEX[t], MISSED) for j in missed if (t := true[j].cell_type) in _INDEX]
    rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
    return type_confusion(rows, columns, (N_TYPES + 1, N_TYPES + 2))


def _calibration(found: list[Cell], true: list[Cell], match: npt.NDArray[np.int64]) -> list[tuple[float, bool]]:
    """Top probability, and whether it is that of the true type, of every matched cell that has probabilities."""
    typed = [(np.asarray(cell.p), _INDEX[t]) for cell, t in _typed_pairs(found, true, match) if cell.p is not None]
    return [(float(p.max()), bool(p.argmax() == t)) for p, t in typed]


def _typed_pairs(found: list[Cell], true: list[Cell], match: npt.NDArray[np.int64]) -> list[tuple[Cell, str]]:
    """Found cells and true types, where the true cell has one of the five."""
    both = [(cell, true[j].cell_type) for cell, j in zip(found, match, strict=True) if j >= 0]
    return [(cell, name) for cell, name in both if name in _INDEX]
