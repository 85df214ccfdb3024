"""Start weights, and the encoder that they need: a ResNet-50's strides are where its weights were trained with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torchvision.models._api import WeightsEnum

from napari_wbc.errors import CheckpointError, UsageError
from napari_wbc.nets.checkpoint import DeepLab
from napari_wbc.nets.deeplab import DeepLabV3Plus
from napari_wbc.training import begin as module
from napari_wbc.training.begin import begin
from napari_wbc.training.recipes import SegmenterRecipe, make_recipe
from napari_wbc.training.segmenter_job import SegmenterJob
from napari_wbc.training.sources import open_sources
from tests.training.drawn import corrected

PAPER = make_recipe("segmenter", "paper", {})
V1, V2 = "ResNet50_Weights.IMAGENET1K_V1", "ResNet50_Weights.IMAGENET1K_V2"


def npz(folder: Path, **arrays: Any) -> str:
    np.savez(folder / "resnet.npz", **{"conv1.weight": np.zeros((64, 3, 7, 7), np.float32)}, **arrays)
    return str(folder / "resnet.npz")


@pytest.mark.parametrize(("mark", "encoder"), [(True, "resnet50_stride_on_1x1"), (False, "resnet50")])
def test_a_file_says_where_its_strides_are(tmp_path: Path, mark: bool, encoder: str) -> None:
    start = begin("segmenter", PAPER, None, npz(tmp_path, stride_on_1x1=np.array(mark)))
    assert start.encoder == encoder
    assert start.tensors is not None
    assert list(start.tensors) == ["conv1.weight"], "the mark is no weight"
    assert start.described.endswith(f"strides on the {'1×1' if mark else '3×3'} convolutions")


def test_a_file_that_does_not_say_it_needs_the_users_word(tmp_path: Path) -> None:
    file = npz(tmp_path)
    with pytest.raises(UsageError, match=r"resnet\.npz does not say.*--set encoder=resnet50_stride_on_1x1"):
        begin("segmenter", PAPER, None, file)
    for encoder in ("resnet50", "resnet50_stride_on_1x1"):
        assert begin("segmenter", make_recipe("segmenter", "paper", {"encoder": encoder}), None, file).encoder == encoder


def test_the_users_word_against_that_of_the_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "torchvision_weights", lambda name: {})
    on_1x1 = make_recipe("segmenter", "paper", {"encoder": "resnet50_stride_on_1x1"})
    for weights in (V1, V2):
        with pytest.raises(UsageError, match="need the encoder resnet50, and the recipe says resnet50_stride_on_1x1"):
            begin("segmenter", on_1x1, None, weights)
        assert begin("segmenter", PAPER, None, weights).encoder == "resnet50"
    on_3x3 = make_recipe("segmenter", "paper", {"encoder": "resnet50"})
    with pytest.raises(UsageError, match="need the encoder resnet50_stride_on_1x1"):
        begin("segmenter", on_3x3, None, npz(tmp_path, stride_on_1x1=np.array(True)))


def test_random_weights_take_any_encoder_and_a_classifier_has_none() -> None:
    assert begin("segmenter", PAPER, None, "none").encoder == "resnet50"
    for encoder in ("mobilenet_v2", "resnet50_stride_on_1x1"):
        assert begin("segmenter", make_recipe("segmenter", "paper", {"encoder": encoder}), None, "none").encoder == encoder
    assert begin("classifier", make_recipe("classifier", "paper", {}), None, "none").encoder is None


def test_the_card_records_the_encoder_that_is_trained(tmp_path: Path) -> None:
    recipe = make_recipe("segmenter", "paper", {"encoder": "resnet50_stride_on_1x1", "field_px": "64"})
    assert isinstance(recipe, SegmenterRecipe)
    job = SegmenterJob(recipe, begin("segmenter", recipe, None, "none"))
    network, card = job.network(job.items(open_sources([corrected(tmp_path, ("s/a.png", "s/b.png"))])))
    assert isinstance(network, DeepLabV3Plus)
    assert isinstance(card.architecture, DeepLab)
    assert card.architecture.encoder == "resnet50_stride_on_1x1"
    assert network.encoder.get_submodule("layer2.0.conv1").stride == (2, 2)  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("damage", ["half", "a byte", "empty", "one array"])
def test_damaged_start_weights_are_refused(tmp_path: Path, damage: str) -> None:
    path = Path(npz(tmp_path))
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes({"half": data[:middle], "a byte": data[:middle] + b"x" + data[middle + 1 :]}.get(damage, b""))
    if damage == "one array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    with pytest.raises(CheckpointError, match=r"Cannot read start weights from .*resnet\.npz"):
        begin("segmenter", PAPER, None, str(path))


@pytest.mark.parametrize("name", ["nosuch", "", "weights.pt"])
def test_what_is_no_start_weights_says_what_is(name: str) -> None:
    with pytest.raises(CheckpointError, match=rf"no start weights '{name}'.*\.npz.*ResNet50_Weights\.IMAGENET1K_V2.*none\.$"):
        begin("segmenter", PAPER, None, name)


def test_weights_that_torchvision_does_not_have_or_that_came_damaged_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match=r"torchvision's weights 'ResNet50_Weights\.IMAGENET'"):
        begin("segmenter", PAPER, None, "ResNet50_Weights.IMAGENET")

    def fetch(self: WeightsEnum, **options: object) -> None:
        raise RuntimeError('invalid hash value (expected "a", got "b")')

    monkeypatch.setattr(WeightsEnum, "get_state_dict", fetch)
    with pytest.raises(CheckpointError, match="invalid hash value"):
        begin("segmenter", PAPER, None, V1)
