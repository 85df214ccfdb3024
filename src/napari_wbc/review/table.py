"""The table of cells in line with what a person did: outlines painted anew, types given or confirmed.

A type that a person gave or confirmed is locked (`type_source` human): only a person changes it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable

import numpy as np

from ..cells import JUDGED, OF_THE_MODELS, Analysis, Box, Cell, CellTable, Labels, RgbImage
from ..errors import UsageError
from ..measure import measure
from ..nucleus import nucleus_areas_px
from ..pipeline import Classifier, Steps, name_steps
from .history import changed_box


def rename(analysis: Analysis, ids: Collection[int], cell_type: str, by: str, at: str) -> Analysis:
    """Give cells a type.

    Parameters
    ----------
    analysis
        Of an image.
    ids
        The cells; ids without a cell are left out.
    cell_type
        One of the five, `unidentified`, `artefact`, `smudge`, or a type of the person's own.
    by, at
        Who says so, and when (ISO 8601, UTC).

    Raises
    ------
    UsageError
        If the type has no name.
    """
    if not cell_type.strip():
        raise UsageError("A cell type needs a name. Type one, or choose one of the list.")
    said = dict.fromkeys(ids, cell_type.strip())
    return _replace(analysis, [_named(cell, said[cell.cell_id], by, at) for cell in analysis.cells if cell.cell_id in said])


def confirm(analysis: Analysis, ids: Collection[int], by: str, at: str) -> Analysis:
    """Mark cells as reviewed: their types, as they are, become the person's. Cells without a type are only seen."""
    return _replace(analysis, [_named(cell, cell.cell_type, by, at) for cell in analysis.cells if cell.cell_id in ids])


def _named(cell: Cell, cell_type: str | None, by: str, at: str) -> Cell:
    said_before = cell.type_source == "human" and cell.cell_type == cell_type
    return dataclasses.replace(
        cell,
        cell_type=cell_type,
        type_source="model" if cell_type is None else "human",
        previous_cell_type=cell.previous_cell_type if said_before else cell.cell_type,
        reviewed_by=by or None,
        reviewed_at=at,
    )


def repaint(analysis: Analysis, pixels: RgbImage, labels: Labels, changed: Box | None = None) -> Analysis:
    """The analysis with other outlines.

    Only the cells whose pixels differ are boxed and measured anew. Their outlines are a person's now, they keep their type and
    who reviewed it, and they lose what the models said of the old outline: they are `stale`. A new id is a new cell without a
    type; an id that is gone is a cell that is gone.

    Parameters
    ----------
    analysis
        As it was.
    pixels
        (H, W, 3) uint8, the image.
    labels
        (H, W) int32, as they are now.
    changed
        The box in which they differ, where it is known: comparing large images takes time.

    Raises
    ------
    UsageError
        If the sizes differ.
    """
    if labels.shape != pixels.shape[:2]:
        raise UsageError(f"The outlines are {labels.shape}, the image is {pixels.shape[:2]}. Choose those of this image.")
    changed = changed or changed_box(analysis.labels, labels)
    if changed is None:
        return analysis
    old, new = analysis.labels[changed.slices], labels[changed.slices]
    differ = old != new
    touched = {int(i) for i in np.unique([old[differ], new[differ]]) if i}
    before = {cell.cell_id: cell for cell in analysis.cells}
    window = Box.enclosing(changed, *(before[i].box for i in touched if i in before))
    part = np.where(np.isin(labels[window.slices], list(touched)), labels[window.slices], 0)
    nuclei = nucleus_areas_px(pixels[window.slices], part)
    measured = measure(pixels, part, {}, analysis.scale.um_per_px, nuclei, window)
    fresh = [_repainted(cell, before.get(cell.cell_id)) for cell in measured]
    frozen = np.array(labels, dtype=np.int32)
    frozen.flags.writeable = False
    gone = touched - {cell.cell_id for cell in fresh}
    return dataclasses.replace(_replace(analysis, fresh, gone), labels=frozen)


def _repainted(cell: Cell, before: Cell | None) -> Cell:
    kept = {} if before is None else {name: getattr(before, name) for name in JUDGED}
    return dataclasses.replace(cell, outline_source="human", **kept)


def stale(analysis: Analysis) -> list[int]:
    """The cells that no classifier has seen as they are now."""
    return [cell.cell_id for cell in analysis.cells if cell.p is None]


def classify_steps(analysis: Analysis, pixels: RgbImage, ids: Collection[int], classifier: Classifier) -> Steps[list[Cell]]:
    """What the classifier says of some cells, as they are now; for `accept`."""
    return (yield from name_steps(pixels, [cell for cell in analysis.cells if cell.cell_id in ids], classifier))


def accept(analysis: Analysis, named: Iterable[Cell]) -> Analysis:
    """The analysis with what the classifier said of cells, unless their outlines have changed since.

    Probabilities are taken of all of them, the type only where no person has given one.
    """
    said = {cell.cell_id: cell for cell in named}
    fresh = []
    for cell in analysis.cells:
        new = said.get(cell.cell_id)
        if new is not None and _geometry(new) == _geometry(cell):
            values = {name: getattr(new, name) for name in ("p", "none_of_five_score", "margin")}
            locked = cell.type_source == "human"
            fresh.append(dataclasses.replace(cell, cell_type=cell.cell_type if locked else new.cell_type, **values))
    return _replace(analysis, fresh)


def _geometry(cell: Cell) -> dict[str, object]:
    """All that is measured of a cell."""
    other = {*OF_THE_MODELS, *JUDGED, "outline_source"}
    return {f.name: getattr(cell, f.name) for f in dataclasses.fields(cell) if f.name not in other}


def _replace(analysis: Analysis, fresh: Iterable[Cell], gone: Collection[int] = ()) -> Analysis:
    cells = {cell.cell_id: cell for cell in analysis.cells if cell.cell_id not in gone}
    cells |= {cell.cell_id: cell for cell in fresh}
    return dataclasses.replace(analysis, cells=CellTable(tuple(cells[i] for i in sorted(cells))))
