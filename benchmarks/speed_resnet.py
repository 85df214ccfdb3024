"""A segmenter on ResNet-50 whose weights are random but for the last layer, so that its whole road can be timed.

The last layer is fitted to what the bundled segmenter says of a few fields. It then finds about the same cells, roughly
outlined, and all that follows has its usual work: with weights that are all random it would find none, or one as large as the
field.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_wbc.images import read_image
from napari_wbc.nets import model_path
from napari_wbc.nets.checkpoint import DeepLab, read_card, save_checkpoint
from napari_wbc.nets.deeplab import STRIDE, DeepLabV3Plus
from napari_wbc.nets.segmenter import TorchSegmenter
from napari_wbc.pipeline import segment_cells
from napari_wbc.scale import to_analysis

SHARPER = 3.0
"""The fitted logits are multiplied by this, for a rough segmenter is less sure than a trained one, and doubt drops cells."""


def write_resnet(path: Path, fields: Sequence[Path]) -> None:
    """Write the model file; the last layer is fitted to the bundled segmenter on the fields."""
    torch.manual_seed(0)
    bundled = TorchSegmenter(model_path("default", "segmenter"), "cpu")
    inputs, targets = zip(*(_example(field, bundled) for field in fields), strict=True)
    network = DeepLabV3Plus("resnet50", 2).requires_grad_(False)
    _set_statistics(network, inputs)
    seen = list[Tensor]()
    hook = network.head.register_forward_pre_hook(lambda _, given: seen.append(given[0][0].flatten(1).T))
    for image in inputs:
        network(image)
    hook.remove()
    features = F.pad(torch.cat(seen), (0, 1), value=1.0)  # (pixels at stride 4, channels + 1)
    solution = SHARPER * torch.linalg.lstsq(features, torch.cat(targets), driver="gelsd").solution
    network.head.weight.copy_(solution[:-1].T[..., None, None])
    network.head.bias.copy_(solution[-1])  # type: ignore[union-attr]
    card = read_card(model_path("default", "segmenter"))
    save_checkpoint(
        path, network, card.model_copy(update={"name": "ResNet-50, random", "architecture": DeepLab(encoder="resnet50")})
    )


def _example(field: Path, bundled: TorchSegmenter) -> tuple[Tensor, Tensor]:
    """A field as input (1, 3, H, W), and the bundled segmenter's logits at stride 4, (pixels, 2)."""
    pixels = read_image(field).pixels
    image = to_analysis(pixels, segment_cells(pixels, bundled).scale.analysis_scale)
    height, width = (side // STRIDE * STRIDE for side in image.shape[:2])
    image = np.array(image[:height, :width])
    wanted = torch.from_numpy(bundled([image])[0])[None]
    return bundled.normalised(torch.from_numpy(image)[None]), F.avg_pool2d(wanted, 4).logit(0.02)[0].flatten(1).T


def _set_statistics(network: nn.Module, inputs: Sequence[Tensor]) -> None:
    """Let every BatchNorm have the mean and variance of what it sees, and leave the network in evaluation mode."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    network.train()
    for image in inputs:
        network(image)
    network.eval()
