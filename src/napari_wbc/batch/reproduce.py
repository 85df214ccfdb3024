"""Does a new analysis of an image give what is recorded: exactly on one kind of processor, nearly on another."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..cells import Analysis, Cell
from ..config import Settings
from ..metrics.objects import box_iou, match_outlines
from ..pipeline import Models, analyse, finish
from ..pyramids import open_pyramid
from ..results import read_analysis, read_record
from ..results.record import as_stored
from ..slides import analyse_slide_steps
from .discover import InputImage
from .intake import load

MIN_IOU, MAX_DIFFERENCE = 0.9, 0.1
"""On another kind of processor outlines and probabilities agree at least so well; types may differ where the margin is less."""


def compare(out: Path, image: InputImage, models: Models, settings: Settings) -> str | None:
    """How a new analysis of an image differs from its record: None not at all, "" in last digits, else in words."""
    loaded = load(image, settings.max_megapixels)
    if loaded.slide and not loaded.error:
        return _compare_slide(out, image, loaded.slide, models, settings)
    if loaded.field is None:
        return loaded.error
    new, old = analyse(loaded.field, models, settings), read_analysis(out, image.name)
    if tuple(map(as_stored, new.cells)) == read_record(out, image.name).cells and (new.labels == old.labels).all():
        return None
    return _difference(new, old)


def _compare_slide(out: Path, image: InputImage, path: Path, models: Models, settings: Settings) -> str | None:
    """`compare` of a whole-slide image, whose cells have the same order as long as they are the same."""
    with open_pyramid(path, image.name) as slide:
        new = tuple(map(as_stored, finish(analyse_slide_steps(slide, models, settings)).cells))
    old = read_record(out, image.name).cells
    if new == old:
        return None
    if len(new) != len(old):
        return f"{len(new)} cells, recorded {len(old)}"
    n_moved = sum(box_iou([a.box], [b.box])[0, 0] < MIN_IOU for a, b in zip(new, old, strict=True))
    return f"{n_moved} boxes differ" if n_moved else _difference_of_types(zip(new, old, strict=True))


def _difference(new: Analysis, old: Analysis) -> str:
    """What differs by more than another kind of processor explains; empty if nothing does."""
    if len(new.cells) != len(old.cells):
        return f"{len(new.cells)} cells, recorded {len(old.cells)}"
    matches = [match for match in match_outlines(new.labels, old.labels) if match.iou >= MIN_IOU]
    if len(matches) != len(old.cells):
        return f"{len(old.cells) - len(matches)} outlines differ"
    by_id, recorded = {cell.cell_id: cell for cell in new.cells}, {cell.cell_id: cell for cell in old.cells}
    return _difference_of_types((by_id[match.found_id], recorded[match.true_id]) for match in matches)


def _difference_of_types(pairs: Iterable[tuple[Cell, Cell]]) -> str:
    """What differs in the types of cells and their records; empty if nothing does."""
    for a, b in pairs:
        if a.cell_type != b.cell_type and (b.margin or 0) >= MAX_DIFFERENCE:
            return f"cell {b.cell_id} is a {a.cell_type}, recorded {b.cell_type}"
        if any(abs(p - q) > MAX_DIFFERENCE for p, q in zip(a.p or (), b.p or (), strict=True)):
            return f"the probabilities of cell {b.cell_id} differ"
    return ""
