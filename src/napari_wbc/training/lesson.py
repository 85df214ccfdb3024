"""What `train` and `crossval` share: what is asked for, what it begins with, and the learning of one network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from torch import nn

from ..errors import CheckpointError, StorageError, UsageError
from ..nets.checkpoint import Card, save_checkpoint
from ..nets.device import resolve_device
from ..nets.memory import enough_memory
from ..regular import read_text
from ..results.storage import write_bytes
from .begin import Start, begin
from .classifier_job import ClassifierJob
from .curve import write_curve
from .folders import Item
from .jobs import Job
from .loop import SEED_STEP, Batch, Plan, steps
from .recipes import ClassifierRecipe, SegmenterRecipe, What
from .segmenter_job import SegmenterJob
from .sources import Source, open_sources
from .split import Split, split, write_split
from .state import Epoch, best_weights, read_history


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What is to be learnt, and how.

    Parameters
    ----------
    data
        Results folders.
    from_model, start
        What to begin with; see `begin.begin`. Neither: the bundled model, which the paper's recipe refuses.
    images
        Where to look for the images before the place that the results folder names.
    """

    what: What
    data: tuple[Path, ...]
    recipe: SegmenterRecipe | ClassifierRecipe
    from_model: str | None = None
    start: str | None = None
    images: tuple[Path, ...] = ()
    seed: int = 0
    device: str = "auto"

    @property
    def epochs(self) -> int:
        """Most epochs that there will be."""
        return self.recipe.epochs if self.start is not None else self.recipe.fine_tune_epochs


@dataclass(frozen=True, eq=False)
class Prepared:
    """A lesson, what it begins with, and what there is to learn from."""

    lesson: Lesson
    device: torch.device
    start: Start
    job: Job
    sources: list[Source]
    items: list[Item[Any]]

    @property
    def identity(self) -> dict[str, Any]:
        """What the weights depend on."""
        lines = sorted(f"{item.image} {item.identity}" for item in self.items)
        return {
            "what": self.lesson.what,
            "recipe": self.lesson.recipe.model_dump(mode="json"),
            "seed": self.lesson.seed,
            "begins_with": self.start.identity,
            "data": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        }


@dataclass(frozen=True, eq=False)
class Learnt:
    """A network that has learnt, on the CPU in evaluation mode; its card does not tell of the training yet."""

    network: nn.Module
    card: Card
    split: Split
    plan: Plan


def prepare(lesson: Lesson) -> Prepared:
    """Read what a lesson begins with, and the data.

    Raises
    ------
    UsageError
        If the lesson makes no sense, or there is nothing to learn from.
    ResultsError, ImageError
        If the data are damaged.
    CheckpointError
        If what it begins with cannot be read.
    """
    device, recipe = resolve_device(lesson.device), lesson.recipe
    bundled = "default" if lesson.from_model is None and lesson.start is None else None
    if bundled and recipe.name == "paper":
        raise UsageError(
            "The paper's recipe begins with start weights: name them with --start (an .npz file, a name of torchvision's, or "
            "none). To fine-tune the bundled model, leave out --recipe paper."
        )
    start = begin(lesson.what, recipe, lesson.from_model or bundled, lesson.start)
    job: Job = SegmenterJob(recipe, start) if isinstance(recipe, SegmenterRecipe) else ClassifierJob(recipe, start)
    sources = open_sources(lesson.data, lesson.images)
    return Prepared(lesson, device, start, job, sources, job.items(sources))


def same_lesson(folder: Path, identity: dict[str, Any], begun: bool) -> None:
    """Write `training.json`, or see that it says the same if the training was begun before.

    Raises
    ------
    UsageError
        If it was begun with something else.
    CheckpointError
        If the file is damaged.
    StorageError
        If it cannot be written.
    """
    path = folder / "training.json"
    if begun and path.exists():
        try:
            before = json.loads(read_text(path))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}. Name another place with -o.") from None
        if other := sorted(key for key in identity if identity[key] != before.get(key)):
            raise UsageError(
                f"The training in {folder} was begun with other {', '.join(other)}. "
                "Continue it with the same command, or name another place with -o."
            )
    write_bytes(folder, path, f"{json.dumps(identity, indent=1)}\n".encode())


def learn(
    prepared: Prepared, items: Sequence[Item[Any]], folder: Path, by: Literal["auto", "image"] = "auto"
) -> Generator[Batch | Epoch, None, Learnt]:
    """Train on a part of the items and choose the epoch on the rest; a training in the folder that was stopped is continued.

    The folder holds split, checkpoints and curve.

    Raises
    ------
    UsageError
        If all items are of one image.
    CheckpointError
        If the training in the folder cannot be continued.
    StorageError
        If something cannot be written.
    ModelMemoryError
        If the device runs out of memory.
    """
    lesson, job = prepared.lesson, prepared.job
    parts = split(items, lesson.recipe.validation_share, lesson.seed, by)
    write_split(folder, parts)
    torch.manual_seed(lesson.seed * SEED_STEP)
    plan = lesson.recipe.plan(lesson.seed, fine_tuning=prepared.start.checkpoint is not None)
    with enough_memory(str(prepared.device), _less(lesson.recipe)):
        network, card = job.network(items)
        network = network.to(prepared.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        for step in steps(job.task(network, parts, lesson.seed), plan, folder):
            if isinstance(step, Epoch):
                write_curve(folder, read_history(folder))
            yield step
        network.load_state_dict(best_weights(folder))
        network = network.cpu().eval()
        return Learnt(network, job.calibrate(network, card, parts), parts, plan)


def _less(recipe: SegmenterRecipe | ClassifierRecipe) -> str:
    """What needs less memory."""
    smaller = f"Take a smaller batch (--set batch={recipe.batch // 2})" if recipe.batch > 1 else "Take smaller images"
    return f"{smaller}, and name another place with -o; or compute elsewhere (--device)."


def save_model(path: Path, network: nn.Module, card: Card) -> None:
    """Write a model file.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    try:
        save_checkpoint(path, network, card)
    except (OSError, SafetensorError) as error:
        raise StorageError(f"Cannot write {path}: {error}. Free some space, then continue.") from None
