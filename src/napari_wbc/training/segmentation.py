"""Training the segmenter: windows of images, loss, and scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..cells import RgbImage
from ..nets.loaded import computes_bfloat16
from ..tiling import stitch, windows
from .augment import Normalisation, blur_and_noise, random_affine, stain_and_colour
from .data import IGNORE, Patch, Sample, paste
from .loop import SEED_STEP, Batches

CORE_DEPTH = 0.4
"""A pixel deeper than this share of its cell's depth belongs to the core."""


class SegmenterTask:
    """DeepLabv3+ on windows of images: probability of WBC, and of the core of a cell.

    Parameters
    ----------
    samples
        Training images; `weights` are their chances to be drawn.
    patches
        Cells to paste: into half of the windows one or two, most of them touching another cell.
    bfloat16
        Whether the network's forward pass is in bfloat16, where the processor or GPU computes in it.
    """

    def __init__(
        self, model: nn.Module, samples: Sequence[Sample], weights: npt.NDArray[np.float64], patches: Sequence[Patch],
        validation: Sequence[Sample], normalisation: Normalisation, batch: int = 6, batches_per_epoch: int = 120,
        window_px: int = 256, seed: int = 0, bfloat16: bool = True,
    ) -> None:  # fmt: skip
        self.model, self.samples, self.weights = model, samples, weights / weights.sum()
        self.patches = {source: [p for p in patches if p.source == source] for source in {p.source for p in patches}}
        self.validation, self.normalisation = validation, normalisation
        self.batch, self.batches_per_epoch, self.window_px = batch, batches_per_epoch, window_px
        self.seed, self.bfloat16 = seed, bfloat16

    def batches(self, epoch: int) -> Batches:
        """See `loop.Task`."""
        return _Epoch(self, epoch)

    def window(self, rng: np.random.Generator, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """A random window: image (3, S, S) in 0..1, depth (S, S), weight (S, S), which is 0 where the truth is unknown."""
        sample = self.samples[rng.choice(len(self.samples), p=self.weights)]
        patches = self.patches.get(sample.source, [])
        if patches and rng.random() < 0.5:
            for _ in range(int(rng.integers(1, 3))):
                sample = paste(sample, patches[int(rng.integers(len(patches)))], rng, touching=bool(rng.random() < 0.75))
        height, width = sample.labels.shape
        cell = np.argwhere(sample.labels > 0)
        if len(cell) and rng.random() < 0.7:
            cy, cx = cell[rng.integers(len(cell))] + rng.normal(0, 25, 2)
        else:
            cy, cx = rng.uniform(0, height), rng.uniform(0, width)
        scale = float(np.exp(rng.uniform(np.log(0.6), np.log(1.6))))
        grid = random_affine(self.window_px, (height, width), (float(cy), float(cx)), scale, generator)
        image = torch.from_numpy(sample.image.copy()).permute(2, 0, 1)[None].float() / 255
        truth = np.stack([sample.labels > 0, sample.depth, sample.labels != IGNORE]).astype(np.float32)
        image = F.grid_sample(image, grid, padding_mode="reflection", align_corners=False)[0]
        mask, depth, weight = F.grid_sample(torch.from_numpy(truth)[None], grid, align_corners=False)[0]
        return image, torch.where(mask > 0.5, depth.clamp(min=1e-3), 0.0), (weight > 0.99).float()

    def loss(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Cross-entropy and soft Dice of the WBC, and half the cross-entropy of the core."""
        logits = forward(self.model, batch[0], self.bfloat16)
        depth, weight = batch[1].to(logits.device), batch[2].to(logits.device)
        wbc, core = (depth > 0).float(), (depth > CORE_DEPTH).float()
        area = weight.sum().clamp(min=1)
        entropy = (F.binary_cross_entropy_with_logits(logits[:, 0], wbc, reduction="none") * weight).sum() / area
        core_entropy = (F.binary_cross_entropy_with_logits(logits[:, 1], core, reduction="none") * weight).sum() / area
        p = torch.sigmoid(logits[:, 0]) * weight
        dice = 1 - (2 * (p * wbc).sum() + 1) / ((p + wbc * weight).sum() + 1)
        return entropy + 0.5 * dice + 0.5 * core_entropy

    def validate(self, model: nn.Module) -> dict[str, float]:
        """IoU of the WBC over each source of the validation images, at the analysis scale and in tiles, as in use."""
        counts: dict[str, list[int]] = {}
        with torch.inference_mode():
            for sample in self.validation:
                tiles = windows(sample.image.shape[:2])
                parts = [self._logits(model, sample.image[tile.outer.slices]) for tile in tiles]
                p = stitch(parts, tiles, sample.image.shape[:2])[0] > 0
                true, known = sample.labels > 0, sample.labels != IGNORE
                both, either = counts.setdefault(sample.source, [0, 0])
                counts[sample.source] = [both + int((p & true & known).sum()), either + int(((p | true) & known).sum())]
        return {f"iou_{source}": both / max(either, 1) for source, (both, either) in sorted(counts.items())}

    def _logits(self, model: nn.Module, image: RgbImage) -> npt.NDArray[np.float32]:
        """The outputs (K, H, W) of a network for an image (H, W, 3) uint8."""
        levels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
        return np.asarray(model(self.normalisation(levels).to(device_of(model)))[0].cpu().numpy())

    def train_mode(self) -> None:
        """Training mode; the encoder's BatchNorm keeps its statistics."""
        self.model.train()
        for name, module in self.model.named_modules():
            if self.is_encoder(name) and isinstance(module, nn.BatchNorm2d):
                module.eval()

    def is_encoder(self, name: str) -> bool:
        """See `loop.Task`."""
        return name.startswith("encoder.")

    def is_last(self, name: str) -> bool:
        """See `loop.Task`."""
        return name.startswith("head.")


def device_of(model: nn.Module) -> torch.device:
    """Where the parameters of a network are."""
    return next(model.parameters()).device


def forward(model: nn.Module, images: Tensor, bfloat16: bool) -> Tensor:
    """The float32 outputs of a network for a batch of images, computed where the network is.

    With `bfloat16` in that where it is quicker: a processor without such instructions takes ten times as long to emulate them.
    """
    device = device_of(model)
    enabled = bfloat16 and (computes_bfloat16(device) or (device.type == "cuda" and _is_ampere(device)))
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled):
        out: Tensor = model(images.to(device).contiguous(memory_format=torch.channels_last))
    return out.float()


def _is_ampere(device: torch.device) -> bool:
    return torch.cuda.get_device_capability(device) >= (8, 0)


class _Epoch:
    """The batches of one epoch, drawn from seeds of their own so that an epoch is the same after a resume."""

    def __init__(self, task: SegmenterTask, epoch: int) -> None:
        self.task, self.epoch = task, epoch

    def __len__(self) -> int:
        return self.task.batches_per_epoch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        rng = np.random.default_rng([self.epoch, 7, self.task.seed])
        generator = torch.Generator().manual_seed(self.epoch + 1000 + self.task.seed * SEED_STEP)
        norm = self.task.normalisation
        for _ in range(len(self)):
            windows = [self.task.window(rng, generator) for _ in range(self.task.batch)]
            images, depth, weight = (torch.stack(parts) for parts in zip(*windows, strict=True))
            images = blur_and_noise(stain_and_colour(images, 1.0, generator), generator)
            yield norm(images), depth, weight
