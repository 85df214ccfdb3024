"""The paper's recipe to the letter: loss, augmentation, rates, decay."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_wbc.cells import Box
from napari_wbc.errors import SettingsError
from napari_wbc.nets.alexnet import AlexNet
from napari_wbc.training.augment import IMAGENET, small_affine
from napari_wbc.training.classification import NamedCell
from napari_wbc.training.data import Sample
from napari_wbc.training.loop import make_optimiser, parameter_groups, rate_factor
from napari_wbc.training.paper import PaperClassifierTask, PaperSegmenterTask, weighted_entropy
from napari_wbc.training.recipes import RECIPES, make_recipe

PAPER = RECIPES["classifier", "paper"]


def test_the_loss_divides_by_the_number_of_pixels_and_not_by_the_sum_of_weights() -> None:
    """Logits log 3 and 0: q(WBC) = 0.75 and 0.5; weights 0.5 and 4; two of three pixels are known."""
    logits = torch.tensor([[[math.log(3.0), 0.0, 9.0]]])
    wbc, known = torch.tensor([[[0.0, 1.0, 0.0]]]), torch.tensor([[[1.0, 1.0, 0.0]]])
    found = weighted_entropy(logits, wbc, known, (0.5, 4.0))
    expected = -(0.5 * math.log(0.25) + 4.0 * math.log(0.5)) / 2
    assert float(found) == pytest.approx(expected, rel=1e-5)
    two = torch.stack([torch.zeros_like(logits), logits], dim=1)[..., :2]
    weight = torch.tensor([0.5, 4.0])
    target = wbc[..., :2].long()
    assert float(F.cross_entropy(two, target, weight, reduction="sum")) / 2 == pytest.approx(float(found), rel=1e-5)
    by_weights = F.cross_entropy(two, target, weight)
    assert float(by_weights) == pytest.approx(expected * 2 / 4.5, rel=1e-5)


def test_the_rate_falls_to_three_tenths_every_ten_epochs() -> None:
    plan = PAPER.plan(seed=0, fine_tuning=False)
    found = [plan.lr * rate_factor(plan, epoch) for epoch in (0, 9.99, 10, 19.99, 20, 29.99)]
    assert found == pytest.approx([1e-3, 1e-3, 3e-4, 3e-4, 9e-5, 9e-5])
    assert (plan.epochs, plan.weight_decay, plan.clip, PAPER.batch) == (30, 0.005, math.inf, 8)


def cells(n: int) -> list[NamedCell]:
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    return [NamedCell(image, Box(5, 6, 30, 36), i % 5) for i in range(n)]


def test_the_last_layer_learns_twenty_times_faster_and_only_weights_decay() -> None:
    task = PaperClassifierTask(AlexNet("original", 4, 5), cells(3), cells(1), IMAGENET, margin=None)
    plan = PAPER.plan(seed=0, fine_tuning=False)
    shapes = {
        (round(g["lr"], 6), g["weight_decay"]): {tuple(p.shape) for p in g["params"]} for g in parameter_groups(task, plan)
    }
    assert shapes[0.02, 0.005] == {(5, 4)}
    assert shapes[0.02, 0.0] == {(5,)}
    assert set(shapes) == {(0.02, 0.005), (0.02, 0.0), (0.001, 0.005), (0.001, 0.0)}
    assert all(len(shape) == 1 for (_, decay), group in shapes.items() if not decay for shape in group)
    optimiser = make_optimiser(task, plan)
    assert isinstance(optimiser, torch.optim.SGD)
    assert {group["momentum"] for group in optimiser.param_groups} == {0.9}


def test_every_cell_is_seen_once_in_an_epoch_and_orders_differ() -> None:
    task = PaperClassifierTask(nn.Identity(), cells(5), cells(1), IMAGENET, crop_px=32, margin=None, batch=2)
    seen = [torch.cat([targets for _, targets in task.batches(epoch)]).tolist() for epoch in (0, 0, 1)]
    assert len(task.batches(0)) == 3
    assert [sorted(s) for s in seen] == [[0, 1, 2, 3, 4]] * 3
    assert seen[0] == seen[1]
    assert task.window(cells(1)[0], torch.Generator()).shape == (3, 32, 32)


def test_fields_are_mirrored_shifted_by_10_px_and_turned_by_20_degrees_at_most() -> None:
    size = 101
    y, x = torch.meshgrid(torch.arange(float(size)), torch.arange(float(size)), indexing="ij")
    mirrored, shifts, angles = [], [], []
    for seed in range(60):
        grid = small_affine(size, torch.Generator().manual_seed(seed))
        found = F.grid_sample(torch.stack([y, x])[None], grid, align_corners=False)[0]  # where each pixel comes from
        centre, down, right = found[:, 50, 50], found[:, 60, 50] - found[:, 50, 50], found[:, 50, 60] - found[:, 50, 50]
        shifts.append((centre - 50).tolist())
        angles.append(math.degrees(math.atan2(float(down[1]), float(down[0]))))
        mirrored.append(float(right[1]) < 0)
        assert float(down.norm()) == pytest.approx(10, abs=1e-3)
        assert float(right.norm()) == pytest.approx(10, abs=1e-3)
    assert 8 < np.abs(shifts).max() <= 10
    assert 15 < np.abs(angles).max() <= 20
    assert 15 < sum(mirrored) < 45


def test_pixels_from_outside_are_unknown_and_masks_stay_masks() -> None:
    labels = np.zeros((64, 64), np.int32)
    labels[:, 40:] = 1
    image = np.repeat((255 * (labels > 0)).astype(np.uint8)[..., None], 3, axis=2)
    sample = Sample(image, labels, np.zeros(labels.shape, np.float32), "a")
    lost = []
    for seed in range(10):
        picture, wbc, known = PaperSegmenterTask.field(sample, torch.Generator().manual_seed(seed))
        assert set(wbc.unique().tolist()) <= {0.0, 1.0}
        assert set(known.unique().tolist()) <= {0.0, 1.0}
        agree = (picture[0] > 0.5).float() == wbc
        assert agree[known > 0].float().mean() > 0.98
        lost.append(float(1 - known.mean()))
    assert 0.05 < np.mean(lost) < 0.5


def test_recipes_by_name_and_changes_that_make_no_sense() -> None:
    changed = make_recipe("segmenter", "paper", {"epochs": "3", "encoder": "mobilenet_v2", "patience": "none"})
    assert (changed.epochs, changed.patience, changed.lr) == (3, None, 1e-3)
    for changes in ({"epoch": "3"}, {"epochs": "many"}, {"epochs": "0"}, {"encoder": "vgg"}, {"validation_share": "0.6"}):
        with pytest.raises(SettingsError, match=next(iter(changes))):
            make_recipe("segmenter", "default", changes)
    with pytest.raises(SettingsError, match="default, paper"):
        make_recipe("segmenter", "best", {})


@pytest.mark.parametrize("form", ["original", "torchvision"])
def test_the_network_takes_the_smallest_and_the_largest_crop_of_a_recipe(form: str) -> None:
    network = AlexNet(form, 4)
    for side in (227, 254):
        assert make_recipe("classifier", "default", {"crop_px": str(side)}).crop_px == side
        with torch.inference_mode():
            assert network.features(torch.rand(1, 3, side, side)).shape == (1, 256, 6, 6)
    for side in (226, 255):
        with pytest.raises(SettingsError, match="crop_px"):
            make_recipe("classifier", "default", {"crop_px": str(side)})
