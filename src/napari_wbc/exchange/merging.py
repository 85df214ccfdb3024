"""What a file says of an image, against what is known of it: only what differs is changed, and that is a person's."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..cells import JUDGED, OF_THE_MODELS, Box, Cell, CellTable, Labels, Mask, RgbImage, Source
from ..config import UNIDENTIFIED
from ..measure import measure, placed
from ..nucleus import nucleus_areas_px
from ..results.mosaic import Mosaic, pack
from ..results.pixels import Pixels
from .matching import match
from .polygons import trim
from .stand_ins import stacked, stand_in
from .told import Edges, Known, Outline, Told, ToldCell, type_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Merged:
    """An image after the import.

    Parameters
    ----------
    labels
        Its outlines; None where they are as they were.
    cells
        One row per cell, ascending id.
    drawn
        No new outline is a stand-in for a box.
    changed
        It differs from before.
    """

    labels: Mosaic | None
    cells: CellTable
    drawn: bool
    changed: bool


def merge(known: Known, told: Told) -> Merged:
    """Bring what a file says into what is known of an image.

    `match` says which known cell each cell of the file is. An outline or a type that differs becomes that of the file, with
    `human` as its source; all else stays as it is. Where a file tells the `whole` image, cells that are not known are new, and
    known cells that it does not have are gone; where not, neither. Where outlines overlap, those of a person lie on top, of
    these the smaller; stand-ins lie below all. Cells whose pixels change are measured again; their names stay. What models said
    of a cell goes with its outline where the file has another one.
    """
    before = {cell.cell_id: cell for cell in known.cells}
    pairs = match(known, told)
    outlines = _changed_outlines(known, pairs)
    stand_ins = {
        i: _on_pixels(cell.box)
        for i, cell in pairs.items()
        if i not in before and cell.outline is None and cell.box is not None
    }
    gone = set(before) - set(pairs) if told.whole else set()
    if n_human := sum(before[i].outline_source == "human" for i in gone):
        logger.warning("%d cells that a person had outlined are not in the file, and are removed.", n_human)
    below = {i: (mask, box) for i, mask, box in stacked(stand_ins, known.labels.shape)}
    painted = _paint(known, outlines, gone, below)
    changed = _changed(known, painted, outlines | below, gone)
    new = {i: _NEW for i in pairs if i not in before}
    named = {i: _name(cell, pairs[i]) if i in pairs else cell for i, cell in (before | new).items() if i not in gone}
    cells = _measure_again(known, named, changed, outlines, below)
    if lost := len(pairs.keys() - cells.keys()):
        logger.warning("%d cells of the file are covered by others or outside the image, and are left out.", lost)
    table = CellTable(tuple(cells[i] for i in sorted(cells)))
    labels = Mosaic.of(painted, table) if changed or gone else None
    return Merged(labels, table, not stand_ins, cells != before)


def _changed_outlines(known: Known, pairs: dict[int, ToldCell]) -> dict[int, Outline]:
    """The outlines that differ from what is known, by id."""
    cells = {cell.cell_id: cell for cell in known.cells}

    def is_known(i: int, cell: ToldCell) -> bool:
        return i in cells and (cell.as_written or _same(cell.outline, (known.outline(cells[i]), cells[i].box)))

    return {i: cell.outline for i, cell in pairs.items() if cell.outline is not None and not is_known(i, cell)}


def _same(one: Outline | None, other: Outline | None) -> bool:
    return one is not None and other is not None and one[1] == other[1] and bool(np.array_equal(one[0], other[0]))


def _on_pixels(edges: Edges) -> Box:
    x0, y0, x1, y1 = (round(edge) for edge in edges)
    return Box(y0, x0, y1, x1)


def _paint(known: Known, outlines: dict[int, Outline], gone: set[int], below: dict[int, Outline]) -> Pixels[np.int32]:
    """The labels with changed outlines, and those `below` where nothing else is; without the cells that are gone."""
    shape, erased = known.labels.shape, [*gone, *outlines]
    humans = [cell for cell in known.cells if outlines and cell.outline_source == "human" and cell.cell_id not in erased]
    on_top = outlines | {cell.cell_id: (known.outline(cell), cell.box) for cell in humans}
    top, bottom = Mosaic(shape), Mosaic(shape)
    for i, (mask, box) in sorted(on_top.items(), key=lambda item: -np.count_nonzero(item[1][0])):
        top.add(i, box, pack(mask))
    for i, (mask, box) in below.items():
        bottom.add(i, box, pack(mask))

    def read(window: Box) -> Labels:
        labels, drawn = known.labels.read(window), top.paint(window)
        labels = np.where(drawn > 0, drawn, np.where(np.isin(labels, erased), 0, labels))
        return np.where(labels > 0, labels, bottom.paint(window)).astype(np.int32)

    return Pixels(shape, read)


def _changed(known: Known, painted: Pixels[np.int32], drawn: dict[int, Outline], gone: set[int]) -> dict[int, Outline | None]:
    """The outlines that are not as they were, for being `drawn` or covered by what is; None where nothing is left of one."""
    before = {cell.cell_id: cell for cell in known.cells if cell.cell_id not in gone}
    edges = np.array([box for _, box in drawn.values()]).reshape(-1, 4).T
    looked_at = {i: cell.box for i, cell in before.items() if _meets(cell.box, edges)} | {
        i: box for i, (_, box) in drawn.items()
    }
    found = {}
    for i, box in looked_at.items():
        now = trim(painted.read(box) == i, box)
        if i not in before or not _same(now, (known.outline(before[i]), before[i].box)):
            found[i] = now
    return found


def _meets(box: Box, edges: npt.NDArray[np.int64]) -> bool:
    """Whether a box meets one of others, whose y0, x0, y1, x1 are the rows of (4, N)."""
    y0, x0, y1, x1 = edges
    return bool(((y0 < box.y1) & (box.y0 < y1) & (x0 < box.x1) & (box.x0 < x1)).any())


_NEW = Cell(0, Box(0, 0, 0, 0), 0, 0, 0, False, cell_type=UNIDENTIFIED)
"""A cell of which nothing is known yet."""


def _name(cell: Cell, told: ToldCell) -> Cell:
    """The cell with the type and the review that the file gives it."""
    known = cell.area_px > 0
    if told.reviewed_by is not None:
        of_the_model = cell.cell_type is not None and cell.type_source == "model" and told.cell_type in (None, cell.cell_type)
        if of_the_model and cell.reviewed_by is None:  # confirmed, as in a review
            cell = dataclasses.replace(cell, type_source="human", previous_cell_type=cell.cell_type)
        cell = dataclasses.replace(cell, reviewed_by=told.reviewed_by, reviewed_at=told.reviewed_at)
    if (known and told.as_written) or told.cell_type in (None, type_of(cell)):
        return cell
    previous = cell.cell_type if known else None
    return dataclasses.replace(cell, cell_type=told.cell_type, type_source="human", previous_cell_type=previous)


def _measure_again(
    known: Known,
    cells: dict[int, Cell],
    changed: dict[int, Outline | None],
    outlines: Collection[int],
    stand_ins: Collection[int],
) -> dict[int, Cell]:
    """The cells that have pixels, by id; those whose pixels have changed as they measure now."""
    found = {i: cell for i, cell in cells.items() if i not in changed and cell.area_px > 0}
    left = {i: outline for i, outline in changed.items() if outline is not None}
    pixels = known.pixels() if left.keys() - stand_ins else None
    for i, (mask, box) in left.items():
        if i in stand_ins or pixels is None:
            cell = stand_in(i, mask, box, known.labels.shape)
        else:
            cell = _measured(pixels.read(box), mask, known.row.um_per_px)
            cell = placed(cell, i, box, known.labels.shape)
        source: Source = "human" if i in outlines else cells[i].outline_source
        kept = JUDGED if i in outlines else (*JUDGED, *OF_THE_MODELS)
        found[i] = dataclasses.replace(cell, outline_source=source, **{name: getattr(cells[i], name) for name in kept})
    return found


def _measured(view: RgbImage, mask: Mask, um_per_px: float | None) -> Cell:
    """A cell as it measures in its box, (h, w, 3) uint8, of which its pixels are the mask (h, w) bool."""
    labels = mask.astype(np.int32)
    return measure(view, labels, {}, um_per_px, nucleus_areas_px(view, labels))[0]
