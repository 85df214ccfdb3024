"""What can be trained, as the road of `train` sees it: items, network, task, calibration, judgement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import nn

from ..evaluate.compare import Compared
from ..nets.checkpoint import Card
from .loop import Task
from .out_of_fold import Named
from .promote import Comparison
from .sources import Source
from .split import Split

Scores = npt.NDArray[np.float64]
"""(N,) of N items, 0..1."""


class Job(Protocol):
    """What is trained, a segmenter or a classifier."""

    def items(self, sources: Sequence[Source]) -> list[Any]:
        """What there is to learn from."""

    def network(self, items: Sequence[Any]) -> tuple[nn.Module, Card]:
        """A new network to train, and its card, which does not tell of the training yet."""

    def task(self, network: nn.Module, split: Split, seed: int) -> Task:
        """The task for the loop."""

    def calibrate(self, network: nn.Module, card: Card, split: Split) -> Card:
        """The card with what is fitted on the held-out items, network in evaluation mode on the CPU."""

    def judge(self, path: Path, items: Sequence[Any], device: str) -> Scores:
        """A score 0..1 of each item, of a model file as it is used."""

    def examine(
        self, path: Path, items: Sequence[Any], sources: Sequence[Source], device: str
    ) -> tuple[Named, ...] | tuple[Compared, ...]:
        """The answers of a model file, as it is used, on items that it has never seen."""

    def figures(self, scores: Scores, items: Sequence[Any]) -> dict[str, str]:
        """The scores in words, with k/n."""

    def compare(self, old: Scores, new: Scores) -> Comparison:
        """Old against new."""
