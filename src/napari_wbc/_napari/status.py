"""What the status of a widget says, as plain text; no Qt."""

from __future__ import annotations

from collections import Counter

from ..cells import Analysis, Scale, Segmentation
from ..differential import differential
from ..pipeline import Models

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
    return "\n".join(
        [_cells(count), describe_scale(segmentation.scale), f"Outlines: {models.segmenter.name} on {models.segmenter.device}"]
    )


def describe_analysis(analysis: Analysis, models: Models) -> str:
    """Number of cells and differential, scale, models and devices."""
    lines = [_cells(len(analysis.cells)), *describe_counts(analysis), describe_scale(analysis.scale)]
    if analysis.domain is not None and not analysis.domain.ok:
        lines.append(f"Unlike the images the models were trained on: {analysis.domain.reason}")
    lines.append(f"Outlines: {models.segmenter.name} on {models.segmenter.device}")
    lines.append(f"Types: {models.classifier.name} on {models.classifier.device}")
    return "\n".join(lines)


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
    return "No white blood cell found." if count == 0 else f"{count} white blood cell{'s' if count > 1 else ''}"
