"""From corrected images to a model file: split, train, write, and compare with the model that training began with."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..nets.checkpoint import Card
from ..results.storage import write_bytes
from .begin import Start
from .folders import Item
from .lesson import Learnt, Lesson, Prepared, learn, prepare, same_lesson, save_model
from .loop import Batch
from .promote import Comparison
from .state import Epoch, History, read_history


@dataclass(frozen=True, kw_only=True)
class Request(Lesson):
    """A lesson, and the model that is asked for.

    Parameters
    ----------
    model
        The file to write, `….safetensors`; the course of the training goes to the folder `….training` beside it.
    resume
        Continue a training that was stopped.
    """

    model: Path
    resume: bool = False

    @property
    def folder(self) -> Path:
        """Where checkpoints, split and curve are."""
        return self.model.with_suffix(".training")


@dataclass(frozen=True)
class Outcome:
    """How a training ended; `data` is what there was to learn from and to judge by, a line for each folder of results.

    `comparison` is None unless a finished model was fine-tuned.
    """

    model: Path
    folder: Path
    card: Card
    history: History
    comparison: Comparison | None
    data: tuple[str, ...] = ()

    def __str__(self) -> str:
        """What came of it, and whether the new model may take the place of the old one."""
        lines = [
            *(f"Data:   {told}" for told in self.data),
            f"Epochs: {len(self.history.epochs)}, best: {self.history.best.number + 1}.",
            *(f"{name}: {value}" for name, value in self.card.metrics.items()),
            f"Model:  {self.model.absolute()}",
            f"Course: {self.folder.absolute() / 'curve.png'}",
        ]
        if self.comparison is not None:
            lines.append(
                "PROMOTED: on what was held out, the new model is not significantly worse than the old one."
                if self.comparison.promoted
                else "NOT PROMOTED: on what was held out, the new model is significantly worse than the old one. It was "
                "written, but go on using the old one."
            )
        return "\n".join(lines)


def train(request: Request) -> Generator[Batch | Epoch, None, Outcome]:
    """Train, yielding after every batch and every epoch; not asking for the next stops, and `resume` continues.

    Raises
    ------
    UsageError
        If the request makes no sense, or there is nothing to learn from.
    ResultsError, ImageError
        If the data are damaged.
    CheckpointError
        If what training begins with, or continues, cannot be read.
    StorageError
        If something cannot be written.
    ModelMemoryError
        If the device runs out of memory.
    """
    folder = request.folder
    _check_place(request)
    prepared = prepare(request)
    same_lesson(folder, prepared.identity, begun=bool(read_history(folder).epochs))
    learnt = yield from learn(prepared, prepared.items, folder)
    return _finish(request, prepared, learnt)


def _check_place(request: Request) -> None:
    """Raise a UsageError if the model cannot be written there, or something is there already."""
    model, folder = request.model, request.folder
    if model.suffix != ".safetensors":
        raise UsageError(f"The model file must end with .safetensors, found {model.name!r}.")
    n = len(read_history(folder).epochs)
    if n and request.resume:
        return
    if n:
        raise UsageError(
            f"{folder} holds a training ({n} of its epochs done). Continue it with --resume, or name another model with -o."
        )
    if model.exists():
        raise UsageError(f"{model} is already there. Name another file with -o.")


def _card_of(request: Request, start: Start, learnt: Learnt, history: History) -> Card:
    """The card with how the model came about; what is said of a model that was fine-tuned stays, its figures do not."""
    card, parts, plan = learnt.card, learnt.split, learnt.plan
    course = f"{len(history.epochs)} of at most {plan.epochs} epochs, the best was {history.best.number + 1}, seed {plan.seed}"
    return card.model_copy(
        update={
            "name": request.model.stem,
            "data": (*card.data, *_data_of(learnt)),
            "split": "; then ".join(filter(None, (card.split, str(parts.file)))),
            "recipe": "; then ".join(
                filter(None, (card.recipe, f"{request.recipe.name}, {course}: {request.recipe.model_dump_json()}"))
            ),
            "start_weights": start.described,
            "metrics": {},
        }
    )


def _data_of(learnt: Learnt) -> tuple[str, ...]:
    """A line for each folder of results that was learnt from."""
    items = [*learnt.split.training, *learnt.split.validation]
    return tuple(_told(name, items) for name in sorted({item.image.split("/")[0] for item in items}))


def _told(source: str, items: Sequence[Item[Any]]) -> str:
    """`name: 12 images, 40 learnt from (7 basophil, …)`."""
    own = [item for item in items if item.image.split("/")[0] == source]
    strata = [item.stratum for item in own]
    kinds = ", ".join(f"{strata.count(name)} {name}" for name in sorted(set(strata)))
    return f"{source}: {len({item.image for item in own})} images ({kinds})"


def _finish(request: Request, prepared: Prepared, learnt: Learnt) -> Outcome:
    """Write the model file with its figures, judged as it will be used."""
    folder, job, start, held = request.folder, prepared.job, prepared.start, learnt.split.validation
    card = _card_of(request, start, learnt, read_history(folder))
    written = folder / "model.safetensors"
    save_model(written, learnt.network, card)
    scores, comparison = job.judge(written, held, request.device), None
    metrics = job.figures(scores, held)
    if start.checkpoint is not None:
        comparison = job.compare(job.judge(start.checkpoint.path, held, request.device), scores)
        metrics[f"against {start.checkpoint.card.name}"] = str(comparison)
        said = comparison.model_dump() | {"promoted": comparison.promoted, "against": start.checkpoint.card.name}
        write_bytes(folder, folder / "comparison.json", f"{json.dumps(said, indent=1)}\n".encode())
    card = card.model_copy(update={"metrics": metrics})
    save_model(written, learnt.network, card)
    os.replace(written, request.model)
    return Outcome(request.model, folder, card, read_history(folder), comparison, _data_of(learnt))
