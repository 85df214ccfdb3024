"""AlexNet (Krizhevsky et al., 2012) for crops of 227 × 227, in its original form and in torchvision's widths."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CROP_SIZE_PX = 227
LARGEST_CROP_PX = 254
"""Of crops from `CROP_SIZE_PX` to this, both forms make a last map of 6 × 6."""


class LocalResponseNorm(nn.Module):
    """Local response normalisation over five neighbouring channels, as `torch.nn.LocalResponseNorm(5, 5e-4, 0.75, 2)` has it.

    The sum over neighbours is a 1×1 convolution with a band matrix, which is several times quicker on CPUs than torch's own
    three-dimensional pooling, and works in bfloat16.
    """

    size, alpha, k = 5, 5e-4, 2.0

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H, W): x ÷ (k + α ÷ size × Σ x²)^0.75."""
        channel = torch.arange(x.shape[1], device=x.device)
        band = ((channel[:, None] - channel).abs() <= self.size // 2).to(x.dtype)[:, :, None, None]  # (C, C, 1, 1)
        root = F.conv2d(x * x, band).mul(self.alpha / self.size).add(self.k).rsqrt()
        return x * (root * root.sqrt())


def original_features() -> nn.Sequential:
    """The five convolutions of Caffe's and MATLAB's AlexNet, grouped, with local response normalisation."""
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, 4), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2), LocalResponseNorm(),
        nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2), LocalResponseNorm(),
        nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
    )  # fmt: skip


def torchvision_features() -> nn.Sequential:
    """The five convolutions in the widths of "one weird trick" (Krizhevsky, 2014), as torchvision has them."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
    )  # fmt: skip


ROWS = 8
"""In evaluation fully connected layers get a multiple of so many rows, for last digits depend on how many there are."""
FEATURES = {"original": original_features, "torchvision": torchvision_features}


class AlexNet(nn.Module):
    """Five convolutions and three fully connected layers.

    Parameters
    ----------
    form
        `original` (the paper's network) or `torchvision`.
    width
        Width of fc6 and fc7; 4096 in the original.
    outputs
        Number of logits.
    feature_scale
        The last feature map is multiplied by this, so that fresh layers see values of unit size; a stored constant.
    """

    def __init__(self, form: str = "original", width: int = 4096, outputs: int = 5, feature_scale: float = 1.0) -> None:
        super().__init__()
        self.features = FEATURES[form]()
        self.feature_scale = feature_scale
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(256 * 6 * 6, width), nn.ReLU(inplace=True),
            nn.Dropout(), nn.Linear(width, width), nn.ReLU(inplace=True),
            nn.Linear(width, outputs),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 227, 227) normalised crops → (N, outputs) logits."""
        y = (self.features(x) * self.feature_scale).flatten(1)  # (N, 256 · 6 · 6)
        rows = 0 if self.training else -len(y) % ROWS
        out: Tensor = self.classifier(F.pad(y, (0, 0, 0, rows)))
        return out[: len(y)]
