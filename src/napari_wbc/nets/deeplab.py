"""DeepLabv3+ with depthwise separable ASPP and decoder (Chen et al., ECCV 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .encoders import ENCODERS

CHANNELS = 256
LOW_CHANNELS = 48
RATES = (6, 12, 18)
STRIDE = 16


def conv_bn(inputs: int, outputs: int, kernel: int = 1, dilation: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution that keeps the size, BatchNorm, ReLU."""
    padding = (kernel - 1) // 2 * dilation
    conv = nn.Conv2d(inputs, outputs, kernel, 1, padding, dilation, groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def separable(inputs: int, outputs: int, dilation: int = 1) -> nn.Sequential:
    """A 3×3 depthwise convolution, then a 1×1 one."""
    return nn.Sequential(conv_bn(inputs, inputs, 3, dilation, groups=inputs), conv_bn(inputs, outputs))


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: 1×1, three dilated 3×3 convolutions, and the mean over the image.

    The branch of the mean has no BatchNorm: it would see one value per image.
    """

    def __init__(self, inputs: int, outputs: int = CHANNELS) -> None:
        super().__init__()
        self.branches = nn.ModuleList([conv_bn(inputs, outputs), *(separable(inputs, outputs, rate) for rate in RATES)])
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(inputs, outputs, 1), nn.ReLU(inplace=True))
        self.project = conv_bn(outputs * (len(RATES) + 2), outputs)
        for name, weight in self.branches.named_parameters():
            if name.endswith("0.0.weight") and weight.shape[-1] == 3:
                # Begin as the identity: at rate 18 the outer taps lie outside of a training window and would stay random.
                nn.init.dirac_(weight, groups=inputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) → (N, outputs, h, w)."""
        pooled = self.pool(x).expand(-1, -1, *x.shape[2:])
        out: Tensor = self.project(torch.cat([*(branch(x) for branch in self.branches), pooled], dim=1))
        return out


class DeepLabV3Plus(nn.Module):
    """Encoder, ASPP, and a decoder that joins a low-level map at stride 4.

    Parameters
    ----------
    encoder
        A name in `encoders.ENCODERS`.
    outputs
        Number of logit maps. Each is a two-class softmax of its own, written as the difference of its two logits, so that
        its sigmoid is the probability of the foreground.
    """

    def __init__(self, encoder: str, outputs: int) -> None:
        super().__init__()
        self.encoder = ENCODERS[encoder]()
        self.aspp = ASPP(self.encoder.deep_channels)
        self.low = conv_bn(self.encoder.low_channels, LOW_CHANNELS)
        self.decoder = nn.Sequential(separable(CHANNELS + LOW_CHANNELS, CHANNELS), separable(CHANNELS, CHANNELS))
        self.head = nn.Conv2d(CHANNELS, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images → (N, outputs, H, W) logits, for any H and W."""
        height, width = x.shape[2:]
        # Whole strides only: else the maps would be stretched by their last, partial column and outlines would shift.
        x = F.pad(x, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        low, deep = self.encoder(x)
        deep = F.interpolate(self.aspp(deep), size=low.shape[2:], mode="bilinear", align_corners=False)
        y = self.head(self.decoder(torch.cat([deep, self.low(low)], dim=1)))  # (N, outputs, H/4, W/4)
        if not torch.is_grad_enabled():
            y = y.float().contiguous()  # plain float32 maps are enlarged several times quicker than bfloat16 by channel
        y = F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)
        return y[..., :height, :width]
