"""What is trained: windows agree with their truth, unknown pixels cost nothing, losses by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_wbc.cells import Box, Probabilities, RgbImage
from napari_wbc.nets.deeplab import DeepLabV3Plus
from napari_wbc.tiling import TILE_PX
from napari_wbc.training import segmentation, segmenter_job
from napari_wbc.training.augment import MINUS_ONE_TO_ONE
from napari_wbc.training.begin import begin
from napari_wbc.training.classification import ClassifierTask, NamedCell
from napari_wbc.training.data import IGNORE, Sample, cut_patches, depth_map
from napari_wbc.training.folders import Item
from napari_wbc.training.recipes import RECIPES
from napari_wbc.training.segmentation import SegmenterTask
from napari_wbc.training.segmenter_job import SegmenterJob


class Constant(nn.Module):
    """Logits that are the same everywhere."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, x: Tensor) -> Tensor:
        return self.value.expand(len(x), 2, *x.shape[2:])


def one_disc() -> Sample:
    y, x = np.indices((150, 200))
    labels = (np.hypot(y - 75, x - 100) <= 30).astype(np.int32)
    image = np.full((150, 200, 3), 220, np.uint8)
    image[labels > 0] = 20
    return Sample(image, labels, depth_map(labels), "a")


def task(model: nn.Module, sample: Sample) -> SegmenterTask:
    return SegmenterTask(
        model, [sample], np.ones(1), cut_patches([sample]), [sample], MINUS_ONE_TO_ONE, batch=2, batches_per_epoch=2
    )


def test_windows_agree_with_their_truth() -> None:
    made, rng, generator = task(Constant(0.0), one_disc()), np.random.default_rng(0), torch.Generator().manual_seed(0)
    for _ in range(10):
        image, depth, weight = made.window(rng, generator)
        assert image.shape == (3, 256, 256)
        known = weight > 0
        dark = image[0] < 0.47
        assert ((depth > 0) != dark)[known].float().mean() < 0.01
        assert 0 <= depth.min() <= depth.max() <= 1.001


def test_epochs_are_repeatable_and_differ() -> None:
    made = task(Constant(0.0), one_disc())
    first, again, other = (next(iter(made.batches(e)))[0] for e in (0, 0, 1))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.allclose(first, other)
    assert len(made.batches(0)) == 2


def test_loss_by_hand_and_unknown_pixels_cost_nothing() -> None:
    """At logit 0 every cross-entropy is log 2, and soft Dice is 2 · n/2 / (N/2 + n) for n of N pixels."""
    made = task(Constant(0.0), one_disc())
    depth, weight = torch.zeros(1, 40, 40), torch.ones(1, 40, 40)
    depth[:, :20] = 1.0
    images = torch.zeros(1, 3, 40, 40)
    n, total = 800, 1600
    dice = 1 - (2 * n * 0.5 + 1) / (total * 0.5 + n + 1)
    expected = math.log(2) * 1.5 + 0.5 * dice
    assert math.isclose(made.loss((images, depth, weight)).item(), expected, rel_tol=1e-4)
    weight[:, 30:] = 0
    depth[:, 30:] = 1.0
    dice = 1 - (2 * n * 0.5 + 1) / (1200 * 0.5 + n + 1)
    assert math.isclose(made.loss((images, depth, weight)).item(), math.log(2) * 1.5 + 0.5 * dice, rel_tol=1e-4)


def test_validation_is_the_iou_where_the_truth_is_known() -> None:
    sample = one_disc()
    everything = task(Constant(1.0), sample).validate(Constant(1.0))["iou_a"]
    assert math.isclose(everything, (sample.labels > 0).mean(), rel_tol=1e-6)
    labels = sample.labels.copy()
    labels[labels == 0] = IGNORE
    known = Sample(sample.image, labels, sample.depth, "a")
    assert task(Constant(1.0), known).validate(Constant(1.0))["iou_a"] == 1.0
    assert task(Constant(1.0), sample).validate(Constant(-1.0))["iou_a"] == 0.0


class Dark(nn.Module):
    """Calls what is dark a WBC; knows the largest side that it has seen."""

    most_px = 0

    def __init__(self) -> None:
        super().__init__()
        self.zero = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.most_px = max(self.most_px, *x.shape[2:])
        return self.zero - x[:, :2]


def large(side_px: int = 900) -> Sample:
    """Dark discs, some of them at the seams of tiles."""
    y, x = np.indices((100, side_px))
    discs = np.hypot(y - 50, x % 90 - 45) <= 30
    labels = np.where(discs, x // 90 + 1, 0).astype(np.int32)
    image = np.full((100, side_px, 3), 220, np.uint8)
    image[discs] = 20
    return Sample(image, labels, depth_map(labels), "a")


def test_large_images_are_validated_and_judged_in_tiles_as_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    sample, model = large(), Dark()
    assert task(model, sample).validate(model) == {"iou_a": 1.0}
    assert 600 < model.most_px <= TILE_PX
    seen: list[int] = []

    def segment(images: Sequence[RgbImage]) -> list[Probabilities]:
        seen.extend(image.shape[1] for image in images)
        return [(image[None, ..., 0] < 100).astype(np.float32) for image in images]

    monkeypatch.setattr(segmenter_job, "TorchSegmenter", lambda path, device: segment)
    recipe = RECIPES["segmenter", "default"]
    job = SegmenterJob(recipe, begin("segmenter", recipe, None, "none"))  # type: ignore[arg-type]
    items = [Item(large(side_px), "a", "a", "", 0.1, "") for side_px in (900, 180)]
    assert job.judge(Path(), items, "cpu").tolist() == [1.0, 1.0]
    assert seen == [TILE_PX, TILE_PX, 180]


def test_the_encoder_keeps_its_batchnorm_statistics() -> None:
    model = DeepLabV3Plus("mobilenet_v2", 2)
    task(model, one_disc()).train_mode()
    norms = {name: module.training for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)}
    assert not any(training for name, training in norms.items() if name.startswith("encoder."))
    assert all(training for name, training in norms.items() if not name.startswith("encoder."))


def test_crops_of_the_classifier_are_centred_on_the_cell_and_draw_rare_types_more_often() -> None:
    image = np.full((120, 120, 3), 200, np.uint8)
    image[40:80, 50:90] = 10
    cells = [NamedCell(image, Box(40, 50, 80, 90), int(i == 0)) for i in range(10)]
    made = ClassifierTask(nn.Identity(), cells, cells, MINUS_ONE_TO_ONE, crop_px=64)
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        dark = made.window(cells[0], generator)[0] < 0.4
        y, x = np.nonzero(dark.numpy())
        assert abs(y.mean() - 31.5) < 8
        assert abs(x.mean() - 31.5) < 8
        assert 0.4 < dark.float().mean() < 0.95
    np.testing.assert_allclose(made.chances[0] / made.chances[1], 3.0)


@pytest.mark.parametrize("native", [False, True])
def test_bfloat16_is_left_to_processors_that_compute_in_it(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    network, seen = nn.Conv2d(3, 1, 1), []
    network.register_forward_hook(lambda *said: seen.append(said[2].dtype))
    monkeypatch.setattr(segmentation, "computes_bfloat16", lambda device: native)
    assert segmentation.forward(network, torch.rand(1, 3, 4, 4), bfloat16=True).dtype == torch.float32
    segmentation.forward(network, torch.rand(1, 3, 4, 4), bfloat16=False)
    assert seen == [torch.bfloat16 if native else torch.float32, torch.float32]
