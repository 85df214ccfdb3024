"""The work on images in one process: one thread reads ahead, the caller's runs the networks, and some write behind."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ..cells import Analysis
from ..config import Settings
from ..errors import StorageError
from ..pipeline import Models, analyse_many
from ..results import write_analysis, write_failure, write_slide
from ..results.record import ImageRow, Record, Timing
from ..results.runfile import now
from ..results.unfinished import forget
from ..slides import SlideAnalysis
from ..tiling import SMALL_TILE_PX, TILE_PX
from .attempt import Failure, attempt
from .discover import InputImage
from .intake import Loaded, load
from .job import Job, Rows, describe
from .meanwhile import reviewed_meanwhile
from .slide_work import analyse_slide

logger = logging.getLogger(__name__)

GROUP_MEGAPIXELS = 40.0
"""Images analysed together have at most so many pixels in all, so that memory suffices."""

READ_AHEAD, WRITE_BEHIND = 4, 8
"""Images read before they are needed, and analyses that may wait to be written."""
WRITERS = 4
"""Threads that write: most of their time is waiting until the bytes are on the disk."""


class Here:
    """This process does the work. A decoder that crashes ends it."""

    n = 1

    def __init__(self, models: Models) -> None:
        self._models = models
        self.engine = describe(models)

    def work(self, images: Sequence[InputImage], job: Job) -> Rows:
        """Analyse the images and write their results."""
        return work(images, job, self._models)

    def close(self) -> None:
        """Nothing is to be stopped."""


def work(images: Sequence[InputImage], job: Job, models: Models) -> Rows:
    """Read, analyse and write; the rows in the order of the images, and how far a slide is.

    Raises
    ------
    StorageError
        If results cannot be written, or the folder of the images has gone.
    """
    reader, writer = ThreadPoolExecutor(1, "wbc-read"), ThreadPoolExecutor(WRITERS, "wbc-write")
    writes: deque[Future[Record]] = deque()
    try:
        for group in _groups(_read_ahead(images, reader, job), job.group_images):
            if group[0].slide and not group[0].error:
                yield from _written(writes, 0)
                start = time.perf_counter()
                found = yield from analyse_slide(group[0], group[0].slide, models, job)
                if isinstance(found, Failure):
                    _check_root(job)
                outcomes = [_Outcome(group[0], found, time.perf_counter() - start)]
            else:
                outcomes = _analyse(group, models, job.settings)
            writes.extend(writer.submit(_commit, outcome, job) for outcome in outcomes)
            yield from _written(writes, WRITE_BEHIND)
        yield from _written(writes, 0)
    finally:
        reader.shutdown(cancel_futures=True)
        writer.shutdown()  # what is analysed is still written


def _written(writes: deque[Future[Record]], most: int) -> Generator[ImageRow]:
    """The rows of what is written; at most so many writes are left open."""
    while len(writes) > most or (writes and writes[0].done()):
        yield writes.popleft().result().row


@dataclass(frozen=True, eq=False)
class _Outcome:
    """The analysis of an image, or the reason why there is none; and the seconds that it took."""

    loaded: Loaded
    result: Analysis | SlideAnalysis | Failure
    analyse_s: float = 0.0


def _read_ahead(images: Iterable[InputImage], reader: ThreadPoolExecutor, job: Job) -> Generator[Loaded]:
    """The images in their order, read in another thread, a few at a time."""
    reads: deque[tuple[str, Future[Loaded]]] = deque()

    def next_read() -> Loaded:
        name, read = reads.popleft()
        loaded = attempt(name, read.result)
        if isinstance(loaded, Failure):
            loaded = Loaded(name, None, loaded.reason)
        if loaded.field is None:
            _check_root(job)
        return loaded

    for image in images:
        reads.append((image.name, reader.submit(load, image, job.settings.max_megapixels)))
        if len(reads) > READ_AHEAD:
            yield next_read()
    while reads:
        yield next_read()


def _check_root(job: Job) -> None:
    """What cannot be read because its drive has gone is no failed image."""
    if not os.path.isdir(job.root):
        raise StorageError(f"The folder of the images has gone: {job.root}. Bring it back, then run again.")


def _groups(images: Iterable[Loaded], group_images: int) -> Generator[list[Loaded]]:
    """Lists of images to be analysed together; a slide is alone."""
    group: list[Loaded] = []
    megapixels = 0.0
    for image in images:
        if image.slide:
            yield from ([group] if group else [])
            group, megapixels = [], 0.0
            yield [image]
            continue
        group.append(image)
        megapixels += image.field.pixels.size / 3e6 if image.field else 0.0
        if len(group) >= group_images or megapixels >= GROUP_MEGAPIXELS:
            yield group
            group, megapixels = [], 0.0
    if group:
        yield group


def _analyse(group: Sequence[Loaded], models: Models, settings: Settings, tile_px: int = TILE_PX) -> list[_Outcome]:
    """Analyse images together; if that fails, each alone, so that only the bad one is lost; out of memory: in small tiles."""
    fields = [image.field for image in group if image.field]
    if not fields:
        return [_Outcome(image, Failure(image.error)) for image in group]
    names, start = ", ".join(image.name for image in group), time.perf_counter()
    results = attempt(names, lambda: analyse_many(fields, models, settings, tile_px))
    seconds = (time.perf_counter() - start) / len(fields)
    if not isinstance(results, Failure):
        analyses = iter(results)
        return [
            _Outcome(image, next(analyses), seconds) if image.field else _Outcome(image, Failure(image.error))
            for image in group
        ]
    if len(group) > 1:
        if results.memory:
            logger.warning("Out of memory with %d images together: each is analysed alone.", len(group))
        return [outcome for image in group for outcome in _analyse([image], models, settings)]
    if results.memory and tile_px > SMALL_TILE_PX:
        logger.warning("Out of memory with %s: it is analysed in small tiles; its last digits may differ for that.", names)
        return _analyse(group, models, settings, SMALL_TILE_PX)
    return [_Outcome(group[0], results, seconds)]


def _commit(outcome: _Outcome, job: Job) -> Record:
    """Write what is known of an image, unless a person has saved a review of it since the run began."""
    loaded, result = outcome.loaded, outcome.result
    saved = reviewed_meanwhile(loaded.name, job)
    if saved is not None:
        return saved
    timing = Timing(read_s=round(loaded.read_s, 4), analyse_s=round(outcome.analyse_s, 4), finished_at=now())
    source, slide = loaded.source, loaded.name if loaded.slide else None
    if isinstance(result, Analysis):
        return write_analysis(job.out, loaded.name, result, source, job.origin, timing=timing)
    if isinstance(result, SlideAnalysis):
        found = result.outlines, result.cells, result.scale, result.domain
        record = write_slide(job.out, loaded.name, *found, source, job.origin, timing)
    else:
        reason = result.reason.removeprefix(f"{loaded.name}: ")
        record = write_failure(job.out, loaded.name, reason, source, job.origin_of_failure, timing, slide)
    if slide:
        forget(job.out, loaded.name)
    return record
