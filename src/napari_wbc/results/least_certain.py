"""Which cells of a results folder a person should look at first."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter

from ..cells import Cell

MOST_PER_TYPE = 12
"""Cells of each type that are kept."""


@dataclass(frozen=True)
class Example:
    """A cell of an image, and whether a person has looked at it."""

    image: str
    cell: Cell
    reviewed: bool


_Rank = tuple[bool, float, str, int]


@dataclass
class LeastCertain:
    """Sees all cells once and keeps, of each type, the few that come first: not reviewed before reviewed, then by margin."""

    _first: dict[str, list[tuple[_Rank, Example]]] = field(default_factory=dict)

    def add(self, image: str, cell: Cell, cell_type: str, reviewed: bool) -> None:
        """See a cell; cells without a margin come after those with one. The order in which cells are seen does not matter."""
        rank = (reviewed, math.inf if cell.margin is None else cell.margin, image, cell.cell_id)
        first = self._first.setdefault(cell_type, [])
        if len(first) < MOST_PER_TYPE or rank < first[-1][0]:
            insort(first, (rank, Example(image, cell, reviewed)), key=itemgetter(0))
            del first[MOST_PER_TYPE:]

    def by_type(self) -> Mapping[str, tuple[Example, ...]]:
        """What was kept, the least certain first."""
        return {cell_type: tuple(example for _, example in first) for cell_type, first in self._first.items()}
