"""The second stage's network, ready to use: crops in, calibrated probabilities of the five types out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..cells import Probabilities, RgbImage
from ..config import CELL_TYPES
from ..errors import CheckpointError
from .loaded import LoadedNetwork

OTHER = "other"
"""Output beside the five types: what is none of them."""
BATCH = 8
"""At most so many crops in one call of the network; exactly so many where it is not fused."""


class TorchClassifier(LoadedNetwork):
    """AlexNet on a device; a `pipeline.Classifier`."""

    def __init__(self, path: Path, device: str = "auto") -> None:
        super().__init__(path, "classifier", device)
        card = self.card
        if card.outputs not in (CELL_TYPES, (*CELL_TYPES, OTHER)):
            raise CheckpointError(f"{path} names {card.outputs}; expected {CELL_TYPES}, with or without {OTHER!r}.")
        self.crop_size_px: int = card.crop_size_px
        self.crop_margin: float | None = card.crop_margin
        self.none_of_five_threshold: float = card.none_of_five_threshold
        self.least_probability: float = card.least_probability

    def __call__(self, crops: Sequence[RgbImage]) -> tuple[Probabilities, Probabilities]:
        """Crops (S, S, 3) uint8 → (N, 5) probabilities that add to 1, and (N,) score of "none of the five", 0..1.

        Raises
        ------
        ModelMemoryError
            If the device runs out of memory.
        """
        if not len(crops):
            return np.zeros((0, len(CELL_TYPES)), np.float32), np.zeros(0, np.float32)
        with self._running():
            batches = [self._batch(crops[i : i + BATCH]) for i in range(0, len(crops), BATCH)]
            logits = torch.cat(batches) / self.card.temperature
            five = torch.softmax(logits[:, : len(CELL_TYPES)], dim=1).numpy()
            if logits.shape[1] == len(CELL_TYPES):
                return five, np.zeros(len(five), np.float32)
            return five, torch.softmax(logits, dim=1)[:, -1].numpy()

    def _batch(self, crops: Sequence[RgbImage]) -> Tensor:
        """The logits of at most `BATCH` crops.

        Only as `fused` computes it do the last digits not depend on how many crops there are: elsewhere the first fills up.
        """
        fill = 0 if self._is_fused else BATCH - len(crops)
        return self._logits([*crops, *[crops[0]] * fill])[: len(crops)]
