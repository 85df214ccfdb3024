"""Long work told step by step, so that front ends can show progress and may stop."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar


@dataclass(frozen=True)
class Step:
    """Progress of a long analysis: `done` of `total` parts of a stage are finished."""

    stage: str
    done: int
    total: int


T = TypeVar("T")
Steps = Generator[Step, None, T]
"""A generator of steps that returns a T; not asking for the next step stops the work."""


def finish(steps: Steps[T]) -> T:
    """Run a generator of steps to its end and return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
