"""Long work is a generator; here it is run to its end. Where only what it returns is wanted: `napari_wbc.pipeline.finish`."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def watch(steps: Generator[S, None, T]) -> tuple[list[S], T]:
    """All that it yields, and what it returns."""
    seen: list[S] = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return seen, end.value
