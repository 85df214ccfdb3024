"""One training loop, which knows nothing of blood: a generator of epochs that checkpoints and resumes."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


@dataclass(frozen=True)
class Epoch:
    """What one epoch brought: mean training loss, validation scores, seconds."""

    number: int
    loss: float
    scores: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Plan:
    """How to train: epochs, learning rate of new layers, its share for the encoder, weight decay, average of weights."""

    epochs: int
    lr: float = 1e-3
    encoder_lr: float = 0.3
    weight_decay: float = 1e-2
    average: float = 0.998
    warmup: float = 0.05


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
        """Scores of a network in evaluation mode."""

    def train_mode(self) -> None:
        """Put the network into training mode, frozen parts left in evaluation mode."""

    def is_encoder(self, name: str) -> bool:
        """Whether a parameter belongs to the pre-trained part."""


def fit(task: Task, plan: Plan, folder: Path) -> Iterator[Epoch]:
    """Train, yielding after every epoch; a folder with a checkpoint is continued where it stopped.

    AdamW under a cosine with a short warm-up. The running average of the weights is what is validated and kept
    (the `average.` tensors of the checkpoint).
    """
    model = task.model
    optimiser = torch.optim.AdamW(parameter_groups(task, plan))
    rates = [group["lr"] for group in optimiser.param_groups]
    average = AveragedModel(model, avg_fn=running_average(plan.average), use_buffers=True)
    first = restore(folder, model, average.module, optimiser)
    average.n_averaged.fill_(first * len(task.batches(first)))
    for number in range(first, plan.epochs):
        start, losses = time.monotonic(), []
        torch.manual_seed(number)
        task.train_mode()
        batches = task.batches(number)
        for i, batch in enumerate(ahead(batches)):
            progress = (number + i / len(batches)) / plan.epochs
            factor = min(1.0, progress / plan.warmup + 0.01) * 0.5 * (1 + math.cos(math.pi * progress))
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            optimiser.zero_grad(set_to_none=True)
            loss = task.loss(batch)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            average.update_parameters(model)
            losses.append(float(loss.detach()))
        scores = task.validate(average.module.eval())
        epoch = Epoch(number, sum(losses) / len(losses), scores, time.monotonic() - start)
        store(folder, model, average.module, optimiser, epoch)
        yield epoch


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
    """Weights decay, biases and normalisation do not; the encoder learns at its share of the rate."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in task.model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((task.is_encoder(name), parameter.ndim > 1), []).append(parameter)
    return [
        {"params": p, "lr": plan.lr * (plan.encoder_lr if encoder else 1), "weight_decay": plan.weight_decay if decays else 0.0}
        for (encoder, decays), p in groups.items()
    ]


def store(folder: Path, model: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer, epoch: Epoch) -> None:
    """Write a checkpoint of one epoch; `epoch.json`, replaced last, says that it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {f"model.{k}": v for k, v in model.state_dict().items()} | {
        f"average.{k}": v for k, v in average.state_dict().items()
    }
    for i, values in optimiser.state_dict()["state"].items():
        state |= {f"optimiser.{i}.{k}": v for k, v in values.items()}
    checkpoint = folder / f"epoch{epoch.number}.safetensors"
    save_file({k: v.contiguous().clone() for k, v in state.items()}, checkpoint)
    temporary = folder / "epoch.json.tmp"
    temporary.write_text(json.dumps({"file": checkpoint.name, **asdict(epoch)}), encoding="utf-8")
    os.replace(temporary, folder / "epoch.json")
    for old in folder.glob("epoch*.safetensors"):
        if old != checkpoint:
            old.unlink()


def restore(folder: Path, model: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    """Load the checkpoint of a folder, if there is one; the number of the next epoch."""
    mark = folder / "epoch.json"
    if not mark.exists():
        return 0
    epoch = json.loads(mark.read_text(encoding="utf-8"))
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "optimiser": {}}
    for key, value in load_file(folder / epoch["file"]).items():
        part, name = key.split(".", 1)
        parts[part][name] = value
    model.load_state_dict(parts["model"])
    average.load_state_dict(parts["average"])
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in parts["optimiser"].items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return int(epoch["number"]) + 1
