"""How a slide is analysed: at which scale, from which level of its pyramid, and in which tiles; and which tiles are skipped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .. import scale as scaling
from ..cells import RgbImage, Scale
from ..config import ASSUMED_UM_PER_PX, Settings
from ..pipeline import Models, Steps
from ..pyramids import Pyramid, scaled
from ..tiling import TILE_PX, Window, windows
from .samples import brightest_red, samples, scale_steps

DARK, DARK_UM = 0.15, 2.5
"""Optical density of red light, over so many µm, that every nucleus has: half that of the palest seen on three data sets."""


@dataclass(frozen=True, eq=False)
class Plan:
    """How a slide is analysed, and by what.

    Parameters
    ----------
    scale
        Of the finest level.
    level
        The level that is segmented: the coarsest that is not coarser than what the segmenter needs.
    tile_px
        The largest side of a tile, analysis px.
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
    tile_px: int
    tiles: tuple[Window, ...]
    glass_red: float

    @property
    def shrink(self) -> float:
        """Native pixels per pixel of the level."""
        return self.slide.shapes[0][0] / self.slide.shapes[self.level][0]

    @property
    def um_per_px(self) -> float:
        """Native pixel size, µm, if need be as assumed."""
        return ASSUMED_UM_PER_PX if self.scale.um_per_px is None else self.scale.um_per_px

    @property
    def at_level(self) -> Scale:
        """The scale of the level."""
        um_per_px, factor = self.scale.um_per_px, self.shrink
        return Scale(um_per_px and um_per_px * factor, self.scale.analysis_scale * factor, self.scale.source)

    def view(self, tile: Window) -> RgbImage:
        """What the segmenter is to see of a tile, at the level."""
        return self.slide.view(tile.outer, self.level)


def plan_steps(slide: Pyramid, models: Models, settings: Settings, tile_px: int = TILE_PX) -> Steps[Plan]:
    """The plan of a slide, step by step."""
    seen = samples(slide)
    scale = yield from scale_steps(seen, slide.um_per_px, models.segmenter, settings)
    height, width = slide.shapes[0]
    sides = max(1, round(height * scale.analysis_scale)), max(1, round(width * scale.analysis_scale))
    factors = height / sides[0], width / sides[1]
    tiles = tuple(Window(scaled(tile.outer, factors), scaled(tile.inner, factors)) for tile in windows(sides, tile_px))
    level = slide.level_for(scale.analysis_scale)
    return Plan(slide, models, settings, scale, level, tile_px, tiles, brightest_red(seen))


def may_hold_nucleus(view: RgbImage, um_per_px: float, glass_red: float) -> bool:
    """Whether a view (h, w, 3) uint8 shows anything as dark in red light, which red cells let pass, as every nucleus is."""
    small = scaling.resize(view, min(1.0, um_per_px / (DARK_UM / 4)))[..., 0].astype(np.float32)
    glass = max(glass_red, float(np.percentile(small, 95))) + 1
    return bool((ndimage.uniform_filter(np.log(glass / (small + 1)), 4) >= DARK).any())
