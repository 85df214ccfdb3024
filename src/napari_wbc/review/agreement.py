"""How well two readings of the same cells agree."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ..cells import Cell
from ..config import CELL_TYPES, UNCOUNTED_TYPES
from ..metrics.cell_types import accuracy, type_confusion
from ..metrics.ratios import Confusion
from ..proportion import Proportion

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, eq=False)
class Agreement:
    """Two readings of n cells.

    Parameters
    ----------
    names
        The cell types that occur, K.
    confusion
        (K, K) int64: cells that the first reading calls i and the second j.
    """

    names: tuple[str, ...]
    confusion: Confusion

    @property
    def same(self) -> Proportion:
        """Cells that both readings call the same."""
        k, n = accuracy(self.confusion)
        return Proportion(k=k, n=n)

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa: agreement beyond chance, 1 at most (Cohen, Educ. Psychol. Meas. 20:37, 1960); None where undefined."""
        n = self.confusion.sum()
        if n == 0:
            return None
        by_chance = float(self.confusion.sum(axis=1) @ self.confusion.sum(axis=0)) / n**2
        return None if by_chance == 1 else float((np.trace(self.confusion) / n - by_chance) / (1 - by_chance))

    def __str__(self) -> str:
        """Share, kappa and the matrix, as text in columns."""
        kappa = [] if self.kappa is None else [f"Cohen's kappa {self.kappa:.2f}"]
        head = ["first \\ second", *(name[:5] for name in self.names)]
        lines = [head, *([name, *map(str, row)] for name, row in zip(self.names, self.confusion.tolist(), strict=True))]
        table = [f"{line[0]:14}" + "".join(f"{text:>7}" for text in line[1:]) for line in lines]
        return "\n".join([f"Same: {self.same}", *kappa, *table])


def agreement(first: Mapping[K, str], second: Mapping[K, str]) -> Agreement:
    """The agreement of two readings, over the cells that both have read; types by cell."""
    both = [cell for cell in first if cell in second]
    found = {reading[cell] for reading in (first, second) for cell in both}
    listed = (*CELL_TYPES, *UNCOUNTED_TYPES)
    names = (*(name for name in listed if name in found), *sorted(found - set(listed)))
    rows, columns = ([names.index(reading[cell]) for cell in both] for reading in (first, second))
    return Agreement(names, type_confusion(rows, columns, (len(names), len(names))))


def said_by_model(cell: Cell) -> str | None:
    """The most probable of the five types of a cell, or None."""
    return None if cell.p is None else CELL_TYPES[int(np.argmax(cell.p))]
