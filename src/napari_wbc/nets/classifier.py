"""The second stage's network, ready to use: crops in, calibrated probabilities of the five types out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..cells import Probabilities, RgbImage
from ..config import CELL_TYPES
from ..errors import CheckpointError, ModelMemoryError
from .checkpoint import Checkpoint, read_checkpoint
from .device import resolve_device
from .segmenter import Normaliser

OTHER = "other"
"""Output beside the five types: what is none of them."""
BATCH = 8
"""Crops of one call of the network: always this many, the last batch padded, so that numbers do not depend on neighbours."""


class TorchClassifier:
    """AlexNet on a device; a `pipeline.Classifier`."""

    def __init__(self, path: Path, device: str = "auto") -> None:
        self._checkpoint: Checkpoint = read_checkpoint(path, "classifier")
        card = self._checkpoint.card
        if card.outputs not in (CELL_TYPES, (*CELL_TYPES, OTHER)):
            raise CheckpointError(f"{path} names {card.outputs}; expected {CELL_TYPES}, with or without {OTHER!r}.")
        self.name = card.name
        self.crop_size_px: int = card.crop_size_px
        self.crop_margin: float | None = card.crop_margin
        self.none_of_five_threshold: float = card.none_of_five_threshold
        self._temperature = card.temperature
        self._device = resolve_device(device)
        self._network = self._checkpoint.network.to(memory_format=torch.channels_last).to(self._device)
        self._input = Normaliser(card.mean, card.std, self._device)

    @property
    def device(self) -> str:
        """The device really used."""
        return str(self._device)

    @property
    def identity(self) -> str:
        """SHA-256 of the checkpoint, precision, backend."""
        return f"{self._checkpoint.sha256}+float32+torch-{self._device.type}"

    def __call__(self, crops: Sequence[RgbImage]) -> tuple[Probabilities, Probabilities]:
        """Crops (S, S, 3) uint8 → (N, 5) probabilities that add to 1, and (N,) score of "none of the five", 0..1.

        Raises
        ------
        ModelMemoryError
            If the device runs out of memory.
        """
        if not len(crops):
            return np.zeros((0, len(CELL_TYPES)), np.float32), np.zeros(0, np.float32)
        try:
            with torch.inference_mode():
                parts = []
                for i in range(0, len(crops), BATCH):
                    batch = list(crops[i : i + BATCH])
                    padded = batch + [batch[-1]] * (BATCH - len(batch))
                    parts.append(self._network(self._input(padded))[: len(batch)].cpu())
        except torch.OutOfMemoryError as error:
            raise ModelMemoryError(f"{self.device} ran out of memory on {BATCH} crops: {error}") from None
        logits = torch.cat(parts) / self._temperature
        five = torch.softmax(logits[:, : len(CELL_TYPES)], dim=1).numpy()
        if logits.shape[1] == len(CELL_TYPES):
            return five, np.zeros(len(five), np.float32)
        return five, torch.softmax(logits, dim=1)[:, -1].numpy()
