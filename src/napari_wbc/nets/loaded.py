"""A network that was read from its model file and put on a device, ready to use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..cells import RgbImage
from .checkpoint import Checkpoint, read_checkpoint
from .device import resolve_device
from .fused import fuse, fusible
from .memory import enough_memory
from .stain import align_levels

_ONE_AT_A_TIME = Lock()
"""Where two threads compute on Apple's `mps` at the same time, torch ends the process (its issue 197805)."""


class LoadedNetwork:
    """What a segmenter and a classifier share: the network, its name, device and identity, and how images become its input.

    On processors that compute in bfloat16 themselves it does so: about 1.7 times quicker, and the figures stay the same.
    """

    def __init__(self, path: Path, task: Literal["segmenter", "classifier"], device: str) -> None:
        checkpoint: Checkpoint = read_checkpoint(path, task)
        self.card = checkpoint.card
        self._sha256 = checkpoint.sha256
        self._device = resolve_device(device)
        self._dtype = torch.bfloat16 if computes_bfloat16(self._device) else torch.float32
        network = fold_batchnorm(checkpoint.network).to(memory_format=torch.channels_last).to(self._device, self._dtype)
        self._is_fused = fusible(self._device)
        if self._is_fused:
            side, one_size = self.card.crop_size_px, task == "classifier" or self._dtype == torch.bfloat16
            network = fuse(network, torch.zeros(1, 3, side, side, dtype=self._dtype) if one_size else None)
        self._network = network
        std = torch.tensor(self.card.std, device=self._device)
        self._factor = 1 / (255 * std)  # (3,)
        self._offset = torch.tensor(self.card.mean, device=self._device) / std

    @property
    def name(self) -> str:
        """Name of the model, for people."""
        return self.card.name

    @property
    def device(self) -> str:
        """The device really used."""
        return str(self._device)

    @property
    def threads(self) -> int:
        """Threads that compute on the processor."""
        return torch.get_num_threads()

    @property
    def identity(self) -> str:
        """SHA-256 of the checkpoint, precision, backend."""
        precision = str(self._dtype).removeprefix("torch.")
        return f"{self._sha256}+{precision}+torch-{self._device.type}"

    def _logits(self, images: Sequence[RgbImage], **options: Any) -> Tensor:
        """Output of the network for images (H, W, 3) uint8 of one shape, on the CPU; `options` are of its `forward`."""
        batch = self.normalised(torch.from_numpy(np.stack(images)).to(self._device)).to(self._dtype)
        logits: Tensor = self._network(batch.contiguous(memory_format=torch.channels_last), **options)
        return logits.float().cpu()

    def normalised(self, levels: Tensor) -> Tensor:
        """What the network is given of images: (N, H, W, 3) uint8 → (N, 3, H, W) float32."""
        if self.card.stain_aligned:
            return align_levels(levels).mul_(255).mul_(self._factor[:, None, None]).sub_(self._offset[:, None, None])
        width = levels.shape[2]  # rows as one long line of colours are several times quicker than as many short ones
        rows = levels.flatten(2).float().mul_(self._factor.repeat(width)).sub_(self._offset.repeat(width))
        return rows.view(levels.shape).permute(0, 3, 1, 2)

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Without gradients; out of memory becomes an error of ours."""
        turn = _ONE_AT_A_TIME if self._device.type == "mps" else nullcontext()
        with turn, enough_memory(self.device, "Use a smaller image, or --device cpu."), torch.inference_mode():
            yield


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a processor has instructions for bfloat16; emulated it would be slower."""
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return device.type == "cpu" and bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def fold_batchnorm(network: nn.Module) -> nn.Module:
    """Put every BatchNorm that directly follows a convolution into its weights, in place; the function stays the same."""
    for module in network.modules():
        children = list(module.named_children())
        for (first, conv), (second, norm) in pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, first, fuse_conv_bn_eval(conv, norm))
                setattr(module, second, nn.Identity())
    return network
