"""The first stage's network, ready to use: images in, probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..cells import Probabilities, RgbImage
from ..errors import CheckpointError, ModelMemoryError
from .checkpoint import Checkpoint, read_checkpoint
from .device import resolve_device


class TorchSegmenter:
    """DeepLabv3+ on a device; a `pipeline.Segmenter`.

    Every image is a batch of its own, so that its numbers do not depend on its neighbours.
    """

    def __init__(self, path: Path, device: str = "auto") -> None:
        self._checkpoint: Checkpoint = read_checkpoint(path, "segmenter")
        card = self._checkpoint.card
        if card.um_per_px is None or card.cell_diameter_um is None or card.outputs[:1] != ("wbc",):
            raise CheckpointError(f"The card of {path} must state um_per_px, cell_diameter_um and outputs that begin with wbc.")
        self.um_per_px: float = card.um_per_px
        self.cell_diameter_um: float = card.cell_diameter_um
        self.name = card.name
        self._device = resolve_device(device)
        self._network = fold_batchnorm(self._checkpoint.network).to(memory_format=torch.channels_last).to(self._device)
        self._input = Normaliser(card.mean, card.std, self._device)

    @property
    def device(self) -> str:
        """The device really used."""
        return str(self._device)

    @property
    def identity(self) -> str:
        """SHA-256 of the checkpoint, precision, backend."""
        return f"{self._checkpoint.sha256}+float32+torch-{self._device.type}"

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        """Images (H, W, 3) uint8 at the analysis scale → (K, H, W) float32 probabilities each.

        Raises
        ------
        ModelMemoryError
            If the device runs out of memory.
        """
        try:
            with torch.inference_mode():
                return [torch.sigmoid(self._network(self._input([image])))[0].cpu().numpy() for image in images]
        except torch.OutOfMemoryError as error:
            shapes = {image.shape for image in images}
            raise ModelMemoryError(f"{self.device} ran out of memory on images of {shapes}: {error}") from None


def fold_batchnorm(network: nn.Module) -> nn.Module:
    """Put every BatchNorm that directly follows a convolution into its weights, in place; the function stays the same."""
    for module in network.modules():
        children = list(module.named_children())
        for (first, conv), (second, norm) in pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, first, fuse_conv_bn_eval(conv, norm))
                setattr(module, second, nn.Identity())
    return network


class Normaliser:
    """Images (H, W, 3) uint8 of one shape → (N, 3, H, W) float32, channels last, normalised, on the device."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        self.device = device
        self.factor = (1 / (255 * torch.tensor(std, device=device)))[:, None, None]
        self.offset = (torch.tensor(mean, device=device) / torch.tensor(std, device=device))[:, None, None]

    def __call__(self, images: Sequence[RgbImage]) -> Tensor:
        """The batch; see the class."""
        batch = torch.from_numpy(np.stack(images)).to(self.device).permute(0, 3, 1, 2)
        return batch.float().mul_(self.factor).sub_(self.offset)
