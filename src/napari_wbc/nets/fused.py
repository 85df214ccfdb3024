"""A network as x86 processors compute it quickest. The function stays the same; so do the numbers, up to their last digits."""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[type[nn.Module], tuple[str, list[float]]] = {nn.ReLU: ("relu", []), nn.ReLU6: ("hardtanh", [0.0, 6.0])}
"""Activations that oneDNN applies before a result is stored: its names for them, and their bounds."""
FAR = 6
"""From this dilation on, oneDNN has no quick depthwise convolution."""


def fusible(device: torch.device) -> bool:
    """Whether this processor and this torch have the operators: x86, with oneDNN."""
    operators = (torch.ops.mkldnn, "_convolution_pointwise"), (torch._C._nn, "mkldnn_reorder_conv2d_weight")
    x86 = device.type == "cpu" and platform.machine().lower() in ("x86_64", "amd64")
    return x86 and torch._C._has_mkldnn and all(hasattr(*operator) for operator in operators)


def fuse(network: nn.Module, example: Tensor | None) -> nn.Module:
    """Replace every convolution, and the activation that directly follows it in a sequence, in place.

    What is only an identity, as a folded BatchNorm leaves it, goes.

    Parameters
    ----------
    example
        (1, 3, H, W), an input: weights are laid out once, for maps of its sizes. None: at each call. That is right in float32
        where sizes vary: oneDNN's layout varies with them, and it is slow to change one, but quick to lay plain weights out.
    """
    _replace(network)
    if example is not None:
        for module in network.modules():
            if isinstance(module, FusedConv):
                module.packed = False
        with torch.inference_mode():
            network(example)
    return network


def _replace(network: nn.Module) -> None:
    for name, child in list(network.named_children()):
        if isinstance(child, nn.Sequential):
            child = _fused_sequence(child)
            setattr(network, name, child)
        if isinstance(child, nn.Conv2d):
            setattr(network, name, _fused(child, None))
        else:
            _replace(child)


def _fused_sequence(sequence: nn.Sequential) -> nn.Sequential:
    """The sequence with its convolutions replaced, those in sequences within it apart."""
    modules = [module for module in sequence if not isinstance(module, nn.Identity)]
    kept: list[nn.Module] = []
    while modules:
        module = modules.pop(0)
        if isinstance(module, nn.Conv2d):
            activation = modules.pop(0) if modules and type(modules[0]) in ACTIVATIONS else None
            module = _fused(module, activation)
        kept.append(module)
    return nn.Sequential(*kept)


def _fused(conv: nn.Conv2d, activation: nn.Module | None) -> nn.Module:
    size, stride, padding, dilation, channels = conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.out_channels
    same = size == (3, 3) and stride == (1, 1) and padding == dilation and dilation[0] == dilation[1]
    if same and dilation[0] >= FAR and conv.groups == conv.in_channels == channels and isinstance(activation, nn.ReLU):
        return FarDepthwise(conv)
    return FusedConv(conv, activation)


class FusedConv(nn.Module):
    """A convolution and its activation in one step, for inference, by the operator that torch's own compiler takes for them.

    The result is stored once instead of twice. Where `packed` is set to False, the next input has the weights put in oneDNN's
    layout for it once, instead of at each call.
    """

    def __init__(self, conv: nn.Conv2d, activation: nn.Module | None) -> None:
        super().__init__()
        self._name, self._bounds = ("none", list[float]()) if activation is None else ACTIVATIONS[type(activation)]
        self._padding, self._stride, self._dilation = (list(map(int, v)) for v in (conv.padding, conv.stride, conv.dilation))
        self._groups, self._bias = conv.groups, conv.bias
        self._weight, self.packed = conv.weight.detach(), True

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) → (N, outputs, h, w)."""
        geometry = self._padding, self._stride, self._dilation, self._groups
        if not self.packed:
            pack: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
            self._weight, self.packed = pack(self._weight.contiguous().to_mkldnn(), *geometry, list(x.shape)), True
        out: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self._weight, self._bias, *geometry, self._name, self._bounds, ""
        )
        return out


class FarDepthwise(nn.Module):
    """A depthwise 3×3 convolution whose taps lie far apart, and its ReLU: the sum of nine shifted maps, in float32.

    Most taps lie outside of the map, and they cost nothing here.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self._rate = int(conv.dilation[0])
        self._taps = conv.weight.detach().float().squeeze(1).permute(1, 2, 0).contiguous()  # (3, 3, C)
        self._bias = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias.detach().float()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H, W), channels last."""
        maps = x.permute(0, 2, 3, 1).float()  # (N, H, W, C)
        total = torch.addcmul(self._bias, maps, self._taps[1, 1])
        shifts = [(i, j, (i - 1) * self._rate, (j - 1) * self._rate) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
        for i, j, down, right in shifts:
            (to_y, from_y), (to_x, from_x) = _overlap(down, maps.shape[1]), _overlap(right, maps.shape[2])
            total[:, to_y, to_x].addcmul_(maps[:, from_y, from_x], self._taps[i, j])
        return total.relu_().to(x.dtype).permute(0, 3, 1, 2)


def _overlap(shift: int, side: int) -> tuple[slice, slice]:
    """Where pixels i have a neighbour i + shift along a side, and where these neighbours are."""
    length = max(0, side - abs(shift))
    first = max(0, -shift)
    return slice(first, first + length), slice(first + shift, first + shift + length)
