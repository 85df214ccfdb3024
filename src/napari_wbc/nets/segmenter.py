"""The first stage's network, ready to use: images in, probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from ..cells import Probabilities, RgbImage
from ..domain import Sources
from ..errors import CheckpointError
from .loaded import LoadedNetwork

GLANCES = {"2350b9c3135c3da1a1bd4ea1a2fa461789fc8d9ce2b3c315de12a7ee6e9abf5c": -5.0}
"""By the SHA-256 of a model file: the logit at first glance below which `benchmarks/glance.py` found nothing of a cell.

It was measured for this file alone: with any other, a fine-tuned copy too, the decoder looks at all of an image.
"""


class TorchSegmenter(LoadedNetwork):
    """DeepLabv3+ on a device; a `pipeline.Segmenter`.

    Every image is a batch of its own, so that its numbers do not depend on its neighbours.
    """

    def __init__(self, path: Path, device: str = "auto") -> None:
        super().__init__(path, "segmenter", device)
        card = self.card
        if card.um_per_px is None or card.cell_diameter_um is None or card.outputs[:1] != ("wbc",):
            raise CheckpointError(f"The card of {path} must state um_per_px, cell_diameter_um and outputs that begin with wbc.")
        self.um_per_px: float = card.um_per_px
        self.cell_diameter_um: float = card.cell_diameter_um
        self.domain: Sources | None = card.domain
        self.glance: float | None = GLANCES.get(self._sha256)

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        """Images (H, W, 3) uint8 at the analysis scale → (K, H, W) float32 probabilities each.

        Raises
        ------
        ModelMemoryError
            If the device runs out of memory.
        """
        with self._running():
            return [torch.sigmoid(self._logits([image], glance=self.glance))[0].numpy() for image in images]
