"""The state of a training on disk: weights, optimiser and what every epoch brought, replaced as a whole after each epoch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ..errors import CheckpointError
from ..regular import read_text
from ..results.storage import remove, write_bytes

MARK = "epoch.json"
"""Written last: it names the files of the last complete epoch."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch brought: mean training loss, validation scores (higher is better), seconds."""

    number: int
    loss: float
    scores: dict[str, float]
    seconds: float

    @property
    def score(self) -> float:
        """The mean of the validation scores, by which the best epoch is chosen."""
        return sum(self.scores.values()) / max(len(self.scores), 1)


@dataclass(frozen=True)
class History:
    """The epochs so far."""

    epochs: tuple[Epoch, ...] = ()

    @property
    def next_number(self) -> int:
        """Number of the epoch to come."""
        return self.epochs[-1].number + 1 if self.epochs else 0

    @property
    def best(self) -> Epoch:
        """The epoch of the highest score, the first of equals."""
        return max(self.epochs, key=lambda epoch: epoch.score)

    @property
    def stalled(self) -> int:
        """Epochs since the best one."""
        return self.epochs[-1].number - self.best.number if self.epochs else 0

    def and_then(self, epoch: Epoch) -> History:
        """The history with one more epoch."""
        return History((*self.epochs, epoch))


class _Mark(BaseModel):
    """The content of `epoch.json`: the files of the last epoch and of the best, what it brought, and the epochs before it."""

    file: str
    best: str | None = None
    number: int
    loss: float
    scores: dict[str, float]
    seconds: float
    earlier: tuple[Epoch, ...] = ()

    @property
    def history(self) -> History:
        """All epochs."""
        return History((*self.earlier, Epoch(self.number, self.loss, self.scores, self.seconds)))


def read_history(folder: Path) -> History:
    """The epochs that a folder holds; none if it has no checkpoint.

    Raises
    ------
    CheckpointError
        If `epoch.json` is damaged.
    """
    mark = _read_mark(folder)
    return History() if mark is None else mark.history


def store(
    folder: Path,
    model: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    history: History,
    keep_best: bool = False,
) -> None:
    """Write a checkpoint of the last epoch of `history`; with `keep_best`, its averaged weights too, if it is the best.

    Raises
    ------
    CheckpointError
        If the `epoch.json` before it is damaged.
    StorageError
        If it cannot be written; the checkpoint before it stays sound.
    """
    epoch, before = history.epochs[-1], _read_mark(folder)
    averaged = {f"average.{k}": v for k, v in average.state_dict().items()}
    state = {f"model.{k}": v for k, v in model.state_dict().items()} | averaged
    for i, values in optimiser.state_dict()["state"].items():
        state |= {f"optimiser.{i}.{k}": v for k, v in values.items() if v is not None}
    last, best = f"epoch{epoch.number}.safetensors", before.best if before else None
    _write(folder, last, state)
    if keep_best and history.best is epoch:
        best = f"best{epoch.number}.safetensors"
        _write(folder, best, averaged)
    mark = {"file": last, "best": best} | asdict(epoch) | {"earlier": [asdict(e) for e in history.epochs[:-1]]}
    write_bytes(folder, folder / MARK, json.dumps(mark).encode())
    _remove(folder, but=(last, best))


def restore(folder: Path, model: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer) -> History:
    """Load the checkpoint of a folder, if there is one, into the three; the epochs so far.

    Raises
    ------
    CheckpointError
        If it is damaged, or of another network.
    """
    mark = _read_mark(folder)
    if mark is None:
        return History()
    path = folder / mark.file
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "optimiser": {}}
    for key, value in _read(path).items():
        part, name = key.split(".", 1)
        parts[part][name] = value
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in parts["optimiser"].items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    try:
        model.load_state_dict(parts["model"])
        average.load_state_dict(parts["average"])
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path} does not fit this training: {reason} Start again in another folder.") from None
    return mark.history


def clear(folder: Path) -> None:
    """Remove the checkpoint of a folder; the curve stays.

    Raises
    ------
    StorageError
        If it cannot be removed.
    """
    remove(folder, folder / MARK)
    _remove(folder)


def _remove(folder: Path, but: Sequence[str | None] = ()) -> None:
    """Remove checkpoints, and the unfinished files of a process that was killed."""
    for pattern in ("epoch*.safetensors", "best*.safetensors", ".tmp-*"):
        for old in folder.glob(pattern):
            if old.name not in but:
                remove(folder, old)


def best_weights(folder: Path) -> dict[str, Tensor]:
    """The averaged weights of the best epoch; of the last one, where no best was kept.

    Raises
    ------
    CheckpointError
        If the folder has no checkpoint, or it is damaged.
    """
    mark = _read_mark(folder)
    if mark is None:
        raise CheckpointError(f"{folder} holds no checkpoint: no epoch was finished. Train again.")
    tensors = _read(folder / (mark.best or mark.file))
    return {k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")}


def _read_mark(folder: Path) -> _Mark | None:
    """The content of `epoch.json`; None if it is not there."""
    path = folder / MARK
    try:
        return _Mark.model_validate(json.loads(read_text(path)))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        reason = "; ".join(f"{'.'.join(map(str, e['loc']))} {e['msg']}".strip() for e in error.errors())
    except (OSError, ValueError) as error:
        reason = str(error)
    raise CheckpointError(f"{path} cannot be read: {reason}. Restore it, or train again in another folder.")


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"The checkpoint {path} cannot be read: {error}. Train again in another folder.") from None


def _write(folder: Path, name: str, tensors: dict[str, Tensor]) -> None:
    write_bytes(folder, folder / name, save({k: v.detach().contiguous().clone().cpu() for k, v in tensors.items()}))
