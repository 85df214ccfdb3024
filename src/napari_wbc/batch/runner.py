"""Many images: find them, analyse what is not done yet, survive bad ones, and leave a results folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..config import Settings
from ..errors import UsageError
from ..pipeline import LoadModels, Models
from ..results.leftovers import sweep
from ..results.record import ImageRow, MarkedRow
from ..results.replaced import copy_old, date
from ..results.runfile import NAME, Counts, Progress, RunFile, begin, check_out, now, relative_root
from ..results.summary import Summary
from ..results.unfinished import forget, unfinished_in
from .collect import collect
from .discover import Inputs, discover
from .job import GROUP_IMAGES, TIME_LIMIT_S, Advance, Job, Workers, describe
from .processors import MOST_WORKERS
from .resume import Redo, Task, plan
from .shards import Shard, write_state
from .work import Here

Given = str | Path | Sequence[str | Path]
"""Files, folders and patterns."""


@dataclass(frozen=True)
class RunSummary:
    """How a run ended: its `run.json`; the number of its images that are failed; and what the tables of the folder say, earlier
    runs included, which are not made by a shard.
    """

    out: Path
    run: RunFile
    n_failed: int
    summary: Summary | None

    @property
    def exit_code(self) -> int:
        """0 if every image of the folder, or of the shard, is done, 1 if some failed or may be where nobody could search."""
        return 1 if self.run.unsearched or (self.n_failed if self.summary is None else self.summary.failed) else 0


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
    steps = run(inputs, out, lambda: models, settings, redo=Redo(retry_failed))
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
    redo: Redo | None = None,
    shard: Shard | None = None,
    workers: int = 0,
    cluster: str | None = None,
    group_images: int = GROUP_IMAGES,
    time_limit_s: float | None = None,
) -> Generator[Progress, None, RunSummary]:
    """`analyse_folder`, image by image. Not asking for the next item stops the run; the same call continues it.

    Parameters
    ----------
    load_models
        Gives the models once inputs and results folder are known to be sound. With workers it must be picklable.
    shard
        The part of the images to be done; the tables are made by `collect` when all parts are done.
    workers
        Processes that do the work, at most one for each image; 0: this process, which a decoder that crashes ends.
    cluster
        Address of the scheduler of a dask cluster that does the work instead.
    group_images
        Images analysed together, on which the results do not depend.
    time_limit_s
        A worker process that gives no sign of life for so long is ended, as its file stalls it. None: `TIME_LIMIT_S`.

    Raises
    ------
    UsageError
        If there is a time limit, but no worker process of this program to end.
    """
    if time_limit_s is not None and (cluster is not None or workers == 0):
        who = "dask" if cluster is not None else "the program itself (--workers 0)"
        raise UsageError(
            f"--time-limit ends worker processes, and here {who} does the work. Leave it out, or take --workers 1."
        )
    out, settings, redo = Path(out), settings or Settings(), redo or Redo()
    found = _find(inputs, out, shard)
    with closing(_hire(load_models, min(workers, len(found.images)), cluster, time_limit_s or TIME_LIMIT_S)) as crew:
        engine = crew.engine
        root, models = relative_root(found.root, out), (engine.segmenter, engine.classifier)
        state = begin(root, settings, *models, engine.device, found.n_other)
        state = state.model_copy(update={"workers": crew.n, "threads": engine.threads, "unsearched": found.unsearched})
        write_state(out, state, shard)
        if shard is None or shard.number == 0:
            sweep(out)
        tasks = plan(out, found.images, engine, settings, redo)
        seen: Counter[str] = Counter(skipped=0)
        n_failed = 0
        tiles_at_once = 1
        if cluster is None and engine.device == "cpu" and found.images:  # the processors of workers that there is no image for
            tiles_at_once = min(max(1, workers // len(found.images)), MOST_WORKERS)
        job = Job(out.absolute(), found.root, settings, engine, group_images, redo.overwrite_reviewed, tiles_at_once)
        for item in _settle(tasks, crew, job):
            if isinstance(item, Advance):
                yield Progress(item.image, "working", None, None, seen.total(), len(tasks), item.done, item.total)
                continue
            status: Literal["done", "failed", "skipped"] = "skipped" if isinstance(item, MarkedRow) else item.status
            seen[status] += 1
            n_failed += item.status == "failed"
            yield Progress(item.image, status, item.error, item.n_cells, seen.total(), len(tasks))
    needs = Counter(task.need for task in tasks)
    counts = Counts(**seen, stale=needs["stale"], retried=needs["retry"])
    kept = tuple(task.image.name for task in tasks if task.need == "keep")
    state = state.model_copy(update={"finished_at": now(), "counts": counts, "kept": kept})
    write_state(out, state, shard)
    return RunSummary(out, state, n_failed, collect(out) if shard is None else None)


def preview(
    inputs: Given,
    out: str | Path,
    load_models: LoadModels,
    settings: Settings | None = None,
    *,
    redo: Redo | None = None,
    shard: Shard | None = None,
) -> list[Task]:
    """What `run` would do with each image, and why; nothing is written. Models are loaded only where there are results."""
    out, settings = Path(out), settings or Settings()
    found = _find(inputs, out, shard)
    if not (out / NAME).exists():
        return [Task(image, "new", "not analysed yet") for image in found.images]
    return plan(out, found.images, describe(load_models()), settings, redo or Redo())


def _find(inputs: Given, out: Path, shard: Shard | None) -> Inputs:
    """The images of a run, whose results may go to `out`."""
    found = discover(inputs, out)
    check_out(out, found.root)
    return found if shard is None else replace(found, images=shard.share(found.images))


def _hire(load_models: LoadModels, workers: int, cluster: str | None, time_limit_s: float) -> Workers:
    """Who does the work."""
    if cluster is not None:
        from .cluster import Cluster

        return Cluster(load_models, cluster)
    if workers:
        from .processes import Processes

        return Processes(load_models, workers, time_limit_s)
    return Here(load_models())


def _settle(tasks: Sequence[Task], crew: Workers, job: Job) -> Generator[MarkedRow | ImageRow | Advance]:
    """Leave what is to be left, of which the marks are told, and work on the rest."""
    for name in {task.image.name for task in tasks if not task.is_work}.intersection(unfinished_in(job.out)):
        forget(job.out, name)
    for task in tasks:
        if task.row is not None and not task.is_work:
            yield task.row
    today = date()
    for task in tasks:
        if task.copy_first:
            copy_old(job.out, task.image.name, today)
    yield from crew.work([task.image for task in tasks if task.is_work], job)
