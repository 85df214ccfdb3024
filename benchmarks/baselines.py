"""The networks that the paper's Table 1 compares with DeepLabv3+, each with one map of logits: SegNet, FCN-AlexNet, U-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_wbc.nets.alexnet import original_features
from napari_wbc.nets.deeplab import conv_bn


def convolutions(inputs: int, outputs: int, count: int) -> nn.Sequential:
    """`count` times a 3×3 convolution, BatchNorm, ReLU."""
    return nn.Sequential(*(conv_bn(inputs if i == 0 else outputs, outputs, 3) for i in range(count)))


class SegNet(nn.Module):
    """An encoder in the shape of VGG16, and its mirror image, which puts values back where the maxima were.

    Badrinarayanan et al. (IEEE TPAMI 39:2481, 2017).

    Parameters
    ----------
    width
        Channels of the first stage; 64 in the original. The later stages have 2, 4, 8 and 8 times as many.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        widths, counts = [width * k for k in (1, 2, 4, 8, 8)], (2, 2, 3, 3, 3)
        self.down = nn.ModuleList(
            convolutions(i, o, n) for i, o, n in zip([3, *widths[:-1]], widths, counts, strict=True)
        )  # fmt: skip
        self.up = nn.ModuleList(
            nn.Sequential(convolutions(i, i, n - 1), conv_bn(i, o, 3))
            for i, o, n in zip(widths, [width, *widths[:-1]], counts, strict=True)
        )
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images → (N, 1, H, W) logits, for any H and W from 32 on."""
        places: list[tuple[Tensor, torch.Size]] = []
        for stage in self.down:
            x = stage(x)
            size = x.shape
            x, indices = F.max_pool2d(x, 2, return_indices=True)
            places.append((indices, size))
        for stage, (indices, size) in zip(reversed(self.up), reversed(places), strict=True):
            x = stage(F.max_unpool2d(x, indices, [2, 2], output_size=size[2:]))
        out: Tensor = self.head(x)
        return out


class FCNAlexNet(nn.Module):
    """AlexNet's convolutions, its fully connected layers as convolutions, and one upsampling by 32.

    Shelhamer et al. (IEEE TPAMI 39:640, 2017): 100 px of padding, a kernel of 63 that starts bilinear, cut at 18 px. The
    BatchNorm before fc6 is ours: fresh layers do not learn from AlexNet's large last map (see `alexnet.AlexNet`).

    Parameters
    ----------
    width
        Channels of fc6 and fc7; 4096 in the original.
    """

    PADDING, STRIDE, KERNEL, OFFSET = 100, 32, 63, 18

    def __init__(self, width: int = 4096) -> None:
        super().__init__()
        self.encoder = original_features()
        self.fully = nn.Sequential(
            nn.BatchNorm2d(256, affine=False),
            nn.Conv2d(256, width, 6), nn.ReLU(inplace=True), nn.Dropout2d(),
            nn.Conv2d(width, width, 1), nn.ReLU(inplace=True), nn.Dropout2d(),
            nn.Conv2d(width, 1, 1),
        )  # fmt: skip
        self.upsample = nn.ConvTranspose2d(1, 1, self.KERNEL, self.STRIDE, bias=False)
        ramp = 1 - (torch.arange(self.KERNEL) - self.KERNEL // 2).abs() / self.STRIDE
        self.upsample.weight.data[0, 0] = ramp[:, None] * ramp

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images → (N, 1, H, W) logits, for any H and W."""
        height, width = x.shape[2:]
        # Up to 31 px more at the far sides, so that the last value lies beyond the image whatever its size.
        far = self.PADDING + self.STRIDE - 1
        y = self.fully(self.encoder(F.pad(x, (self.PADDING, far, self.PADDING, far))))
        out: Tensor = self.upsample(y)
        return out[..., self.OFFSET : self.OFFSET + height, self.OFFSET : self.OFFSET + width]


class UNet(nn.Module):
    """Four halvings, four doublings, and the maps of the way down joined on the way up.

    Ronneberger et al. (MICCAI 2015), with BatchNorm, and with convolutions that keep the size.

    Parameters
    ----------
    width
        Channels of the first stage; 64 in the original. They double at every halving.
    """

    STRIDE = 16

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        widths = [width << i for i in range(5)]
        self.down = nn.ModuleList(convolutions(i, o, 2) for i, o in zip([3, *widths[:-1]], widths, strict=True))
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(i, o, 2, 2) for i, o in pairs)
        self.up = nn.ModuleList(convolutions(2 * o, o, 2) for _, o in pairs)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images → (N, 1, H, W) logits, for any H and W."""
        height, width = x.shape[2:]
        x = F.pad(x, (0, -width % self.STRIDE, 0, -height % self.STRIDE), mode="replicate")
        passed: list[Tensor] = []
        for i, stage in enumerate(self.down):
            x = stage(F.max_pool2d(x, 2) if i else x)
            passed.append(x)
        for enlarge, stage, skipped in zip(self.enlarge, self.up, passed[-2::-1], strict=True):
            x = stage(torch.cat([skipped, enlarge(x)], dim=1))
        out: Tensor = self.head(x)
        return out[..., :height, :width]
