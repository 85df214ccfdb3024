"""One training loop, which knows nothing of blood: a generator of steps that checkpoints, resumes and stops early."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ..errors import SettingsError
from .state import Epoch, restore, store

SEED_STEP = 1_000_003
"""Seeds of torch are this × the training's seed + a number of its own."""


@dataclass(frozen=True)
class Batch:
    """A step of an epoch: batch `done` of `total` is learnt."""

    epoch: int
    done: int
    total: int
    loss: float


@dataclass(frozen=True)
class Plan:
    """How to train.

    Parameters
    ----------
    lr, encoder_lr, last_lr
        Learning rate, and the shares of it that the pre-trained part and the last layer have.
    optimiser
        `adamw`, or `sgd` with momentum 0.9.
    weight_decay
        Of weights; biases and normalisation have none.
    schedule
        `cosine` after a warm-up over the share `warmup` of the training, or `steps`: × `step_factor` every `step_epochs`.
    average
        Decay of the running average of the weights; 0: no average.
    clip
        Largest norm of the gradient.
    patience
        Stop when so many epochs have not been better than the best; None: never.
    keep_best
        Keep the weights of the epoch with the highest mean score.
    """

    epochs: int
    lr: float = 1e-3
    encoder_lr: float = 0.3
    weight_decay: float = 1e-2
    average: float = 0.998
    warmup: float = 0.05
    last_lr: float = 1.0
    optimiser: Literal["adamw", "sgd"] = "adamw"
    schedule: Literal["cosine", "steps"] = "cosine"
    step_factor: float = 0.3
    step_epochs: int = 10
    clip: float = 5.0
    patience: int | None = None
    keep_best: bool = False
    seed: int = 0


class Batches(Protocol):
    """The batches of one epoch: sized, and iterated once."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...


class Task(Protocol):
    """What is trained: a network with its data, loss and scores."""

    model: nn.Module

    def batches(self, epoch: int) -> Batches:
        """The batches of an epoch; the same for the same epoch."""

    def loss(self, batch: Any) -> Tensor:
        """Scalar loss of the network in training mode."""

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Scores of a network in evaluation mode; higher is better where the best is to be kept."""

    def train_mode(self) -> None:
        """Put the network into training mode, frozen parts left in evaluation mode."""

    def is_encoder(self, name: str) -> bool:
        """Whether a parameter belongs to the pre-trained part."""

    def is_last(self, name: str) -> bool:
        """Whether a parameter belongs to the last layer."""


def fit(task: Task, plan: Plan, folder: Path) -> Iterator[Epoch]:
    """`steps`, epoch by epoch."""
    return (step for step in steps(task, plan, folder) if isinstance(step, Epoch))


def steps(task: Task, plan: Plan, folder: Path) -> Iterator[Batch | Epoch]:
    """Train, yielding after every batch and every epoch; a folder with a checkpoint is continued where it stopped.

    The running average of the weights is what is validated and kept (the `average.` tensors of the checkpoint).

    Raises
    ------
    SettingsError
        If loss or gradient are no longer finite; the folder keeps the last whole epoch.
    CheckpointError
        If the checkpoint is damaged, or of another network.
    StorageError
        If a checkpoint cannot be written.
    """
    model = task.model
    optimiser = make_optimiser(task, plan)
    rates = [group["lr"] for group in optimiser.param_groups]
    average = AveragedModel(model, avg_fn=running_average(plan.average), use_buffers=True)
    history = restore(folder, model, average.module, optimiser)
    average.n_averaged.fill_(history.next_number * len(task.batches(history.next_number)))
    while history.next_number < plan.epochs and (plan.patience is None or history.stalled < plan.patience):
        number, start, losses = history.next_number, time.monotonic(), []
        torch.manual_seed(plan.seed * SEED_STEP + number)
        task.train_mode()
        batches = task.batches(number)
        for i, batch in enumerate(ahead(batches)):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * rate_factor(plan, number + i / len(batches))
            optimiser.zero_grad(set_to_none=True)
            loss = task.loss(batch)
            torch.autograd.backward(loss)
            norm = nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
            losses.append(float(loss.detach()))
            _check_finite(losses[-1], float(norm), f"epoch {number + 1}, batch {i + 1} of {len(batches)}")
            optimiser.step()
            average.update_parameters(model)
            yield Batch(number, i + 1, len(batches), losses[-1])
        scores = task.validate(average.module.eval())
        history = history.and_then(Epoch(number, sum(losses) / len(losses), scores, time.monotonic() - start))
        store(folder, model, average.module, optimiser, history, plan.keep_best)
        yield history.epochs[-1]


def _check_finite(loss: float, gradient: float, where: str) -> None:
    """Raise a SettingsError if the loss of a batch or the norm of its gradient is not a finite number."""
    if not (math.isfinite(loss) and math.isfinite(gradient)):
        raise SettingsError(
            f"The training diverged in {where}: the loss is {loss:g}, its gradient {gradient:g}. "
            "The epochs before it are kept. Take a smaller lr, under another name (-o), or look for what is odd in the data."
        )


def rate_factor(plan: Plan, epoch: float) -> float:
    """The share of its learning rate that a parameter has after `epoch` epochs, a real number."""
    if plan.schedule == "steps":
        return plan.step_factor ** (int(epoch) // plan.step_epochs)
    progress = epoch / plan.epochs
    return min(1.0, progress / plan.warmup + 0.01) * 0.5 * (1 + math.cos(math.pi * progress))


def make_optimiser(task: Task, plan: Plan) -> torch.optim.Optimizer:
    """The optimiser that the plan names."""
    groups = parameter_groups(task, plan)
    with without_triton():
        return torch.optim.AdamW(groups) if plan.optimiser == "adamw" else torch.optim.SGD(groups, lr=plan.lr, momentum=0.9)


@contextmanager
def without_triton() -> Iterator[None]:
    """Hide triton, which the first optimiser of torch would import although nothing is compiled.

    The LLVM inside it and that of a software OpenGL, which draws windows on machines without a graphics card, do not bear each
    other: importing triton beside a window ends the process with a segmentation fault.
    """
    hide = "triton" not in sys.modules
    if hide:
        sys.modules["triton"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hide:
            del sys.modules["triton"]


def running_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Exponential average whose memory grows with the steps taken, so that the start weights do not linger."""

    def average(old: Tensor, new: Tensor, steps: Tensor | int) -> Tensor:
        keep = min(decay, (1 + int(steps)) / (10 + int(steps)))
        return old * keep + new * (1 - keep)

    return average


def ahead(batches: Batches) -> Iterator[Any]:
    """The batches, each made in a thread while the one before is trained on."""
    items = iter(batches)
    with ThreadPoolExecutor(1) as thread:
        upcoming = thread.submit(next, items, None)
        while (batch := upcoming.result()) is not None:
            upcoming = thread.submit(next, items, None)
            yield batch


def parameter_groups(task: Task, plan: Plan) -> list[dict[str, Any]]:
    """Weights decay, biases and normalisation do not; the encoder and the last layer learn at their shares of the rate."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in task.model.named_parameters():
        if parameter.requires_grad:
            share = plan.encoder_lr if task.is_encoder(name) else plan.last_lr if task.is_last(name) else 1.0
            groups.setdefault((share, parameter.ndim > 1), []).append(parameter)
    return [
        {"params": p, "lr": plan.lr * share, "weight_decay": plan.weight_decay if decays else 0.0}
        for (share, decays), p in groups.items()
    ]
