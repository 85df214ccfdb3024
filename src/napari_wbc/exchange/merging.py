"""What a file says of an image, against what is known of it: only what differs is changed, and that is a person's."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..cells import Analysis, Box, Cell, CellTable, Labels, RgbImage, Source
from ..config import UNIDENTIFIED
from ..measure import measure
from ..nucleus import nucleus_areas_px
from .stand_ins import ellipses, stand_in_cells
from .told import Edges, Outline, Told, ToldCell, outlines_of, type_of

logger = logging.getLogger(__name__)

SAME_CELL = 0.5
"""An outline or box of no known id is that of the cell with which it has more than this IoU, as at most one cell can have."""

_JUDGED = ("cell_type", "p", "none_of_five_score", "margin", "type_source", "previous_cell_type", "reviewed_by", "reviewed_at")
"""What measuring a cell again leaves as it was."""


@dataclass(frozen=True, eq=False)
class Merged:
    """An image after the import. `drawn`: no new outline is a stand-in for a box. `changed`: it differs from before."""

    analysis: Analysis
    drawn: bool
    changed: bool


def merge(known: Analysis, told: Told, pixels: Callable[[], RgbImage]) -> Merged:
    """Bring what a file says into an analysis.

    A cell of the file is the known one of its id, else the one that it covers most, else it is new. An outline or a type that
    differs becomes that of the file, with `human` as its source; all else stays as it is. Where outlines overlap, those of a
    person lie on top; among equals, the smaller. Cells whose pixels change are measured again; their names stay.

    Parameters
    ----------
    known
        The analysis of the image.
    told
        What the file says.
    pixels
        Reads the image, (H, W, 3) uint8; called only where something is to be measured.
    """
    before = {cell.cell_id: cell for cell in known.cells}
    pairs = _with_ids(known, told)
    outlines = _changed_outlines(known, pairs)
    stand_ins = {i: cell.box for i, cell in pairs.items() if i not in before and cell.outline is None and cell.box is not None}
    gone = set(before) - set(pairs) if told.whole else set()
    if n_human := sum(before[i].outline_source == "human" for i in gone):
        logger.warning("%d cells that a person had outlined are not in the file, and are removed.", n_human)
    labels = _paint(known, outlines, gone, stand_ins)
    new = {i: _NEW for i in pairs if i not in before}
    named = {i: _name(cell, pairs[i]) if i in pairs else cell for i, cell in (before | new).items()}
    cells = _measure_again(known, labels, named, outlines, stand_ins, pixels)
    if lost := len(pairs.keys() - cells.keys()):
        logger.warning("%d cells of the file are covered by others or outside the image, and are left out.", lost)
    changed = cells != before
    analysis = dataclasses.replace(known, labels=labels, cells=CellTable(tuple(cells[i] for i in sorted(cells))))
    return Merged(analysis if changed else known, not stand_ins, changed)


def _with_ids(known: Analysis, told: Told) -> dict[int, ToldCell]:
    """The cells of the file, by the id of the known cell that each is, or by a new one."""
    ids = {cell.cell_id for cell in known.cells}
    found: dict[int, ToldCell] = {}
    others, new = [], []
    for cell in told.cells:
        if cell.cell_id in ids and cell.cell_id not in found:
            found[cell.cell_id] = cell
        else:
            others.append(cell)
    near = _Near(known)
    for cell in others:
        i = near.find(cell)
        if i is None or (i in found and cell.outline is not None):
            new.append(cell)
        elif i not in found:  # a second box of a cell says nothing
            found[i] = cell
    if not told.whole:
        if new:
            logger.warning("%d cells of the file are not among the results, and are left out.", len(new))
        return found
    there = {_content(cell) for cell in found.values()}
    last = max([0, *ids, *(cell.cell_id or 0 for cell in told.cells)])
    for cell in new:
        if cell.cell_id is not None and cell.cell_id not in ids and cell.cell_id not in found:
            found[cell.cell_id] = cell
        elif (what := _content(cell)) is None or what not in there:
            last += 1
            found[last] = cell
    return found


def _content(cell: ToldCell) -> tuple[Box, bytes] | None:
    """What two copies of one outline have in common."""
    return None if cell.outline is None else (cell.outline[1], cell.outline[0].tobytes())


class _Near:
    """Finds the known cell that an outline or a box of no known id is."""

    def __init__(self, known: Analysis) -> None:
        self.labels = known.labels
        self.areas = {cell.cell_id: cell.area_px for cell in known.cells}
        self.ids = list(self.areas)
        self.boxes = np.array([cell.box for cell in known.cells], dtype=float).reshape(-1, 4)

    def find(self, cell: ToldCell) -> int | None:
        """Its id, or None if there is none."""
        if cell.outline is not None:
            mask, box = cell.outline
            under = np.bincount(self.labels[box.slices][mask])
            under[0] = 0
            i, common = int(under.argmax()), int(under.max())
            union = self.areas.get(i, 0) + int(np.count_nonzero(mask)) - common
            return i if i in self.areas and common > SAME_CELL * union else None
        if cell.box is None or not self.ids:
            return None
        overlaps = self._overlaps(*cell.box)
        return self.ids[int(overlaps.argmax())] if overlaps.max() > SAME_CELL else None

    def _overlaps(self, x0: float, y0: float, x1: float, y1: float) -> npt.NDArray[np.float64]:
        """IoU of a box with those of the known cells, (N,)."""
        top, left, bottom, right = self.boxes.T
        common = np.maximum(np.minimum(bottom, y1) - np.maximum(top, y0), 0)
        common *= np.maximum(np.minimum(right, x1) - np.maximum(left, x0), 0)
        union: npt.NDArray[np.float64] = (bottom - top) * (right - left) + (x1 - x0) * (y1 - y0) - common
        iou: npt.NDArray[np.float64] = common / union
        return iou


def _changed_outlines(known: Analysis, pairs: dict[int, ToldCell]) -> dict[int, Outline]:
    """The outlines that differ from what is known, by id."""
    now = {cell.cell_id: (mask, cell.box) for cell, mask in outlines_of(known) if cell.cell_id in pairs}
    return {
        i: cell.outline
        for i, cell in pairs.items()
        if cell.outline is not None and not (i in now and (cell.as_written or _same(cell.outline, now[i])))
    }


def _same(one: Outline | None, other: Outline | None) -> bool:
    return one is not None and other is not None and one[1] == other[1] and bool(np.array_equal(one[0], other[0]))


def _paint(known: Analysis, outlines: dict[int, Outline], gone: set[int], stand_ins: dict[int, Edges]) -> Labels:
    """The labels with changed outlines, and ellipses for boxes where nothing else is; without the cells that are gone."""
    labels = known.labels.copy()
    on_top = dict(outlines)
    for cell, mask in outlines_of(known):
        if cell.cell_id in gone or cell.cell_id in outlines:
            labels[cell.box.slices][mask] = 0
        elif cell.outline_source == "human" and outlines:
            on_top[cell.cell_id] = (mask, cell.box)
    for i, (mask, box) in sorted(on_top.items(), key=lambda item: -np.count_nonzero(item[1][0])):
        labels[box.slices][mask] = i
    ids = np.array([0, *stand_ins], dtype=np.int32)
    drawn = ids[ellipses([Box(*(round(v) for v in (y0, x0, y1, x1))) for x0, y0, x1, y1 in stand_ins.values()], labels.shape)]
    labels = np.where(labels == 0, drawn, labels)
    labels.flags.writeable = False
    return labels


_NEW = Cell(0, Box(0, 0, 0, 0), 0, 0, 0, False, cell_type=UNIDENTIFIED)
"""A cell of which nothing is known yet."""


def _name(cell: Cell, told: ToldCell) -> Cell:
    """The cell with the type and the review that the file gives it."""
    known = cell.area_px > 0
    if told.reviewed_by is not None:
        cell = dataclasses.replace(cell, reviewed_by=told.reviewed_by, reviewed_at=told.reviewed_at)
    if (known and told.as_written) or told.cell_type in (None, type_of(cell)):
        return cell
    previous = cell.cell_type if known else None
    return dataclasses.replace(cell, cell_type=told.cell_type, type_source="human", previous_cell_type=previous)


def _measure_again(
    known: Analysis,
    labels: Labels,
    cells: dict[int, Cell],
    outlines: Collection[int],
    stand_ins: Collection[int],
    pixels: Callable[[], RgbImage],
) -> dict[int, Cell]:
    """The cells that have pixels, by id; those whose pixels have changed as they measure now."""
    differs = labels != known.labels
    changed = _ids_in(known.labels[differs]) | _ids_in(labels[differs])
    found = {i: cell for i, cell in cells.items() if i not in changed and cell.area_px > 0}
    placed = {cell.cell_id: cell for cell in stand_in_cells(_only(labels, changed & set(stand_ins)))}
    if drawn := changed - set(stand_ins):
        image, only = pixels(), _only(labels, drawn)
        scores = {i: score for i in drawn if i not in outlines and (score := cells[i].segmentation_score) is not None}
        nuclei = nucleus_areas_px(image, only)
        placed |= {cell.cell_id: cell for cell in measure(image, only, scores, known.scale.um_per_px, nuclei)}
    for i, cell in placed.items():
        source: Source = "human" if i in outlines else cells[i].outline_source
        found[i] = dataclasses.replace(cell, outline_source=source, **{name: getattr(cells[i], name) for name in _JUDGED})
    return found


def _ids_in(labels: Labels) -> set[int]:
    """The ids of the cells that occur in labels of any shape."""
    return set(np.flatnonzero(np.bincount(labels.ravel())).tolist()) - {0}


def _only(labels: Labels, ids: Collection[int]) -> Labels:
    """The labels of some cells alone."""
    return np.where(np.isin(labels, list(ids)), labels, 0).astype(np.int32)
