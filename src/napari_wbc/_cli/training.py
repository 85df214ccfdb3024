"""How far a training or cross-validation is, on the command line."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, TypeVar

from .progress import Bar, follow

if TYPE_CHECKING:
    from ..training.crossval import Progress
    from ..training.loop import Batch
    from ..training.state import Epoch


T = TypeVar("T")


def follow_epochs(steps: Generator[Batch | Epoch, None, T] | Generator[Progress, None, T], epochs: int) -> T:
    """`follow` for a training or cross-validation: a bar for the epoch, a line for each epoch and fold that is finished."""
    from ..training.crossval import Progress
    from ..training.out_of_fold import FoldResult
    from ..training.state import Epoch

    def show(bar: Bar, step: Batch | Epoch | Progress) -> None:
        fold, what = (f"fold {step.fold}/{step.folds}, ", step.step) if isinstance(step, Progress) else ("", step)
        if isinstance(what, FoldResult):
            bar.say(f"{fold}done: best epoch {what.best_epoch} of {what.epochs}")
        elif isinstance(what, Epoch):
            bar.say(fold + epoch_text(what, epochs))
            bar.move(f"{fold}writing", 0, None, "")
        else:
            state = f"{what.done}/{what.total}, loss {what.loss:.3f}"
            bar.move(f"{fold}epoch {what.epoch + 1}/{epochs}", what.done, what.total, state)

    return follow(steps, show)


def epoch_text(epoch: Epoch, epochs: int) -> str:
    """`epoch 3/30: loss 0.412, accuracy 91.3 %, 74 s`."""
    scores = "".join(f", {name} {100 * value:.1f} %" for name, value in epoch.scores.items())
    return f"epoch {epoch.number + 1}/{epochs}: loss {epoch.loss:.3f}{scores}, {epoch.seconds:.0f} s"
