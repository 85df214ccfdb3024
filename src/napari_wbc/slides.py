"""One whole-slide image: tiles with halo, each cell owned by the tile that holds its centroid.

Tiles are as large as what the segmenter sees at once. Background, and what shows nothing as dark as a nucleus, is skipped. The
scale is chosen once per slide. Outlines are kept packed, so memory does not grow with the slide.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from . import scale as scaling
from .cells import Box, Cell, CellTable, Domain, Field, Labels, RgbImage, Scale
from .config import ASSUMED_UM_PER_PX, Settings
from .domain import Numbers, judge, measure_domain
from .measure import measure
from .nucleus import nucleus_areas_px
from .pipeline import Found, Models, Segmenter, Step, Steps, name_steps, segment_at, segment_steps
from .pyramids import Pyramid
from .results.mosaic import Mosaic
from .tiling import TILE_PX, Window, windows

logger = logging.getLogger(__name__)

SAMPLES, SAMPLE_PX = 9, 1024
"""Places of a slide from which its scale and its glass are taken, and their side, native px."""
SEAM_PX = 8
"""A centroid so far outside its tile still counts, analysis px: two tiles may see it on either side of their seam."""
SAME_CELL = 0.5
"""A cell of which more is covered by cells of earlier tiles is one of them."""
DARK, DARK_UM = 0.15, 2.5
"""Optical density of red light, over so many µm, that every nucleus has: half that of the palest seen on three data sets."""
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


@dataclass(frozen=True, eq=False)
class Plan:
    """How a slide is analysed, and by what.

    Parameters
    ----------
    scale
        Of the finest level.
    level
        The level that is segmented: the coarsest that is not coarser than what the segmenter needs.
    tiles
        In native pixels; the inner boxes tile the slide without overlap.
    glass_red
        Brightness of the empty glass in red light, 0..255.
    """

    slide: Pyramid
    models: Models
    settings: Settings
    scale: Scale
    level: int
    tiles: tuple[Window, ...]
    glass_red: float

    @property
    def shrink(self) -> float:
        """Native pixels per pixel of the level."""
        return self.slide.shapes[0][0] / self.slide.shapes[self.level][0]

    @property
    def at_level(self) -> Scale:
        """The scale of the level."""
        um_per_px, factor = self.scale.um_per_px, self.shrink
        return Scale(um_per_px and um_per_px * factor, self.scale.analysis_scale * factor, self.scale.source)

    def view(self, tile: Window) -> RgbImage:
        """What the segmenter is to see of a tile, at the level."""
        return self.slide.read(_at_level(self.slide, tile.outer, self.level), self.level)


def analyse_slide_steps(slide: Pyramid, models: Models, settings: Settings, tile_px: int = TILE_PX) -> Steps[SlideAnalysis]:
    """Find, outline, box, measure and name the white blood cells of a slide, step by step: one step for each tile.

    Parameters
    ----------
    slide
        From `pyramids.open_pyramid`.
    tile_px
        The largest side of what the segmenter sees at once, analysis px; smaller needs less memory.

    Raises
    ------
    ImageError
        If a part of the slide cannot be read.
    """
    plan = yield from plan_steps(slide, models, settings, tile_px)
    outlines, cells, numbers, n_skipped = Mosaic(slide.shapes[0]), list[Cell](), list[Numbers](), 0
    for i, tile in enumerate(plan.tiles):
        yield Step("tile", i, len(plan.tiles))
        view = plan.view(tile)
        if not may_hold_nucleus(view, _um_per_px(plan.scale) * plan.shrink, plan.glass_red):
            n_skipped += 1
            continue
        found = yield from segment_at(Field(view), plan.at_level, models.segmenter, settings, 2 * tile_px)
        if found.scores and len(numbers) < JUDGED_TILES:
            numbers.append(measure_domain(found.image, found.labels, models.segmenter.um_per_px))
        if found.scores:
            cells += yield from _cells_steps(plan, tile, view, found, outlines)
    known = models.segmenter.domain
    domain = judge(_median(numbers), known) if known and numbers else None
    logger.info("%s: %d cells; %d of %d tiles skipped.", slide.name, len(cells), n_skipped, len(plan.tiles))
    return _numbered(SlideAnalysis(outlines, CellTable(tuple(cells)), plan.scale, domain, len(plan.tiles), n_skipped))


def plan_steps(slide: Pyramid, models: Models, settings: Settings, tile_px: int = TILE_PX) -> Steps[Plan]:
    """The plan of a slide, step by step."""
    samples = _samples(slide)
    scale = yield from _scale_steps(samples, slide, models.segmenter, settings)
    height, width = slide.shapes[0]
    sides = max(1, round(height * scale.analysis_scale)), max(1, round(width * scale.analysis_scale))
    factors = height / sides[0], width / sides[1]
    tiles = tuple(Window(_scaled(tile.outer, factors), _scaled(tile.inner, factors)) for tile in windows(sides, tile_px))
    glass_red = float(np.median([np.percentile(sample[::4, ::4, 0], 95) for sample in samples]))
    return Plan(slide, models, settings, scale, slide.level_for(scale.analysis_scale), tiles, glass_red)


def may_hold_nucleus(view: RgbImage, um_per_px: float, glass_red: float) -> bool:
    """Whether a view (h, w, 3) uint8 shows anything as dark in red light, which red cells let pass, as every nucleus is."""
    small = scaling.resize(view, min(1.0, um_per_px / (DARK_UM / 4)))[..., 0].astype(np.float32)
    glass = max(glass_red, float(np.percentile(small, 95))) + 1
    return bool((ndimage.uniform_filter(np.log(glass / (small + 1)), 4) >= DARK).any())


def _samples(slide: Pyramid) -> list[RgbImage]:
    """The places with the most detail of 36 that are spread evenly over the slide, in native pixels."""
    height, width = slide.shapes[0]
    side = min(SAMPLE_PX, height), min(SAMPLE_PX, width)
    rows, columns = (np.unique(np.linspace(0, n - s, 6).astype(int)) for n, s in zip((height, width), side, strict=True))
    places = [Box(int(y), int(x), int(y) + side[0], int(x) + side[1]) for y in rows for x in columns]
    coarse = len(slide.shapes) - 1  # enough to tell glass from cells; without a pyramid every place is read once
    details = []
    for place in places:
        view = slide.read(_at_level(slide, place, coarse), coarse)
        details.append(float(view[..., 1].std()))
    best = sorted(np.argsort(details)[::-1][:SAMPLES].tolist())
    return [slide.read(places[i]) for i in best]


def _scale_steps(samples: Sequence[RgbImage], slide: Pyramid, segmenter: Segmenter, settings: Settings) -> Steps[Scale]:
    """One scale for the slide: from the user, the file, the red cells of several places, the white cells there, or assumed."""
    fields = [Field(sample, slide.um_per_px) for sample in samples]
    yield Step("scale", 0, 1)
    scales = [scaling.choose_scale(field, settings, segmenter.um_per_px) for field in fields]
    if scales[0].source in ("user", "file"):
        return scales[0]
    told = [scale for scale in scales if scale.source == "estimated"]
    if not told:
        for field in fields:
            segmentation = yield from segment_steps(field, segmenter, settings)
            if segmentation.scores and segmentation.scale.source == "estimated":
                told.append(segmentation.scale)
    if not told:
        return scales[0]
    um_per_px = float(np.median([_um_per_px(scale) for scale in told]))
    return Scale(um_per_px, um_per_px / segmenter.um_per_px, "estimated")


def _um_per_px(scale: Scale) -> float:
    return ASSUMED_UM_PER_PX if scale.um_per_px is None else scale.um_per_px


def _scaled(box: Box, factors: tuple[float, float]) -> Box:
    """A box with its rows and columns multiplied; boxes that met still meet."""
    fy, fx = factors
    return Box(round(box.y0 * fy), round(box.x0 * fx), round(box.y1 * fy), round(box.x1 * fx))


def _at_level(slide: Pyramid, box: Box, level: int) -> Box:
    """A native box in the pixels of a level, at least one."""
    (height, width), (h, w) = slide.shapes[0], slide.shapes[level]
    y0, x0, y1, x1 = _scaled(box, (h / height, w / width))
    y0, x0 = min(y0, h - 1), min(x0, w - 1)
    return Box(y0, x0, min(h, max(y1, y0 + 1)), min(w, max(x1, x0 + 1)))


def _cells_steps(plan: Plan, tile: Window, view: RgbImage, found: Found, outlines: Mosaic) -> Steps[list[Cell]]:
    """The new cells of a tile, in the coordinates of the slide; their pixels go to the outlines."""
    outer, shape = tile.outer, (tile.outer.height, tile.outer.width)
    labels = scaling.to_native(found.labels, found.probability, plan.settings.mask_threshold, shape)
    labels = owned(labels, tile, outlines.paint(outer), SEAM_PX / plan.scale.analysis_scale)
    if not labels.any():
        return []
    pixels = view if plan.level == 0 else plan.slide.read(outer)
    table = measure(pixels, labels, found.scores, plan.scale.um_per_px, nucleus_areas_px(pixels, labels))
    cells = []
    for cell in (yield from name_steps(pixels, table, plan.models.classifier)):
        moved = _moved(cell, len(outlines) + 1, outer, plan.slide.shapes[0])
        outlines.add(moved.cell_id, moved.box, labels[cell.box.slices] == cell.cell_id)
        cells.append(moved)
    return cells


def owned(labels: Labels, tile: Window, known: Labels, seam_px: float) -> Labels:
    """The cells that a tile owns and that no earlier tile has.

    Parameters
    ----------
    labels
        (h, w) int32, the cells of the outer box of the tile.
    known
        (h, w) int32, the cells of earlier tiles there. They keep their pixels.
    seam_px
        How far outside the inner box a centroid may lie: two tiles may see it on either side of their seam.

    Returns
    -------
    (h, w) int32, the ids as they were, each one piece.
    """
    fresh = np.zeros_like(labels)
    outer, inner = tile.outer, tile.inner
    low = inner.y0 - outer.y0 - seam_px, inner.x0 - outer.x0 - seam_px
    high = inner.y1 - outer.y0 + seam_px, inner.x1 - outer.x0 + seam_px
    for i, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        cell = labels[box] == i
        centre = [c + side.start + 0.5 for c, side in zip(ndimage.center_of_mass(cell), box, strict=True)]
        free = cell & (known[box] == 0)
        inside = all(a <= c < b for a, c, b in zip(low, centre, high, strict=True))
        if inside and np.count_nonzero(free) >= (1 - SAME_CELL) * np.count_nonzero(cell):
            fresh[box][scaling.one_piece(free) & free] = i
    return fresh


def _moved(cell: Cell, cell_id: int, outer: Box, shape: tuple[int, int]) -> Cell:
    """A cell of a tile as one of the slide of (H, W) px."""
    box = Box(cell.box.y0 + outer.y0, cell.box.x0 + outer.x0, cell.box.y1 + outer.y0, cell.box.x1 + outer.x0)
    return dataclasses.replace(
        cell,
        cell_id=cell_id,
        box=box,
        centroid_x=round(cell.centroid_x + outer.x0, 2),
        centroid_y=round(cell.centroid_y + outer.y0, 2),
        touches_border=box.y0 == 0 or box.x0 == 0 or box.y1 == shape[0] or box.x1 == shape[1],
    )


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
