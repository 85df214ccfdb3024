"""DeepLabv3+ with depthwise separable ASPP and decoder (Chen et al., ECCV 2018)."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F

from ..cells import Box, Mask
from .encoders import ENCODERS

CHANNELS = 256
LOW_CHANNELS = 48
RATES = (6, 12, 18)
STRIDE = 16
RATIO = 4
"""Stride 16 ÷ stride 4 of the map that the decoder joins."""
REACH = 2
"""The decoder sees so many pixels of its map to either side."""
UNSEEN = -20.0
"""Logit of what the decoder did not look at."""
MOST_SEEN = 0.7
"""From this share of an image on, boxes save nothing."""


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

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList([conv_bn(inputs, CHANNELS), *(separable(inputs, CHANNELS, rate) for rate in RATES)])
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(inputs, CHANNELS, 1), nn.ReLU(inplace=True))
        self.project = conv_bn(CHANNELS * (len(RATES) + 2), CHANNELS)
        for name, weight in self.branches.named_parameters():
            if name.endswith("0.0.weight") and weight.shape[-1] == 3:
                # Begin as the identity: at rate 18 the outer taps lie outside of a training window and would stay random.
                nn.init.dirac_(weight, groups=inputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) → (N, CHANNELS, h, w)."""
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

    def forward(self, x: Tensor, glance: float | None = None) -> Tensor:
        """(N, 3, H, W) normalised images → (N, outputs, H, W) logits, for any H and W.

        With a `glance` the decoder works only round where it sees a first logit of at least that much at first glance, at
        stride 16; elsewhere logits are `UNSEEN`.
        """
        height, width = x.shape[2:]
        # Whole strides only: else the maps would be stretched by their last, partial column and outlines would shift.
        x = F.pad(x, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        low, deep = self.encoder(x)
        low, deep = self.low(low), self.aspp(deep)
        wide = F.interpolate(deep, size=low.shape[2:], mode="bilinear", align_corners=False)
        y = self._decode(wide, low) if glance is None else self._decode_seen(wide, low, deep, glance)  # (N, outputs, H/4, W/4)
        if not torch.is_grad_enabled():
            y = y.float().contiguous()  # plain float32 maps are enlarged several times quicker than bfloat16 by channel
        y = F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)
        return y[..., :height, :width]

    def _decode(self, deep: Tensor, low: Tensor) -> Tensor:
        """Logits of two maps of one size."""
        logits: Tensor = self.head(self.decoder(torch.cat([deep, low], dim=1)))
        return logits

    def _decode_seen(self, wide: Tensor, low: Tensor, deep: Tensor, glance: float) -> Tensor:
        """As `_decode` of the first two, round where `_decode` of the maps at stride 16 says `glance` or more."""
        look = self._decode(deep, F.avg_pool2d(low, RATIO))  # (N, outputs, H/16, W/16)
        boxes = boxes_round((look[:, 0] >= glance).any(dim=0).cpu().numpy())
        if sum(box.height * box.width for box in boxes) > MOST_SEEN * look[0, 0].numel():
            return self._decode(wide, low)
        y = look.new_full((*look.shape[:2], *low.shape[2:]), UNSEEN)
        for box in boxes:
            y0, x0, y1, x1 = (RATIO * side for side in box)
            top, left = max(0, y0 - REACH), max(0, x0 - REACH)
            part = (..., slice(top, y1 + REACH), slice(left, x1 + REACH))
            y[..., y0:y1, x0:x1] = self._decode(wide[part], low[part])[..., y0 - top : y1 - top, x0 - left : x1 - left]
        return y


def boxes_round(seen: Mask) -> list[Box]:
    """Boxes round the 8-connected parts of a mask (h, w), each part with a rim of one pixel."""
    square = np.ones((3, 3), dtype=bool)
    parts, _ = ndimage.label(ndimage.binary_dilation(seen, square), square)
    return [Box(rows.start, columns.start, rows.stop, columns.stop) for rows, columns in ndimage.find_objects(parts)]
