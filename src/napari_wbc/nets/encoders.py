"""ImageNet encoders with output stride 16: ResNet-50 and MobileNetV2.

Written out here because importing torchvision for them costs two seconds of every start. Names of parameters are torchvision's,
so its state dicts load; the tests compare outputs with torchvision's networks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn


class Encoder(nn.Module):
    """An encoder gives a low-level map at stride 4 and a deep map at stride 16."""

    low_channels: int
    deep_channels: int

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) → (N, low_channels, H/4, W/4), (N, deep_channels, H/16, W/16)."""
        raise NotImplementedError


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1 convolutions with a shortcut (He et al., 2016).

    The stride is on the first convolution (`stride_on_1x1`, the original) or on the second (torchvision's "v1.5").
    """

    def __init__(self, inputs: int, width: int, stride: int, dilation: int, stride_on_1x1: bool) -> None:
        super().__init__()
        outputs = 4 * width
        first, second = (stride, 1) if stride_on_1x1 else (1, stride)
        self.conv1 = nn.Conv2d(inputs, width, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, second, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) → (N, 4 width, H/stride, W/stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        out: Tensor = self.relu(y + (x if self.downsample is None else self.downsample(x)))
        return out


class ResNet50(Encoder):
    """ResNet-50, its last stage dilated instead of strided (He et al., 2016; Chen et al., 2018).

    Parameters
    ----------
    stride_on_1x1
        Where the strides of `layer2` and `layer3` are: weights work only with the place they were trained with.
    """

    low_channels, deep_channels = 256, 2048

    def __init__(self, stride_on_1x1: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._layer(64, 64, 3, 1, (1, 1), stride_on_1x1)
        self.layer2 = self._layer(256, 128, 4, 2, (1, 1), stride_on_1x1)
        self.layer3 = self._layer(512, 256, 6, 2, (1, 1), stride_on_1x1)
        self.layer4 = self._layer(1024, 512, 3, 1, (1, 2), stride_on_1x1)

    @staticmethod
    def _layer(inputs: int, width: int, blocks: int, stride: int, dilation: tuple[int, int], on_1x1: bool) -> nn.Sequential:
        first = Bottleneck(inputs, width, stride, dilation[0], on_1x1)
        return nn.Sequential(first, *(Bottleneck(4 * width, width, 1, dilation[1], on_1x1) for _ in range(blocks - 1)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `Encoder`."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # (N, 64, H/4, W/4)
        low = self.layer1(x)  # (N, 256, H/4, W/4)
        return low, self.layer4(self.layer3(self.layer2(low)))


def _conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Sequential:
    padding = (kernel - 1) // 2 * dilation
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """Expand, depthwise convolution, project (Sandler et al., 2018)."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int, dilation: int = 1) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = [] if expansion == 1 else [_conv_bn(inputs, hidden, 1)]
        layers.append(_conv_bn(hidden, hidden, 3, stride, groups=hidden, dilation=dilation))
        layers += [nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.conv = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) → (N, outputs, H/stride, W/stride)."""
        y: Tensor = self.conv(x)
        return x + y if self.shortcut else y


class MobileNetV2(Encoder):
    """MobileNetV2's 17 blocks, those after the fourth reduction dilated instead of strided (Sandler et al., 2018).

    The list of blocks is `features[:18]` of torchvision's network.
    """

    low_channels, deep_channels = 24, 320
    # expansion, channels, blocks, stride, dilation of the first block and of the others
    STAGES = (
        (1, 16, 1, 1, 1, 1),
        (6, 24, 2, 2, 1, 1),
        (6, 32, 3, 2, 1, 1),
        (6, 64, 4, 2, 1, 1),
        (6, 96, 3, 1, 1, 1),
        (6, 160, 3, 1, 1, 2),  # its stride of 2 is removed, so all later blocks are dilated
        (6, 320, 1, 1, 2, 2),
    )
    LOW = 4
    """Number of leading blocks that end at stride 4."""

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = [_conv_bn(3, 32, 3, 2)]
        inputs = 32
        for expansion, outputs, count, stride, first, others in self.STAGES:
            for i in range(count):
                step, dilation = (stride, first) if i == 0 else (1, others)
                blocks.append(InvertedResidual(inputs, outputs, step, expansion, dilation))
                inputs = outputs
        self.features = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `Encoder`."""
        low = self.features[: self.LOW](x)
        return low, self.features[self.LOW :](low)


EncoderName = Literal["resnet50", "resnet50_stride_on_1x1", "mobilenet_v2"]
"""What cards and recipes may call an encoder."""
ENCODERS: dict[str, Callable[[], Encoder]] = {
    "resnet50": ResNet50,
    "resnet50_stride_on_1x1": lambda: ResNet50(stride_on_1x1=True),
    "mobilenet_v2": MobileNetV2,
}
"""Encoders by name."""
