"""What the status of a widget says, as plain text; no Qt."""

from __future__ import annotations

from collections import Counter

from ..batch import RunSummary
from ..cells import Analysis, Cell, CellTable, Scale, Segmentation
from ..config import CELL_TYPES
from ..differential import differential
from ..pipeline import Models
from ..results.summary import Learnable

RESEARCH_USE = "Research use only: suggestions for a person to verify."

_SOURCES = {
    "user": "set by you",
    "file": "stated by the image",
    "estimated": "estimated from the cells in the image",
    "assumed": "assumed: nothing in the image tells it, so lengths in µm are left out",
}


def describe_segmentation(segmentation: Segmentation, models: Models) -> str:
    """Number of cells, scale, model and device."""
    count = len(segmentation.scores)
    return "\n".join([_cells(count), describe_scale(segmentation.scale), _outlined_by(models)])


def describe_analysis(analysis: Analysis, models: Models) -> str:
    """Number of cells and differential, scale, models and devices."""
    return "\n".join([*_found(analysis), _outlined_by(models), _named_by(models)])


def describe_types(analysis: Analysis, models: Models) -> str:
    """As `describe_analysis`, where the outlines were there before."""
    return "\n".join([*_found(analysis), _named_by(models)])


def _found(analysis: Analysis) -> list[str]:
    lines = [_cells(len(analysis.cells)), *describe_counts(analysis), describe_scale(analysis.scale)]
    if analysis.domain is not None and not analysis.domain.ok:
        lines.append(f"Unlike the images the segmenter was trained on: {analysis.domain.reason}")
    return lines


def _outlined_by(models: Models) -> str:
    return f"Outlines: {models.segmenter.name} on {models.segmenter.device}"


def _named_by(models: Models) -> str:
    return f"Types: {models.classifier.name} on {models.classifier.device}"


def describe_counts(analysis: Analysis) -> list[str]:
    """One line per type that occurs: count, and share among the counted cells in percent."""
    counts = Counter(("", cell.cell_type, cell.reviewed_by is not None) for cell in analysis.cells if cell.cell_type)
    rows = [row for row in differential(counts, [""]) if row.slide == "" and row.n]
    return [f"  {row.cell_type}: {row.n}" + ("" if row.percent is None else f" ({row.percent:.0f} %)") for row in rows]


def describe_scale(scale: Scale) -> str:
    """Pixel size and where it comes from."""
    size = "unknown" if scale.um_per_px is None else f"{scale.um_per_px:.3g} µm"
    return f"Pixel size: {size} ({_SOURCES[scale.source]})"


def _cells(count: int) -> str:
    return "No white blood cell found." if count == 0 else _count(count, "white blood cell")


def describe_cell(cell: Cell | None, n_selected: int = 1) -> str:
    """What is known of the selected cell, in two lines."""
    if cell is None:
        return "No cell is selected: click one."
    more = f" and {n_selected - 1} more" if n_selected > 1 else ""
    first = f"Cell {cell.cell_id}{more}: {cell.cell_type or 'not named yet'}"
    if cell.p is not None and cell.margin is not None:
        likely, share = max(zip(CELL_TYPES, cell.p, strict=True), key=lambda pair: pair[1])
        first += f" (model: {likely} {100 * share:.0f} %, margin {cell.margin:.2f})"
    size = f"{cell.diameter_um:.1f} µm" if cell.diameter_um is not None else f"{cell.diameter_px or 0:.0f} px"
    seen = f"reviewed by {cell.reviewed_by}" if cell.reviewed_by else "not reviewed yet"
    return f"{first}\nOutline by {_MAKERS[cell.outline_source]}, {size} wide, {seen}"


_MAKERS = {"model": "the model", "human": "a person"}


def describe_review(cells: CellTable, n_waiting: int, unsaved: bool) -> str:
    """How far a review has come."""
    reviewed = sum(cell.is_reviewed for cell in cells)
    parts = [f"{reviewed} of {len(cells)} cells reviewed"]
    if n_waiting:
        parts.append(f"{n_waiting} edited, waiting for the classifier")
    parts.append("not saved" if unsaved else "saved")
    return ", ".join(parts)


def describe_run(result: RunSummary) -> str:
    """What became of the images of a folder, and where the results are."""
    counts, summary = result.run.counts, result.summary
    n_images = len(summary.images) - len(summary.failed) if summary else 0
    return "\n".join(
        [
            f"{_count(counts.done, 'image')} done, {counts.failed} failed, {counts.skipped} left as they were",
            *([f"{_count(summary.n_cells, 'cell')} in {_count(n_images, 'image')}"] if summary else []),
            f"Results: {result.out}",
            "Drop that folder on the window to review them.",
        ]
    )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def describe_learnable(found: Learnable) -> str:
    """What there is to learn from."""
    cells = ", ".join(f"{n} {name}" for name, n in found.n_by_type.items()) or "none"
    return f"Cells named by a person: {cells}.\nImages that a person vouches for: {found.n_vouched}."
