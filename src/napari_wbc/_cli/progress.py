"""Follow long work on stderr: a bar that moves, and lines above it that stay; in a log file a line now and then."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from ..results.runfile import Progress

S = TypeVar("S")
T = TypeVar("T")


LOG_EVERY_S = 60.0
"""Time between two lines that say how far the work is, where stderr is no terminal, s."""


class Bar:
    """The bar, and the lines above it."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task = bars.add_task("starting", total=None, state="")
        self._told_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """Since the start, s."""
        return self._bars.tasks[0].elapsed or 0.0

    def move(self, description: str, done: float, total: int | None, state: str) -> None:
        """Show how far the work is; a total of None: nobody knows."""
        self._bars.update(self._task, description=description, completed=done, total=total, state=state)
        if self._bars.disable and self.elapsed_s - self._told_s >= LOG_EVERY_S:
            self._told_s = self.elapsed_s
            self.say(f"{description} {state}".rstrip())

    def say(self, line: str) -> None:
        """Write a line that stays."""
        self._bars.console.print(line, soft_wrap=True)


def follow(steps: Generator[S, None, T], show: Callable[[Bar, S], None]) -> T:
    """Run to the end, showing every step; what the steps return."""
    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    state = TextColumn("{task.fields[state]}")
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), state)
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = Bar(bars)
        while True:
            try:
                show(bar, next(steps))
            except StopIteration as end:
                result: T = end.value
                return result


def follow_images(steps: Generator[Progress, None, T]) -> T:
    """`follow` for images: their rate, the time that is left, and a line for each that failed."""
    n_skipped = 0

    def show(bar: Bar, step: Progress) -> None:
        nonlocal n_skipped
        n_skipped += step.status == "skipped"
        part = step.tile / step.tiles if step.tiles else 0.0
        done, total = step.done - n_skipped + part, step.total - n_skipped
        within = f", {step.image}: tile {step.tile} of {step.tiles}" if step.tiles else ""
        bar.move("images", done, total, _pace(done, total, bar.elapsed_s) + within)
        if step.status == "failed":
            bar.say(f"Failed: {step.image}: {step.error}")

    return follow(steps, show)


def _pace(done: float, total: int, elapsed_s: float) -> str:
    """Images done, their rate, and the time that is left at that rate."""
    if not done or not elapsed_s:
        return f"{done:.0f}/{total}"
    left = timedelta(seconds=round((total - done) * elapsed_s / done))
    return f"{int(done)}/{total}, {done / elapsed_s:.2f} images/s, {left} left"
