"""The networks: shapes, parameter counts, torchvision as reference, and one layer each checked by hand."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from napari_wbc.nets import loaded, model_path
from napari_wbc.nets.alexnet import AlexNet, LocalResponseNorm
from napari_wbc.nets.deeplab import DeepLabV3Plus, separable
from napari_wbc.nets.encoders import ENCODERS, MobileNetV2, ResNet50
from napari_wbc.nets.loaded import fold_batchnorm
from napari_wbc.nets.segmenter import TorchSegmenter


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("encoder", "count"), [("resnet50", 26_690_994), ("mobilenet_v2", 2_714_674)])
def test_parameter_counts_of_deeplab(encoder: str, count: int) -> None:
    assert parameters(DeepLabV3Plus(encoder, 2)) == count


@pytest.mark.parametrize("form", ["original", "torchvision"])
def test_parameter_counts_of_alexnet(form: str) -> None:
    convolutions = {"original": 2_334_080, "torchvision": 2_469_696}[form]
    for width in (512, 4096):
        dense = 9216 * width + width + width * width + width + width * 5 + 5
        assert parameters(AlexNet(form, width)) == convolutions + dense
    if form == "torchvision":
        reference = torchvision.models.alexnet()
        assert parameters(AlexNet(form, 4096, 1000)) == parameters(reference)


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@pytest.mark.parametrize("size", [(64, 96), (97, 131), (1, 1), (17, 300)])
def test_deeplab_gives_a_map_of_the_size_of_its_input(encoder: str, size: tuple[int, int]) -> None:
    network = DeepLabV3Plus(encoder, 2).eval()
    with torch.inference_mode():
        low, deep = network.encoder(torch.rand(1, 3, *size))
        assert network(torch.rand(1, 3, *size)).shape == (1, 2, *size)
    assert low.shape[1:] == (network.encoder.low_channels, -(-size[0] // 4), -(-size[1] // 4))
    assert deep.shape[1:] == (network.encoder.deep_channels, -(-size[0] // 16), -(-size[1] // 16))


def test_resnet50_is_torchvisions_with_a_dilated_last_stage() -> None:
    torch.manual_seed(0)
    reference = torchvision.models.resnet50(replace_stride_with_dilation=[False, False, True]).eval()
    ours = ResNet50().eval()
    ours.load_state_dict({k: v for k, v in reference.state_dict().items() if not k.startswith("fc.")})
    x = torch.rand(1, 3, 96, 64)
    with torch.inference_mode():
        body = torch.nn.Sequential(*list(reference.children())[:-2])
        torch.testing.assert_close(ours(x)[1], body(x))
        torch.testing.assert_close(ours(x)[0], body[:5](x))


def test_where_the_stride_is_matters() -> None:
    torch.manual_seed(0)
    on_3x3, on_1x1 = ResNet50(False).eval(), ResNet50(True).eval()
    on_1x1.load_state_dict(on_3x3.state_dict())
    assert on_1x1.layer2[0].conv1.stride == (2, 2)
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert on_1x1(x)[1].shape == on_3x3(x)[1].shape
        assert not torch.allclose(on_1x1(x)[1], on_3x3(x)[1])


def test_mobilenet_v2_is_torchvisions_with_a_dilated_last_stage() -> None:
    torch.manual_seed(0)
    reference = torchvision.models.mobilenet_v2().features[:18].eval()
    ours = MobileNetV2().eval()
    ours.features.load_state_dict(reference.state_dict())
    reference[14].conv[1][0].stride = (1, 1)
    for block in (15, 16, 17):
        depthwise = reference[block].conv[1][0]
        depthwise.dilation = depthwise.padding = (2, 2)
    x = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x)[1], reference(x))
        torch.testing.assert_close(ours(x)[0], reference[:4](x))


def test_torchvision_form_is_torchvisions_alexnet() -> None:
    torch.manual_seed(0)
    reference = torchvision.models.alexnet().eval()
    ours = AlexNet("torchvision", 4096, 1000).eval()
    ours.load_state_dict(reference.state_dict(), strict=False)
    ours.classifier[1].load_state_dict(reference.classifier[1].state_dict())
    ours.classifier[4].load_state_dict(reference.classifier[4].state_dict())
    ours.classifier[6].load_state_dict(reference.classifier[6].state_dict())
    x = torch.rand(2, 3, 227, 227)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), reference(x))


@pytest.mark.parametrize("encoder", ["resnet50", "mobilenet_v2"])
def test_folding_batchnorm_keeps_the_function(encoder: str) -> None:
    torch.manual_seed(0)
    network = DeepLabV3Plus(encoder, 2).train()
    x = torch.rand(2, 3, 64, 64)
    network(x)  # statistics that are not 0 and 1
    network.eval()
    with torch.inference_mode():
        before = network(x)
        after = fold_batchnorm(network)(x)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)


def test_outlines_do_not_shift_where_a_side_is_no_multiple_of_the_stride() -> None:
    """The map of a part is the map of the whole there: nothing is stretched to the odd size."""
    torch.manual_seed(0)
    network = DeepLabV3Plus("mobilenet_v2", 1).eval()
    with torch.inference_mode():
        x = torch.zeros(1, 3, 33, 50)
        x[..., 20:30, 30:40] = 1
        padded = torch.nn.functional.pad(x, (0, 14, 0, 15), mode="replicate")
        torch.testing.assert_close(network(x), network(padded)[..., :33, :50])


def test_separable_convolution_by_hand() -> None:
    """One channel, dilation 2: the sum of the nine pixels two apart, doubled by the 1×1 convolution."""
    layer = separable(1, 1, dilation=2).eval()
    for block, value in ((layer[0], 1.0), (layer[1], 2.0)):
        torch.nn.init.constant_(block[0].weight, value)
        block[1].eps = 0.0
    x = torch.arange(49.0).reshape(1, 1, 7, 7)
    expected = 2 * sum(x[0, 0, 3 + dy, 3 + dx] for dy in (-2, 0, 2) for dx in (-2, 0, 2))
    with torch.inference_mode():
        assert layer(x)[0, 0, 3, 3] == expected == 432


def test_local_response_normalisation_by_hand() -> None:
    """Krizhevsky's formula with k = 2, n = 5, alpha = 5e-4 / 5 per term, beta = 0.75, at the first of 96 channels."""
    norm = AlexNet("original", 8).features[3]
    x = torch.arange(1.0, 97.0).reshape(1, 96, 1, 1)
    total = 1.0 + 4.0 + 9.0
    assert norm(x)[0, 0, 0, 0].item() == pytest.approx(1.0 / (2 + 5e-4 / 5 * total) ** 0.75, rel=1e-6)


@pytest.mark.parametrize("channels", [3, 96])
def test_local_response_normalisation_is_torchs(channels: int) -> None:
    x = 30 * torch.rand(2, channels, 5, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(LocalResponseNorm()(x), nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0)(x))


def test_original_alexnet_is_grouped_and_gives_a_256_6_6_map() -> None:
    network = AlexNet("original", 8)
    assert [m.groups for m in network.features if isinstance(m, torch.nn.Conv2d)] == [1, 2, 1, 2, 2]
    with torch.inference_mode():
        assert network.features(torch.rand(1, 3, 227, 227)).shape == (1, 256, 6, 6)


def test_feature_scale_multiplies_the_last_map() -> None:
    torch.manual_seed(0)
    one = AlexNet("original", 8, feature_scale=1.0).eval()
    half = AlexNet("original", 8, feature_scale=0.5).eval()
    half.load_state_dict(one.state_dict())
    with torch.no_grad():
        half.classifier[1].weight *= 2
        x = torch.rand(1, 3, 227, 227)
        torch.testing.assert_close(half(x), one(x))


def test_networks_on_mps_compute_one_after_the_other() -> None:
    network = TorchSegmenter(model_path("default", "segmenter"), "cpu")
    with network._running():
        assert not loaded._ONE_AT_A_TIME.locked()
    network._device = torch.device("mps")
    with network._running():
        assert loaded._ONE_AT_A_TIME.locked()
    assert not loaded._ONE_AT_A_TIME.locked()
