"""What the command line shows of a training or cross-validation: progress, and how it ended."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, TypeVar

from rich import progress as bars
from rich.console import Console

from ..errors import UsageError

if TYPE_CHECKING:
    from ..training.crossval import Progress
    from ..training.loop import Batch
    from ..training.state import Epoch
    from ..training.train import Outcome


T = TypeVar("T")


def read_changes(texts: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` as a mapping.

    Raises
    ------
    UsageError
        If one has no `=`.
    """
    for text in texts:
        if "=" not in text:
            raise UsageError(f"--set takes NAME=VALUE, such as --set epochs=5; found {text!r}.")
    return dict(text.split("=", 1) for text in texts)


def follow(steps: Generator[Batch | Epoch, None, T] | Generator[Progress, None, T], epochs: int) -> T:
    """Train to the end, with a bar for the epoch and a line for each epoch and fold that is finished, on stderr."""
    from ..training.crossval import Progress
    from ..training.out_of_fold import FoldResult
    from ..training.state import Epoch

    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    state = bars.TextColumn("{task.fields[state]}")
    columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.TimeElapsedColumn(), state)
    with bars.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None, state="")
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                outcome: T = end.value
                return outcome
            fold, what = (f"fold {step.fold}/{step.folds}, ", step.step) if isinstance(step, Progress) else ("", step)
            if isinstance(what, FoldResult):
                console.print(f"{fold}done: best epoch {what.best_epoch} of {what.epochs}", soft_wrap=True)
            elif isinstance(what, Epoch):
                console.print(fold + epoch_text(what, epochs), soft_wrap=True)
                bar.update(task, description=f"{fold}writing", total=None, state="")
            else:
                where, how_far = f"{fold}epoch {what.epoch + 1}/{epochs}", f"{what.done}/{what.total}, loss {what.loss:.3f}"
                bar.update(task, description=where, total=what.total, completed=what.done, state=how_far)


def epoch_text(epoch: Epoch, epochs: int) -> str:
    """`epoch 3/30: loss 0.412, accuracy 91.3 %, 74 s`."""
    scores = "".join(f", {name} {100 * value:.1f} %" for name, value in epoch.scores.items())
    return f"epoch {epoch.number + 1}/{epochs}: loss {epoch.loss:.3f}{scores}, {epoch.seconds:.0f} s"


def outcome_text(outcome: Outcome) -> str:
    """What came of it, and whether the new model may take the place of the old one."""
    best, n = outcome.history.best, len(outcome.history.epochs)
    lines = [
        f"{n} epochs, best: {best.number + 1}.",
        *(f"{name}: {value}" for name, value in outcome.card.metrics.items()),
        f"Model:  {outcome.model.absolute()}",
        f"Course: {outcome.folder.absolute() / 'curve.png'}",
    ]
    if outcome.comparison is not None:
        if outcome.comparison.promoted:
            lines.append("PROMOTED: on what was held out, the new model is not significantly worse than the old one.")
        else:
            lines.append(
                "NOT PROMOTED: on what was held out, the new model is significantly worse than the old one. It was written, "
                "but go on using the old one."
            )
    return "\n".join(lines)
