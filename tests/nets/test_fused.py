"""Fused convolutions compute what the plain network computes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from napari_wbc.nets.alexnet import AlexNet
from napari_wbc.nets.deeplab import DeepLabV3Plus, separable
from napari_wbc.nets.fused import FarDepthwise, FusedConv, fuse, fusible
from napari_wbc.nets.loaded import computes_bfloat16, fold_batchnorm

pytestmark = pytest.mark.skipif(
    not fusible(torch.device("cpu")), reason="needs an x86 processor and a torch that has oneDNN's operators"
)

NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int]]] = {
    "mobilenet_v2": (lambda: DeepLabV3Plus("mobilenet_v2", 2), (97, 131)),
    "resnet50": (lambda: DeepLabV3Plus("resnet50", 2), (65, 48)),
    "alexnet": (lambda: AlexNet("original", 16), (227, 227)),
}


def two(
    build: Callable[[], nn.Module], dtype: torch.dtype = torch.float32, side: int | None = 227
) -> tuple[nn.Module, nn.Module]:
    """The same network, plain and fused; weights laid out for images of that side, or at each call."""
    networks = []
    for _ in range(2):
        torch.manual_seed(0)
        network = fold_batchnorm(build().eval().requires_grad_(False))
        networks.append(network.to(memory_format=torch.channels_last).to(dtype))
    return networks[0], fuse(networks[1], None if side is None else torch.zeros(1, 3, side, side, dtype=dtype))


def images(n: int, size: tuple[int, int], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(n, 3, *size).to(dtype).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("side", [227, None])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_function_stays(name: str, side: int | None) -> None:
    build, size = NETWORKS[name]
    plain, fused = two(build, side=side)
    x = images(2, size)
    with torch.inference_mode():
        torch.testing.assert_close(fused(x), plain(x), atol=1e-5, rtol=1e-3)
    assert not any(isinstance(module, nn.Conv2d | nn.ReLU6) for module in fused.modules())
    convolutions = [module for module in fused.modules() if isinstance(module, FusedConv)]
    assert convolutions
    assert all(module._weight.is_mkldnn == (side is not None) for module in convolutions)


@pytest.mark.skipif(not computes_bfloat16(torch.device("cpu")), reason="this processor does not compute in bfloat16")
def test_a_batch_gives_the_bits_of_its_images_alone() -> None:
    _, fused = two(NETWORKS["mobilenet_v2"][0], torch.bfloat16)
    x = images(3, (64, 80), torch.bfloat16)
    with torch.inference_mode():
        together = fused(x)
        for i in range(3):
            assert torch.equal(fused(x[i : i + 1])[0], together[i])


@pytest.mark.parametrize("size", [(5, 7), (14, 19), (40, 13)])
@pytest.mark.parametrize("rate", [6, 12])
def test_far_taps_are_a_dilated_depthwise_convolution(size: tuple[int, int], rate: int) -> None:
    torch.manual_seed(0)
    layer = fold_batchnorm(separable(6, 6, dilation=rate).eval().requires_grad_(False))[0]
    x = torch.randn(2, 6, *size)
    torch.testing.assert_close(FarDepthwise(layer[0])(x), layer(x))
