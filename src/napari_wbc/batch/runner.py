"""Many images: find them, analyse what is not done yet, survive bad ones, and leave a results folder.

One thread reads ahead, the networks run in the thread of the caller, and one thread writes behind.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ..cells import Analysis
from ..config import Settings
from ..errors import ImageError
from ..pipeline import LoadModels, Models, analyse_many
from ..results import write_analysis, write_failure
from ..results.record import Origin, Record, Timing
from ..results.runfile import Counts, Model, Progress, RunFile, begin, check_out, now, relative_root, write_run
from ..results.summary import Summary
from .collect import collect
from .discover import discover
from .intake import Loaded, load
from .resume import Task, plan

logger = logging.getLogger(__name__)

GROUP_IMAGES, GROUP_MEGAPIXELS = 4, 40.0
"""Images analysed together, so that the classifier sees full batches: at most so many, and of so many pixels in all."""

READ_AHEAD, WRITE_BEHIND = 4, 8
"""Images read before they are needed, and analyses that may wait to be written."""

T = TypeVar("T")
Given = str | Path | Sequence[str | Path]
"""Files, folders and patterns."""


@dataclass(frozen=True)
class RunSummary:
    """How a run ended: its `run.json`, and what the tables of the folder say, earlier runs included."""

    out: Path
    run: RunFile
    summary: Summary

    @property
    def exit_code(self) -> int:
        """0 if every image of the folder is done, 1 if some failed."""
        return 1 if self.summary.failed else 0


def analyse_folder(
    inputs: Given, out: str | Path, models: Models, settings: Settings | None = None, *, retry_failed: bool = False
) -> RunSummary:
    """Analyse all images of a folder, or of several files, folders and patterns, into a results folder.

    Parameters
    ----------
    inputs
        Files, folders (searched to the bottom) and patterns.
    out
        A new or empty folder, or that of an earlier run on the same inputs, which is continued.
    models
        From `load_models`.
    settings
        None: the defaults.
    retry_failed
        Try images again that failed before.

    Raises
    ------
    UsageError
        If there is no image, or `out` cannot be the results folder.
    StorageError
        If results cannot be written; what is finished is kept.
    """
    steps = run(inputs, out, lambda: models, settings, retry_failed=retry_failed)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            summary: RunSummary = end.value
            return summary


def run(
    inputs: Given,
    out: str | Path,
    load_models: LoadModels,
    settings: Settings | None = None,
    *,
    retry_failed: bool = False,
    group_images: int = GROUP_IMAGES,
) -> Generator[Progress, None, RunSummary]:
    """`analyse_folder`, image by image; `load_models` gives the models once inputs and results folder are known to be sound.

    The results of an image do not depend on `group_images`, the number analysed together. Not asking for the next item stops
    the run; the same call continues it.
    """
    out, settings = Path(out), settings or Settings()
    found = discover(inputs, out)
    check_out(out, found.root)
    models = load_models()
    origin = Origin(segmenter=models.segmenter.identity, classifier=models.classifier.identity, settings=settings.identity())
    state = _begin(relative_root(found.root, out), models, settings, found.n_other)
    write_run(out, state)
    tasks = plan(out, found.images, origin, retry_failed)
    left = [task for task in tasks if task.need in ("skip", "keep")]
    work = [task for task in tasks if task.need not in ("skip", "keep")]
    counts = Counts(skipped=len(left), stale=_count(work, "stale"), retried=_count(work, "retry"))
    for done, record in enumerate((task.record for task in left if task.record is not None), start=1):
        yield Progress(record.image, "skipped", record.row.error, record.row.n_cells, done, len(tasks))
    for done, record in enumerate(_work(work, out, models, settings, origin, group_images), start=len(left) + 1):
        row = record.row
        counts = counts.model_copy(update={row.status: getattr(counts, row.status) + 1})
        yield Progress(row.image, row.status, row.error, row.n_cells, done, len(tasks))
    kept = tuple(task.image.name for task in tasks if task.need == "keep")
    state = state.model_copy(update={"finished_at": now(), "counts": counts, "kept": kept})
    write_run(out, state)
    return RunSummary(out, state, collect(out))


def _count(tasks: Iterable[Task], need: str) -> int:
    return sum(task.need == need for task in tasks)


def _begin(root: str, models: Models, settings: Settings, other_files: int) -> RunFile:
    """What `run.json` says of a run that begins with these models."""
    segmenter, classifier = (Model(name=m.name, identity=m.identity) for m in (models.segmenter, models.classifier))
    devices = dict.fromkeys((models.segmenter.device, models.classifier.device))
    return begin(root, settings, segmenter, classifier, ", ".join(devices), other_files)


@dataclass(frozen=True, eq=False)
class _Outcome:
    """The analysis of an image, or the reason why there is none; and the seconds that it took."""

    loaded: Loaded
    result: Analysis | _Failure
    analyse_s: float = 0.0


@dataclass(frozen=True)
class _Failure:
    reason: str


def _work(
    tasks: Sequence[Task], out: Path, models: Models, settings: Settings, origin: Origin, group_images: int
) -> Generator[Record]:
    """Read, analyse and write; the records in the order of the tasks, each once it is committed."""
    reader, writer = ThreadPoolExecutor(1, "wbc-read"), ThreadPoolExecutor(1, "wbc-write")
    writes: deque[Future[Record]] = deque()
    try:
        for group in _groups(_read_ahead(tasks, reader, settings.max_megapixels), group_images):
            writes.extend(writer.submit(_commit, out, outcome, origin) for outcome in _analyse(group, models, settings))
            while len(writes) > WRITE_BEHIND or (writes and writes[0].done()):
                yield writes.popleft().result()
        while writes:
            yield writes.popleft().result()
    finally:
        reader.shutdown(cancel_futures=True)
        writer.shutdown()  # what is analysed is still written


def _read_ahead(tasks: Iterable[Task], reader: ThreadPoolExecutor, max_megapixels: float) -> Generator[Loaded]:
    """The images of the tasks in their order, read in another thread, a few at a time."""
    reads: deque[tuple[str, Future[Loaded]]] = deque()

    def next_read() -> Loaded:
        name, read = reads.popleft()
        loaded = _attempt(name, read.result)
        return Loaded(name, None, loaded.reason) if isinstance(loaded, _Failure) else loaded

    for task in tasks:
        reads.append((task.image.name, reader.submit(load, task.image, max_megapixels)))
        if len(reads) > READ_AHEAD:
            yield next_read()
    while reads:
        yield next_read()


def _groups(images: Iterable[Loaded], group_images: int) -> Generator[list[Loaded]]:
    """Lists of images to be analysed together."""
    group: list[Loaded] = []
    megapixels = 0.0
    for image in images:
        group.append(image)
        megapixels += image.field.pixels.size / 3e6 if image.field else 0.0
        if len(group) >= group_images or megapixels >= GROUP_MEGAPIXELS:
            yield group
            group, megapixels = [], 0.0
    if group:
        yield group


def _analyse(group: Sequence[Loaded], models: Models, settings: Settings) -> list[_Outcome]:
    """Analyse images together; if that fails, each alone, so that only the bad one is lost."""
    fields = [image.field for image in group if image.field]
    start = time.perf_counter()
    results = _attempt(
        ", ".join(image.name for image in group), lambda: analyse_many(fields, models, settings) if fields else []
    )
    seconds = (time.perf_counter() - start) / max(1, len(fields))
    if not isinstance(results, _Failure):
        analyses = iter(results)
        return [
            _Outcome(image, next(analyses), seconds) if image.field else _Outcome(image, _Failure(image.error))
            for image in group
        ]
    if len(group) == 1:
        return [_Outcome(group[0], results, seconds)]
    return [outcome for image in group for outcome in _analyse([image], models, settings)]


def _commit(out: Path, outcome: _Outcome, origin: Origin) -> Record:
    """Write what is known of an image."""
    loaded, result = outcome.loaded, outcome.result
    timing = Timing(read_s=round(loaded.read_s, 4), analyse_s=round(outcome.analyse_s, 4), finished_at=now())
    if isinstance(result, _Failure):
        return write_failure(out, loaded.name, result.reason, loaded.source, origin, timing)
    return write_analysis(out, loaded.name, result, loaded.source, origin, timing=timing)


def _attempt(image: str, work: Callable[[], T]) -> T | _Failure:
    """The result of the work on an image, or the reason why there is none.

    The one place that catches every exception: one bad image must not end a night's run. The traceback goes to the log.
    """
    try:
        return work()
    except ImageError as error:
        return _Failure(str(error))
    except Exception as error:
        logger.exception("%s could not be analysed", image)
        return _Failure(f"{type(error).__name__}: {error}")
