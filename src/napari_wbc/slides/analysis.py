"""All tiles of a slide in their order, and what they give together."""

from __future__ import annotations

import dataclasses
import logging
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .. import scale as scaling
from ..cells import Cell, CellTable, Domain, Field, RgbImage, Scale
from ..config import Settings
from ..domain import Numbers, judge, measure_domain
from ..measure import measure, placed
from ..nucleus import nucleus_areas_px
from ..pipeline import Found, Models, Step, Steps, finish, name_steps, segment_at
from ..pyramids import Pyramid
from ..results.mosaic import Mosaic, pack
from ..results.record import as_stored
from ..results.unfinished import Tile, Unfinished
from ..tiling import TILE_PX, Window
from .plan import Plan, may_hold_nucleus, plan_steps
from .seams import SEAM_PX, owned

logger = logging.getLogger(__name__)

JUDGED_TILES = 50
"""Tiles with cells on which the comparison with the training data rests, at most."""


@dataclass(frozen=True, eq=False)
class SlideAnalysis:
    """All that is known of one whole-slide image.

    Parameters
    ----------
    outlines
        The pixels of the cells, by id.
    cells
        One row per cell, in native pixels of the slide, ascending id.
    scale, domain
        As in `cells.Analysis`.
    n_tiles, n_skipped
        Tiles of the slide, and those of them in which no nucleus can be.
    """

    outlines: Mosaic
    cells: CellTable
    scale: Scale
    domain: Domain | None
    n_tiles: int
    n_skipped: int


def analyse_slide_steps(
    slide: Pyramid,
    models: Models,
    settings: Settings,
    tile_px: int = TILE_PX,
    unfinished: Unfinished | None = None,
    at_once: int = 1,
) -> Steps[SlideAnalysis]:
    """Find, outline, box, measure and name the white blood cells of a slide, step by step: one step for each tile.

    Parameters
    ----------
    slide
        From `pyramids.open_pyramid`.
    tile_px
        The largest side of what the segmenter sees at once, analysis px; smaller needs less memory.
    unfinished
        Where tiles are kept that are done; those that it has are not analysed again.
    at_once
        Tiles that the segmenter looks at together, each in a thread of its own; the result does not depend on it.

    Raises
    ------
    ImageError
        If a part of the slide cannot be read.
    StorageError
        If what is done cannot be kept.
    """
    plan = yield from plan_steps(slide, models, settings, tile_px)
    outlines, cells, numbers, n_skipped = Mosaic(slide.shapes[0]), list[Cell](), list[Numbers](), 0
    kept = list(unfinished.read()) if unfinished else []
    with closing(_looks(plan, plan.tiles[len(kept) :], at_once)) as looks:
        for i, tile in enumerate(plan.tiles):
            yield Step("tile", i, len(plan.tiles))
            if i < len(kept):
                done = kept[i]
            else:
                done = yield from _tile_steps(plan, tile, next(looks), outlines, is_judged=len(numbers) < JUDGED_TILES)
                if unfinished:
                    unfinished.add(done)
            for cell, packed in zip(done.cells, done.outlines, strict=True):
                outlines.add(cell.cell_id, cell.box, packed)
            cells += done.cells
            numbers += [done.numbers] if done.numbers else []
            n_skipped += done.is_skipped
    known = models.segmenter.domain
    domain = judge(_median(numbers), known) if known and numbers else None
    logger.info("%s: %d cells; %d of %d tiles skipped.", slide.name, len(cells), n_skipped, len(plan.tiles))
    return _numbered(SlideAnalysis(outlines, CellTable(tuple(cells)), plan.scale, domain, len(plan.tiles), n_skipped))


@dataclass(frozen=True, eq=False)
class _Look:
    """What the segmenter sees of a tile, and what it finds there; None where no nucleus can be."""

    view: RgbImage
    found: Found | None


def _looks(plan: Plan, tiles: Sequence[Window], at_once: int) -> Generator[_Look]:
    """Looks at the tiles in their order; while one is asked for, so many more are taken."""
    ahead, pool = deque[Future[_Look]](), ThreadPoolExecutor(at_once, "wbc-tile")
    try:
        for tile in tiles:
            ahead.append(pool.submit(_look, plan, plan.view(tile)))  # read here: not every reader is made for several threads
            if len(ahead) > at_once:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _look(plan: Plan, view: RgbImage) -> _Look:
    if not may_hold_nucleus(view, plan.um_per_px * plan.shrink, plan.glass_red):
        return _Look(view, None)
    steps = segment_at(Field(view), plan.at_level, plan.models.segmenter, plan.settings, 2 * plan.tile_px)
    return _Look(view, finish(steps))


def _tile_steps(plan: Plan, tile: Window, look: _Look, outlines: Mosaic, is_judged: bool) -> Steps[Tile]:
    """What a tile adds to the outlines of earlier ones; if `is_judged`, with the numbers to compare with the training data."""
    found = look.found
    if found is None:
        return Tile(is_skipped=True)
    if not found.scores:
        return Tile()
    numbers = measure_domain(found.image, found.labels, plan.models.segmenter.um_per_px) if is_judged else None
    cells, packed = yield from _cells_steps(plan, tile, look.view, found, outlines)
    return Tile(cells=cells, outlines=packed, numbers=numbers)


def _cells_steps(
    plan: Plan, tile: Window, view: RgbImage, found: Found, outlines: Mosaic
) -> Steps[tuple[tuple[Cell, ...], tuple[bytes, ...]]]:
    """The new cells of a tile, in the coordinates of the slide, and their packed outlines."""
    outer, shape = tile.outer, (tile.outer.height, tile.outer.width)
    labels = scaling.to_native(found.labels, found.probability, plan.settings.mask_threshold, shape)
    labels = owned(labels, tile, outlines.paint(outer), SEAM_PX / plan.scale.analysis_scale)
    if not labels.any():
        return (), ()
    pixels = view if plan.level == 0 else plan.slide.read(outer)
    table = measure(pixels, labels, found.scores, plan.scale.um_per_px, nucleus_areas_px(pixels, labels))
    named = yield from name_steps(pixels, table, plan.models.classifier)
    cells = (placed(cell, len(outlines) + i, outer, plan.slide.shapes[0]) for i, cell in enumerate(named, start=1))
    return tuple(map(as_stored, cells)), tuple(pack(labels[cell.box.slices] == cell.cell_id) for cell in named)


def _numbered(analysis: SlideAnalysis) -> SlideAnalysis:
    """The analysis with ids 1..n from top to bottom, whatever the tiles were."""
    ordered = sorted(analysis.cells, key=lambda cell: (cell.box, cell.centroid_y, cell.centroid_x))
    new_ids = {cell.cell_id: i for i, cell in enumerate(ordered, start=1)}
    cells = CellTable(tuple(dataclasses.replace(cell, cell_id=new_ids[cell.cell_id]) for cell in ordered))
    return dataclasses.replace(analysis, outlines=analysis.outlines.renumbered(new_ids), cells=cells)


def _median(numbers: Sequence[Numbers]) -> Numbers:
    """The median of each number over the tiles in which it could be measured."""

    def middle(values: npt.ArrayLike) -> float | None:
        known = [value for value in np.asarray(values, dtype=object) if value is not None]
        return float(np.median(known)) if known else None

    names = [field.name for field in dataclasses.fields(Numbers)]
    return Numbers(**{name: middle([getattr(each, name) for each in numbers]) for name in names})  # type: ignore[arg-type]
