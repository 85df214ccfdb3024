"""From corrected images to a model file: split, train, write, and compare with the model that training began with."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from ..errors import CheckpointError, StorageError, UsageError
from ..nets.checkpoint import Card, save_checkpoint
from ..nets.device import resolve_device
from ..results.storage import write_bytes
from .begin import Start, begin
from .classifier_job import ClassifierJob
from .curve import write_curve
from .folders import Item, open_sources
from .jobs import Job
from .loop import SEED_STEP, Batch, Plan, steps
from .promote import Comparison
from .recipes import ClassifierRecipe, SegmenterRecipe, What
from .segmenter_job import SegmenterJob
from .split import Split, split, write_split
from .state import Epoch, History, best_weights, read_history


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Parameters
    ----------
    data
        Results folders.
    model
        The file to write, `….safetensors`; the course of the training goes to the folder `….training` beside it.
    from_model, start
        What to begin with; see `begin.begin`. Neither: the bundled model.
    images
        Where to look for the images before the place that the results folder names.
    resume
        Continue a training that was stopped.
    """

    what: What
    data: tuple[Path, ...]
    model: Path
    recipe: SegmenterRecipe | ClassifierRecipe
    from_model: str | None = None
    start: str | None = None
    images: tuple[Path, ...] = ()
    seed: int = 0
    resume: bool = False
    device: str = "auto"

    @property
    def folder(self) -> Path:
        """Where checkpoints, split and curve are."""
        return self.model.with_suffix(".training")

    @property
    def epochs(self) -> int:
        """Most epochs that there will be."""
        return self.recipe.epochs if self.start is not None else self.recipe.fine_tune_epochs


@dataclass(frozen=True)
class Outcome:
    """How a training ended; `comparison` is None unless a finished model was fine-tuned."""

    model: Path
    folder: Path
    card: Card
    history: History
    comparison: Comparison | None


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
    """
    folder = request.folder
    _check_place(request)
    device = resolve_device(request.device)
    start = _begin(request)
    job = _job(request, start)
    items = job.items(open_sources(request.data, request.images))
    parts = split(items, request.recipe.validation_share, request.seed)
    _same_request(folder, _identity(request, start, items))
    write_split(folder, parts)
    torch.manual_seed(request.seed * SEED_STEP)
    network, card = job.network(items)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    plan = request.recipe.plan(request.seed, fine_tuning=start.checkpoint is not None)
    for step in steps(job.task(network, parts, request.seed), plan, folder):
        if isinstance(step, Epoch):
            write_curve(folder, read_history(folder))
        yield step
    network.load_state_dict(best_weights(folder))
    told = _card_of(request, card, start, parts, plan, read_history(folder))
    return _finish(request, job, start, network.cpu().eval(), told, parts)


def _check_place(request: Request) -> None:
    """Raise a UsageError if the model cannot be written there, or something is there already."""
    model, folder = request.model, request.folder
    if model.suffix != ".safetensors":
        raise UsageError(f"The model file must end with .safetensors, found {model.name!r}.")
    if request.resume:
        return
    if n := len(read_history(folder).epochs):
        raise UsageError(f"{folder} holds a training of {n} epochs. Continue it with --resume, or name another model with -o.")
    if model.exists():
        raise UsageError(f"{model} is already there. Name another file with -o.")


def _begin(request: Request) -> Start:
    from_model = request.from_model
    if from_model is None and request.start is None:
        from_model = "default"
    return begin(request.what, request.recipe, from_model, request.start)


def _job(request: Request, start: Start) -> Job:
    if isinstance(request.recipe, SegmenterRecipe):
        return SegmenterJob(request.recipe, start)
    return ClassifierJob(request.recipe, start)


def _identity(request: Request, start: Start, items: Sequence[Item[Any]]) -> dict[str, Any]:
    """What a training depends on."""
    data = hashlib.sha256("\n".join(sorted(f"{item.image} {item.identity}" for item in items)).encode()).hexdigest()
    return {
        "what": request.what,
        "recipe": request.recipe.model_dump(mode="json"),
        "seed": request.seed,
        "begins_with": start.identity,
        "data": data,
    }


def _same_request(folder: Path, identity: dict[str, Any]) -> None:
    """Write `training.json`, or see that it says the same if the training was begun before."""
    path = folder / "training.json"
    if read_history(folder).epochs and path.exists():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}. Name another model with -o.") from None
        if other := sorted(key for key in identity if identity[key] != before.get(key)):
            raise UsageError(
                f"The training in {folder} was begun with other {', '.join(other)}. "
                "Continue it with the same command, or name another model with -o."
            )
    write_bytes(folder, path, f"{json.dumps(identity, indent=1)}\n".encode())


def _card_of(request: Request, card: Card, start: Start, parts: Split, plan: Plan, history: History) -> Card:
    """The card with how the model came about; what is said of a model that was fine-tuned stays, its figures do not."""
    items = [*parts.training, *parts.validation]
    data = tuple(_told(name, items) for name in sorted({item.image.split("/")[0] for item in items}))
    course = f"{len(history.epochs)} of at most {plan.epochs} epochs, the best was {history.best.number + 1}, seed {plan.seed}"
    return card.model_copy(
        update={
            "name": request.model.stem,
            "data": (*card.data, *data),
            "split": "; then ".join(filter(None, (card.split, str(parts.file)))),
            "recipe": "; then ".join(
                filter(None, (card.recipe, f"{request.recipe.name}, {course}: {request.recipe.model_dump_json()}"))
            ),
            "start_weights": start.described,
            "metrics": {},
        }
    )


def _told(source: str, items: Sequence[Item[Any]]) -> str:
    """`name: 12 images, 40 learnt from (7 basophil, …)`."""
    own = [item for item in items if item.image.split("/")[0] == source]
    strata = [item.stratum for item in own]
    kinds = ", ".join(f"{strata.count(name)} {name}" for name in sorted(set(strata)))
    return f"{source}: {len({item.image for item in own})} images ({kinds})"


def _finish(request: Request, job: Job, start: Start, network: nn.Module, card: Card, parts: Split) -> Outcome:
    """Write the model file with its figures, judged as it will be used."""
    folder, held = request.folder, parts.validation
    card = job.calibrate(network, card, parts)
    written = folder / "model.safetensors"
    _save(written, network, card)
    scores, comparison = job.judge(written, held, request.device), None
    metrics = job.figures(scores, held)
    if start.checkpoint is not None:
        comparison = job.compare(job.judge(start.checkpoint.path, held, request.device), scores)
        metrics[f"against {start.checkpoint.card.name}"] = str(comparison)
        said = comparison.model_dump() | {"promoted": comparison.promoted, "against": start.checkpoint.card.name}
        write_bytes(folder, folder / "comparison.json", f"{json.dumps(said, indent=1)}\n".encode())
    card = card.model_copy(update={"metrics": metrics})
    _save(written, network, card)
    os.replace(written, request.model)
    return Outcome(request.model, folder, card, read_history(folder), comparison)


def _save(path: Path, network: nn.Module, card: Card) -> None:
    try:
        save_checkpoint(path, network, card)
    except (OSError, SafetensorError) as error:
        raise StorageError(f"Cannot write {path}: {error}. Free some space, then continue with --resume.") from None
