"""Which known cell each cell of a file is: that of its id, if the id is surely ours, else the one in its place, else none."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import numpy.typing as npt

from ..cells import Box
from .told import Known, Outline, Told, ToldCell

logger = logging.getLogger(__name__)

SAME_CELL = 0.5
"""An outline or box of no known id is that of the cell with which it has more than this IoU, as at most one cell can have.

Where there is none, an id that may be another program's counts if more than this share of the outline or of its cell is common.
"""


def match(known: Known, told: Told) -> dict[int, ToldCell]:
    """The cells of a file, by the id of the known cell that each is, or by a new one."""
    ids = {cell.cell_id for cell in known.cells}
    found: dict[int, ToldCell] = {}
    others, elsewhere, new = [], [], []
    for cell in told.cells:
        if cell.id_is_ours and cell.cell_id in ids and cell.cell_id not in found:
            found[cell.cell_id] = cell
        else:
            others.append(cell)
    near = _Near(known)
    for cell in others:
        i = near.find(cell)
        if i is None or (i in found and cell.outline is not None):
            elsewhere.append(cell)
        elif i not in found:  # a second box of a cell says nothing
            found[i] = cell
    for cell in elsewhere:
        if cell.cell_id in ids and cell.cell_id not in found and near.meets(cell, cell.cell_id):
            found[cell.cell_id] = cell
        else:
            new.append(cell)
    if not told.whole:
        if new:
            logger.warning("%d cells of the file are not among the results, and are left out.", len(new))
        return found
    there = {_content(cell) for cell in found.values()}
    last = max([0, *ids, *(cell.cell_id or 0 for cell in told.cells)])
    for cell in new:
        if cell.as_written and known.edited:  # a person has deleted it since
            continue
        if cell.cell_id is not None and cell.cell_id not in ids and cell.cell_id not in found:
            found[cell.cell_id] = cell
        elif (what := _content(cell)) is None or what not in there:
            last += 1
            found[last] = cell
    return {i: _as_named(cell, told.by_id.get(i)) for i, cell in found.items()}


def _as_named(cell: ToldCell, said: ToldCell | None) -> ToldCell:
    """The outline of a cell with what is said of its id."""
    return cell if said is None else dataclasses.replace(said, outline=cell.outline)


def _content(cell: ToldCell) -> tuple[Box, bytes] | None:
    """What two copies of one outline have in common."""
    return None if cell.outline is None else (cell.outline[1], cell.outline[0].tobytes())


class _Near:
    """Finds the known cell that an outline or a box of no known id is."""

    def __init__(self, known: Known) -> None:
        self.labels = known.labels
        self.areas = {cell.cell_id: cell.area_px for cell in known.cells}
        self.ids = list(self.areas)
        self.boxes = np.array([cell.box for cell in known.cells], dtype=float).reshape(-1, 4)

    def find(self, cell: ToldCell) -> int | None:
        """Its id, or None if there is none."""
        if cell.outline is not None:
            under, area = self._under(cell.outline)
            i, common = int(under.argmax()), int(under.max())
            union = self.areas.get(i, 0) + area - common
            return i if i in self.areas and common > SAME_CELL * union else None
        if cell.box is None or not self.ids:
            return None
        overlaps = self._overlaps(*cell.box)
        return self.ids[int(overlaps.argmax())] if overlaps.max() > SAME_CELL else None

    def meets(self, cell: ToldCell, i: int) -> bool:
        """Whether most of an outline lies in the known cell of id `i`, or most of that in it."""
        if cell.outline is None:
            return False
        under, area = self._under(cell.outline)
        return i < len(under) and bool(under[i] > SAME_CELL * min(area, self.areas[i]))

    def _under(self, outline: Outline) -> tuple[npt.NDArray[np.intp], int]:
        """How many pixels of an outline lie in each known cell, by id, and how many it has."""
        mask, box = outline
        under = np.bincount(self.labels.read(box)[mask])
        area = int(under.sum())
        under[0] = 0
        return under, area

    def _overlaps(self, x0: float, y0: float, x1: float, y1: float) -> npt.NDArray[np.float64]:
        """IoU of a box with those of the known cells, (N,)."""
        top, left, bottom, right = self.boxes.T
        common = np.maximum(np.minimum(bottom, y1) - np.maximum(top, y0), 0)
        common *= np.maximum(np.minimum(right, x1) - np.maximum(left, x0), 0)
        union: npt.NDArray[np.float64] = (bottom - top) * (right - left) + (x1 - x0) * (y1 - y0) - common
        iou: npt.NDArray[np.float64] = common / union
        return iou
