"""Does a new analysis of an image give what is recorded: exactly on one kind of processor, nearly on another."""

from __future__ import annotations

from pathlib import Path

from ..cells import Analysis
from ..config import Settings
from ..metrics.objects import match_outlines
from ..pipeline import Models, analyse
from ..results import read_analysis, read_record
from ..results.record import as_stored
from .discover import InputImage
from .intake import load

MIN_IOU, MAX_DIFFERENCE = 0.9, 0.1
"""On another kind of processor outlines and probabilities agree at least so well; types may differ where the margin is less."""


def compare(out: Path, image: InputImage, models: Models, settings: Settings) -> str | None:
    """How a new analysis of an image differs from its record: None not at all, "" in last digits, else in words."""
    loaded = load(image, settings.max_megapixels)
    if loaded.field is None:
        return loaded.error
    new, old = analyse(loaded.field, models, settings), read_analysis(out, image.name)
    if tuple(map(as_stored, new.cells)) == read_record(out, image.name).cells and (new.labels == old.labels).all():
        return None
    return _difference(new, old)


def _difference(new: Analysis, old: Analysis) -> str:
    """What differs by more than another kind of processor explains; empty if nothing does."""
    if len(new.cells) != len(old.cells):
        return f"{len(new.cells)} cells, recorded {len(old.cells)}"
    matches = [match for match in match_outlines(new.labels, old.labels) if match.iou >= MIN_IOU]
    if len(matches) != len(old.cells):
        return f"{len(old.cells) - len(matches)} outlines differ"
    by_id, recorded = {cell.cell_id: cell for cell in new.cells}, {cell.cell_id: cell for cell in old.cells}
    for match in matches:
        a, b = by_id[match.found_id], recorded[match.true_id]
        if a.cell_type != b.cell_type and (b.margin or 0) >= MAX_DIFFERENCE:
            return f"cell {b.cell_id} is a {a.cell_type}, recorded {b.cell_type}"
        if any(abs(p - q) > MAX_DIFFERENCE for p, q in zip(a.p or (), b.p or (), strict=True)):
            return f"the probabilities of cell {b.cell_id} differ"
    return ""
