"""Cross-validation: every image is judged once, by a network that has not learnt from it; continued fold by fold."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..results.runfile import names_in
from ..results.storage import remove, write_bytes
from .folders import Item
from .lesson import Lesson, Prepared, learn, prepare, same_lesson, save_model
from .loop import Batch
from .out_of_fold import FoldResult, read_result, write_result
from .pooled import CrossValidation, pool
from .split import By, Grouping, make_folds, write_folds
from .state import Epoch, clear, read_history


@dataclass(frozen=True, kw_only=True)
class Request(Lesson):
    """A lesson, given to one network for each fold.

    Parameters
    ----------
    out
        Folder for the folds and the figures; an earlier cross-validation there is continued.
    folds
        How many, at least 2.
    by
        What stays together in one fold; see `split.make_folds`.
    """

    out: Path
    folds: int = 10
    by: Grouping = "auto"


@dataclass(frozen=True)
class Progress:
    """A step of fold `fold`, from 1, of `folds`; its last step is its result."""

    fold: int
    folds: int
    step: Batch | Epoch | FoldResult


def crossval(request: Request) -> Generator[Progress, None, CrossValidation]:
    """Train and judge one network for each fold, yielding after every batch, epoch and fold.

    Not asking for the next stops, and the same call continues: in the folder are `folds.json`, which image is in which fold,
    for each fold its `result.json`, split and curve, and at the end `crossval.json`. A fold's checkpoints are removed with
    its end. Of the other folds a part is held out to choose the epoch; the fold itself is only judged. A finished model to
    begin with must not have learnt from the images before: begin with start weights, if it has.

    Raises
    ------
    UsageError
        If the request makes no sense, there is nothing to learn from, or the folder holds something else.
    ResultsError, ImageError
        If the data are damaged.
    CheckpointError
        If what the folds begin with, or continue, cannot be read.
    StorageError
        If something cannot be written.
    ModelMemoryError
        If the device runs out of memory.
    """
    out, n_folds = request.out, request.folds
    _check_place(out)
    prepared = prepare(request)
    folds = make_folds(prepared.items, n_folds, request.seed, request.by)
    same_lesson(out, prepared.identity | {"folds": n_folds, "by": request.by}, begun=True)
    write_folds(out, folds)
    results: list[FoldResult] = []
    for number, part in enumerate(folds.parts, start=1):
        folder = out / f"fold-{number:02d}"
        result = read_result(folder)
        if result is None:
            result = yield from _fold(prepared, part, folder, number, n_folds, folds.file.by)
            write_result(folder, result)
        clear(folder)
        results.append(result)
        yield Progress(number, n_folds, result)
    figures = pool(
        results,
        what=request.what,
        recipe=request.recipe.name,
        begins_with=prepared.start.described,
        fine_tuned=prepared.start.checkpoint is not None,
        by=folds.file.by,
        seed=request.seed,
    )
    write_bytes(out, out / "crossval.json", f"{figures.model_dump_json(indent=1)}\n".encode())
    return figures


def _check_place(out: Path) -> None:
    """Raise a UsageError if the folder is something else than a cross-validation."""
    names = names_in(out)
    if names and "training.json" not in names:
        raise UsageError(f"{out} is neither an empty folder nor a cross-validation. Name another folder with -o.")


def _fold(
    prepared: Prepared, part: Sequence[Item[Any]], folder: Path, number: int, n_folds: int, by: By
) -> Generator[Progress, None, FoldResult]:
    """Train on the items that are not in `part`, and judge on `part`."""
    own = {id(item) for item in part}
    others = [item for item in prepared.items if id(item) not in own]
    steps = learn(prepared, others, folder, "image" if by == "image" else "auto")
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            learnt = end.value
            break
        yield Progress(number, n_folds, step)
    model = folder / "model.safetensors"
    save_model(model, learnt.network, learnt.card)
    answers = prepared.job.examine(model, part, prepared.sources, prepared.lesson.device)
    history = read_history(folder)
    remove(folder, model)
    return FoldResult(fold=number, epochs=len(history.epochs), best_epoch=history.best.number + 1, answers=answers)
