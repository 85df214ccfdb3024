"""The tasks of the `paper` recipe (Roy Reena and Ameer, Computers in Biology and Medicine 126:104034, 2020).

Reflection left-right, shift by up to 10 px, rotation by up to 20°; the image bilinear, the mask nearest; the loss leaves out
pixels that come from outside. One thing differs: the encoder's BatchNorm keeps the statistics of its start weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..crop import crop
from .augment import Normalisation, small_affine
from .classification import ClassifierTask, NamedCell
from .data import IGNORE, Sample
from .loop import SEED_STEP, Batches
from .segmentation import SegmenterTask, forward


def weighted_entropy(logits: Tensor, wbc: Tensor, known: Tensor, class_weights: tuple[float, float]) -> Tensor:
    """−(1/N) Σ_p w_{y_p} log q_p, N = number of known pixels; torch's `CrossEntropyLoss` divides by Σ w instead.

    Parameters
    ----------
    logits
        (N, H, W) logits of WBC: the difference of the two of a softmax.
    wbc, known
        (N, H, W) float, 0 or 1.
    class_weights
        Of background and WBC.
    """
    weight = torch.where(wbc > 0.5, class_weights[1], class_weights[0]) * known
    entropy = F.binary_cross_entropy_with_logits(logits, wbc, reduction="none")
    return (entropy * weight).sum() / known.sum().clamp(min=1)


class PaperSegmenterTask(SegmenterTask):
    """Whole fields resized to one square, each once in an epoch, with a weighted cross-entropy."""

    def __init__(
        self, model: nn.Module, samples: Sequence[Sample], validation: Sequence[Sample], normalisation: Normalisation,
        class_weights: tuple[float, float], batch: int, seed: int, bfloat16: bool,
    ) -> None:  # fmt: skip
        super().__init__(
            model, samples, np.ones(len(samples)), [], validation, normalisation, batch, seed=seed, bfloat16=bfloat16
        )
        self.class_weights = class_weights

    def batches(self, epoch: int) -> Batches:
        """See `loop.Task`."""
        return _Shuffled(len(self.samples), self.batch, self.seed, epoch, self._batch)

    def _batch(self, chosen: Sequence[int], generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Images (B, 3, S, S) normalised, WBC (B, S, S) 0 or 1, known (B, S, S) 0 or 1."""
        parts = [self.field(self.samples[i], generator) for i in chosen]
        images, wbc, known = (torch.stack(part) for part in zip(*parts, strict=True))
        return self.normalisation(images), wbc, known

    @staticmethod
    def field(sample: Sample, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """A field, changed at random: image (3, S, S) in 0..1, WBC (S, S), known (S, S)."""
        grid = small_affine(sample.labels.shape[0], generator)
        image = torch.from_numpy(sample.image.copy()).permute(2, 0, 1)[None].float() / 255
        image = F.grid_sample(image, grid, padding_mode="border", align_corners=False)[0]
        truth = np.stack([sample.labels > 0, sample.labels != IGNORE]).astype(np.float32)
        wbc, known = F.grid_sample(torch.from_numpy(truth)[None], grid, mode="nearest", align_corners=False)[0]
        return image, wbc, known

    def loss(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """See `weighted_entropy`."""
        logits = forward(self.model, batch[0], self.bfloat16)[:, 0]
        return weighted_entropy(logits, batch[1].to(logits.device), batch[2].to(logits.device), self.class_weights)


class PaperClassifierTask(ClassifierTask):
    """Crops as in use, each once in an epoch, with the plain cross-entropy."""

    label_smoothing = 0.0

    def batches(self, epoch: int) -> Batches:
        """See `loop.Task`."""
        return _Shuffled(len(self.cells), self.batch, self.seed, epoch, self._batch)

    def _batch(self, chosen: Sequence[int], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        cells = [self.cells[i] for i in chosen]
        images = torch.stack([self.window(cell, generator) for cell in cells])
        return self.normalisation(images), torch.tensor([cell.target for cell in cells])

    def window(self, cell: NamedCell, generator: torch.Generator) -> Tensor:
        """A crop (3, S, S) in 0..1; what comes from outside repeats its border."""
        image = torch.from_numpy(crop(cell.image, cell.box, self.crop_px, self.margin).copy()).permute(2, 0, 1)[None] / 255
        grid = small_affine(self.crop_px, generator)
        return F.grid_sample(image, grid, padding_mode="border", align_corners=False)[0]

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Share of the validation cells that are named right."""
        targets = np.array([c.target for c in self.validation])
        return {"accuracy": float((self.predict(model, 0.0).argmax(1) == targets).mean())}


Make = Callable[[Sequence[int], torch.Generator], Any]
"""Makes a batch of the items at given places."""


class _Shuffled:
    """The batches of one epoch: every item once, in an order that depends on seed and epoch."""

    def __init__(self, n_items: int, batch: int, seed: int, epoch: int, make: Make) -> None:
        self.n_items, self.batch, self.seed, self.epoch, self.make = n_items, batch, seed, epoch, make

    def __len__(self) -> int:
        return -(-self.n_items // self.batch)

    def __iter__(self) -> Iterator[Any]:
        order = np.random.default_rng([self.epoch, 13, self.seed]).permutation(self.n_items)
        generator = torch.Generator().manual_seed(self.epoch + 3000 + self.seed * SEED_STEP)
        for i in range(0, self.n_items, self.batch):
            yield self.make(order[i : i + self.batch].tolist(), generator)
