"""Training the classifier: crops of cells, loss, and scores."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..cells import Box, RgbImage
from ..crop import crop
from ..nets.alexnet import CROP_SIZE_PX, AlexNet
from .augment import Normalisation, blur_and_noise, compress, random_affine, stain_and_colour
from .loop import SEED_STEP, Batches
from .mix_styles import mix_styles_in_training
from .segmentation import device_of, forward


@dataclass(frozen=True, eq=False)
class NamedCell:
    """One cell for the classifier.

    Parameters
    ----------
    image
        (H, W, 3) uint8, native.
    box
        The cell's box in it.
    target
        Index of its type among the outputs of the network.
    """

    image: RgbImage
    box: Box
    target: int


class ClassifierTask:
    """AlexNet on crops of cells.

    Parameters
    ----------
    cells
        Training cells. Types are drawn with chances between their shares and equality (square root).
    crop_px, margin
        Side of the crops, and the margin at which they are cut in use; training varies round it.
    strength
        Of the changes of stain and colour.
    mixed
        Share of the crops whose style is mixed with another's; see `mix_styles`.
    batches_per_epoch
        None: as many as there are whole batches of cells, at least one.
    bfloat16
        Whether the network's forward pass is in bfloat16, where the processor or GPU computes in it.
    """

    label_smoothing = 0.05

    def __init__(
        self, model: nn.Module, cells: Sequence[NamedCell], validation: Sequence[NamedCell],
        normalisation: Normalisation, crop_px: int = CROP_SIZE_PX, margin: float | None = 0.15, batch: int = 32,
        strength: float = 1.0, mixed: float = 0.0, batches_per_epoch: int | None = None, seed: int = 0, bfloat16: bool = True,
    ) -> None:  # fmt: skip
        self.model, self.cells, self.validation = model, cells, validation
        self.normalisation, self.crop_px, self.margin = normalisation, crop_px, margin
        self.batch, self.strength, self.seed, self.bfloat16 = batch, strength, seed, bfloat16
        self.batches_per_epoch = batches_per_epoch or max(1, len(cells) // batch)
        if mixed and isinstance(model, AlexNet):
            mix_styles_in_training(model.features, mixed)
        counts = np.bincount([c.target for c in cells])
        chances = np.array([1 / math.sqrt(counts[c.target]) for c in cells])
        self.chances = chances / chances.sum()

    def batches(self, epoch: int) -> Batches:
        """See `loop.Task`."""
        return _Epoch(self, epoch)

    def window(self, cell: NamedCell, generator: torch.Generator) -> Tensor:
        """A crop (3, S, S) in 0..1: turned, mirrored, moved by up to 8 % and magnified by up to 20 % either way."""
        box = cell.box
        side = max(box.height, box.width)
        shift = (torch.rand(2, generator=generator) - 0.5) * 0.16 * side
        centre = ((box.y0 + box.y1 - 1) / 2 + float(shift[0]), (box.x0 + box.x1 - 1) / 2 + float(shift[1]))
        zoom = math.exp((float(torch.rand((), generator=generator)) - 0.5) * 0.4)
        scale = self.crop_px / (side * (1 + (self.margin or 0))) * zoom
        reach = int(side * 1.3) + 2
        y0, x0 = max(0, int(centre[0]) - reach), max(0, int(centre[1]) - reach)
        near = cell.image[y0 : int(centre[0]) + reach, x0 : int(centre[1]) + reach]
        grid = random_affine(self.crop_px, near.shape[:2], (centre[0] - y0, centre[1] - x0), scale, generator)
        image = torch.from_numpy(near.copy()).permute(2, 0, 1)[None].float() / 255
        return F.grid_sample(image, grid, padding_mode="border", align_corners=False)[0]

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Cross-entropy with smoothed labels."""
        logits = forward(self.model, batch[0], self.bfloat16)
        return F.cross_entropy(logits, batch[1].to(logits.device), label_smoothing=self.label_smoothing)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Share of the validation cells that are named right, plain and with another stain, colour and focus."""
        targets = np.array([c.target for c in self.validation])
        plain, other = self.predict(model, 0.0), self.predict(model, 1.0)
        return {
            "accuracy": float((plain.argmax(1) == targets).mean()),
            "accuracy_other_lab": float((other.argmax(1) == targets).mean()),
        }

    def predict(self, model: nn.Module, strength: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """Logits (N, outputs) of the validation cells; `strength` > 0 distorts stain, colour and focus, from a fixed seed."""
        generator = torch.Generator().manual_seed(5)
        found = []
        with torch.inference_mode():
            for i in range(0, len(self.validation), 64):
                part = self.validation[i : i + 64]
                crops = np.stack([crop(c.image, c.box, self.crop_px, self.margin) for c in part])
                images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
                if strength:
                    images = other_camera(stain_and_colour(images, strength, generator), generator)
                found.append(model(self.normalisation(images).to(device_of(model))).cpu().numpy())
        return np.concatenate(found)

    def train_mode(self) -> None:
        """See `loop.Task`."""
        self.model.train()

    def is_encoder(self, name: str) -> bool:
        """See `loop.Task`."""
        return name.startswith("features.")

    def is_last(self, name: str) -> bool:
        """See `loop.Task`."""
        return name.startswith("classifier.6.")


def other_camera(crops: Tensor, generator: torch.Generator) -> Tensor:
    """Crops (N, 3, S, S) in 0..1 as another camera has them: compressed, out of focus or sharpened, noisy."""
    return blur_and_noise(compress(crops, generator), generator, BLUR_PX)


BLUR_PX = 4.0
"""Widest blur of a crop: a cell of 60 px, enlarged to a crop, looks so."""


class _Epoch:
    """The batches of one epoch, drawn from seeds of their own so that an epoch is the same after a resume."""

    def __init__(self, task: ClassifierTask, epoch: int) -> None:
        self.task, self.epoch = task, epoch

    def __len__(self) -> int:
        return self.task.batches_per_epoch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        task = self.task
        rng = np.random.default_rng([self.epoch, 11, task.seed])
        generator = torch.Generator().manual_seed(self.epoch + 2000 + task.seed * SEED_STEP)
        for _ in range(len(self)):
            chosen = [task.cells[i] for i in rng.choice(len(task.cells), task.batch, p=task.chances)]
            images = torch.stack([task.window(cell, generator) for cell in chosen])
            images = other_camera(stain_and_colour(images, task.strength, generator), generator)
            yield task.normalisation(images), torch.tensor([cell.target for cell in chosen])
