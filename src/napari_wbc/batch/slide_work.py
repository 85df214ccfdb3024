"""The work on a whole-slide image in one process, tile by tile, from where an earlier run came to."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ..pipeline import Models, Step, Steps
from ..pyramids import open_pyramid
from ..results.unfinished import Unfinished, key_of
from ..slides import SlideAnalysis, analyse_slide_steps
from ..tiling import SMALL_TILE_PX, TILE_PX
from .attempt import Failure, attempt
from .intake import Loaded
from .job import Advance, Job

logger = logging.getLogger(__name__)

T = TypeVar("T")


def analyse_slide(
    loaded: Loaded, path: Path, models: Models, job: Job, tile_px: int = TILE_PX
) -> Generator[Advance, None, SlideAnalysis | Failure]:
    """Analyse a whole-slide image tile by tile, from where an earlier run came to.

    Out of memory: one tile at a time, then in small tiles.
    """
    unfinished = Unfinished(job.out, loaded.name, key_of(loaded.source, job.origin, tile_px))

    def steps() -> Steps[SlideAnalysis]:
        with open_pyramid(path, loaded.name) as slide:
            return (yield from analyse_slide_steps(slide, models, job.settings, tile_px, unfinished, job.tiles_at_once))

    with closing(steps()) as left:
        while isinstance(result := attempt(loaded.name, lambda: _next(left)), Step):
            if result.stage == "tile":
                yield Advance(loaded.name, result.done, result.total)
    if isinstance(result, Failure) and result.memory and job.tiles_at_once > 1:
        logger.warning("Out of memory with %d tiles of %s together: each is looked at alone.", job.tiles_at_once, loaded.name)
        return (yield from analyse_slide(loaded, path, models, replace(job, tiles_at_once=1), tile_px))
    if isinstance(result, Failure) and result.memory and tile_px > SMALL_TILE_PX:
        logger.warning("Out of memory with %s: it is analysed in small tiles, which may change some outlines.", loaded.name)
        return (yield from analyse_slide(loaded, path, models, job, SMALL_TILE_PX))
    return result


def _next(steps: Steps[T]) -> Step | T:
    """The next step, or at the end what the steps return."""
    try:
        return next(steps)
    except StopIteration as end:
        result: T = end.value
        return result
