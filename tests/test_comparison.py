"""The benchmark that compares networks and detectors: its networks, its boxes, its rows."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import comparison
import comparison_methods
import comparison_tables
import numpy as np
import pytest
import torch
from baselines import FCNAlexNet, SegNet, UNet
from comparison_data import ALONE, SIZE_PX, draw, read_data
from comparison_judge import Found, native, type_ap
from comparison_tables import Row, add_row, anova, missing, read_rows
from detectors import ANCHOR_PX, STRIDE, FasterRcnn, Yolo, decode, encode
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from napari_wbc.config import CELL_TYPES
from napari_wbc.crop import boxes
from napari_wbc.errors import UsageError
from napari_wbc.nets.alexnet import original_features
from napari_wbc.training.augment import MINUS_ONE_TO_ONE

from .training.drawn import corrected


@pytest.mark.parametrize("network", [SegNet(2), FCNAlexNet(4), UNet(2)], ids=lambda n: type(n).__name__)
@pytest.mark.parametrize("size", [(227, 227), (64, 97)])
def test_a_baseline_gives_one_logit_for_every_pixel(network: nn.Module, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        assert network.eval()(torch.zeros(2, 3, *size)).shape == (2, 1, *size)


def test_the_full_widths_are_the_published_networks() -> None:
    # Convolutions of VGG16 and their mirror, by hand: Σ 9·in·out of the 13 convolutions, the last of the mirror ending at 64.
    down = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    up = [512, 512, 512, 512, 512, 512, 256, 256, 256, 128, 128, 64, 64, 64]
    kernels = sum(9 * i * o for way in (down, up) for i, o in itertools.pairwise(way))
    found = sum(p.numel() for p in SegNet(64).parameters() if p.ndim == 4 and p.shape[-1] == 3)
    assert found == kernels
    assert 31.0e6 < sum(p.numel() for p in UNet(64).parameters()) < 31.1e6  # 31.0 million, as published


def test_segnet_puts_values_back_where_the_maxima_were() -> None:
    network = SegNet(1).eval()
    network.down = nn.ModuleList([nn.Identity()] * 2)
    network.up = nn.ModuleList([nn.Identity()] * 2)
    network.head = nn.Identity()  # type: ignore[assignment]
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 5, 2], image[0, 0, 4, 3], image[0, 0, 0, 7] = 3.0, 2.0, 1.0
    expected = torch.zeros(1, 1, 9, 9)
    expected[0, 0, 5, 2] = 3.0  # of its 2 × 2 and 4 × 4 pixels the largest
    expected[0, 0, 0, 7] = 1.0
    assert torch.equal(network(image), expected)


def test_fcn_alexnet_puts_each_value_over_the_pixels_it_saw() -> None:
    network = FCNAlexNet(4).eval()
    rows = []
    for layer in [*network.encoder]:  # centre and step of the first value, from the geometry of the layers
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            rows.append([int(np.ravel(v)[0]) for v in (layer.kernel_size, layer.stride, layer.padding)])
    step, centre = 1, -float(network.PADDING)
    for kernel, stride, padding in [*rows, [6, 1, 0]]:
        centre += ((kernel - 1) / 2 - padding) * step
        step *= stride
    assert step == network.STRIDE
    assert centre == network.KERNEL // 2 - network.OFFSET
    ramp = torch.arange(6.0)[None, None, None].expand(1, 1, 6, 6)
    up = network.upsample(ramp)[0, 0, 80, network.OFFSET :]  # value i is at pixel 32 i + centre, and linear between
    x = torch.arange(20, 150)
    assert torch.allclose(up[x], (x - centre) / step, atol=1e-4)


SIDES = st.floats(4, 200)


@given(st.lists(st.tuples(st.floats(0, 226), st.floats(0, 226), SIDES, SIDES), min_size=1, max_size=4))
def test_a_box_is_answered_for_by_the_cell_of_its_centre_and_its_neighbours(
    rows: list[tuple[float, float, float, float]],
) -> None:
    y, x, height, width = torch.tensor(rows).T
    given_boxes = torch.stack([y - height / 2, x - width / 2, y + height / 2, x + width / 2], dim=1)
    places, which = encode(given_boxes, (15, 15))
    assert ((places >= 0) & (places < 15)).all()
    for i, (cy, cx, *_) in enumerate(rows):
        expected = {(int(cy // STRIDE) + dy, int(cx // STRIDE) + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
        assert set(map(tuple, places[which == i].tolist())) == {p for p in expected if min(p) >= 0 and max(p) < 15}


def test_the_values_of_a_cell_mean_a_box() -> None:
    values = torch.tensor([[1 / 3, 0.5, 0.0, np.log(2)], [2 / 3, 2 / 3, 0.0, 0.0]])
    found = decode(torch.tensor([[4, 6], [0, 0]]), values)
    assert found[0].tolist() == pytest.approx([64 - ANCHOR_PX / 2, 104 - ANCHOR_PX, 64 + ANCHOR_PX / 2, 104 + ANCHOR_PX])
    assert found[1].tolist() == pytest.approx([16 - ANCHOR_PX / 2] * 2 + [16 + ANCHOR_PX / 2] * 2)


def test_yolo_finds_what_its_map_says() -> None:
    network = Yolo(2).eval()
    raw = torch.zeros(1, 7, 6, 6)
    raw[0, 0] = -20
    raw[0, :, 3, 2] = torch.tensor([8.0, 0, 0, 0, float(np.log(0.5)), -9, 9])
    raw[0, :, 3, 3] = torch.tensor([2.0, 0, np.log(1 / 5), 0, float(np.log(0.5)), -9, 9])  # nearly the same box, less certain
    network.forward = lambda x: raw  # type: ignore[method-assign]
    found = network.detect(torch.zeros(1, 3, 96, 96))
    assert found.boxes.tolist() == [pytest.approx([56 - 32, 40 - 16, 56 + 32, 40 + 16])]
    assert found.types.tolist() == [1]
    assert float(found.scores) == pytest.approx(1.0, abs=1e-3)


def test_a_perfect_map_costs_nothing_and_each_fault_does() -> None:
    network, box, kind = Yolo(2), torch.tensor([[24.0, 24.0, 72.0, 88.0]]), torch.tensor([1])
    perfect = torch.zeros(1, 7, 6, 6)
    perfect[:, 0] = -20
    size = torch.tensor([48 / ANCHOR_PX, 64 / ANCHOR_PX]).log()
    for row, column in encode(box, (6, 6))[0].tolist():
        place = (torch.tensor([48 / STRIDE - row, 56 / STRIDE - column]) + 1) / 3
        perfect[0, :, row, column] = torch.cat([torch.tensor([20.0]), torch.logit(place, 1e-9), size, torch.tensor([-9.0, 9])])
    row, column = 3, 3  # the grid cell of the centre

    def loss(raw: torch.Tensor) -> float:
        network.forward = lambda x: raw  # type: ignore[method-assign]
        return float(network.loss(torch.zeros(1, 3, 96, 96), [box], [kind]))

    assert loss(perfect) == pytest.approx(0, abs=1e-4)
    wrong_type, missed, elsewhere = perfect.clone(), perfect.clone(), perfect.clone()
    wrong_type[0, 5:, row, column] = torch.tensor([9.0, -9])
    missed[0, 0, row, column] = -20
    elsewhere[0, 1, row, column] = torch.logit(torch.tensor((8 / STRIDE + 1) / 3))  # the box 8 px lower
    assert loss(wrong_type) == pytest.approx(18, abs=1e-3)
    assert loss(missed) == pytest.approx(20, abs=1e-3)
    assert loss(elsewhere) == pytest.approx(2 * (1 - 40 / 56) + 2 * 7.5 / STRIDE, abs=1e-3)


def test_boxes_change_their_order_of_axes_for_torchvision_and_back() -> None:
    class Fake(nn.Module):
        def forward(self, images: list[torch.Tensor], targets: object = None) -> object:
            if targets is not None:
                self.targets = targets
                return {"a": torch.tensor(1.0), "b": torch.tensor(2.0)}
            return [{"boxes": torch.tensor([[2.0, 1, 4, 3]]), "labels": torch.tensor([3]), "scores": torch.tensor([0.5])}]

    network = FasterRcnn(3, 64)
    network.network = fake = Fake()
    box = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    assert float(network.loss(torch.zeros(1, 3, 64, 64), [box], [torch.tensor([2])])) == 3
    (target,) = fake.targets  # type: ignore[misc]
    assert target["boxes"].tolist() == [[2, 1, 4, 3]]  # x0, y0, x1, y1
    assert target["labels"].tolist() == [3]  # 0 is background there
    found = network.detect(torch.zeros(1, 3, 64, 64))
    assert (found.boxes.tolist(), found.types.tolist()) == (box.tolist(), [2])


def test_an_image_without_cells_teaches_a_detector_too() -> None:
    none, kinds = torch.zeros(0, 4), torch.zeros(0, dtype=torch.long)
    for network in (Yolo(1), FasterRcnn(1, 64)):
        assert torch.isfinite(network.train().loss(torch.zeros(2, 3, 64, 64), [none, none], [kinds, kinds]))


def test_fields_are_read_from_results_with_their_types_and_boxes(tmp_path: Path) -> None:
    data = read_data(corrected(tmp_path), 2)
    assert data.types == CELL_TYPES
    assert len(data.cases) == 4
    assert sorted(data.folds) == [0, 0, 1, 1]
    learnt, held = data.split(1)
    assert not {c.name for c in learnt} & {c.name for c in held}
    for case in data.cases:
        ids = set(np.unique(case.square.labels)) - {0}
        assert case.boxes.keys() == case.types.keys() == ids
        for i, box in boxes(case.square.labels).items():  # the square is stretched; the way back is right within its pixels
            assert np.abs(np.subtract(native(case, box), case.boxes[i])).max() <= 1
    batch = draw(data.cases, torch.Generator().manual_seed(0), MINUS_ONE_TO_ONE)
    assert batch.images.shape == (4, 3, SIZE_PX, SIZE_PX)
    for mask, places, types in zip(batch.wbc, batch.boxes, batch.types, strict=True):
        assert len(places) == len(types) > 0
        y0, x0 = places[:, 0].min(), places[:, 1].min()
        ys, xs = torch.nonzero(mask, as_tuple=True)
        assert (int(y0), int(x0)) == (int(ys.min()), int(xs.min()))


def test_average_precision_by_type_counts_a_wrong_type_against_both(tmp_path: Path) -> None:
    case = read_data(corrected(tmp_path), 2).cases[0]
    (first, second) = case.boxes
    case.types.update({first: 0, second: 1})
    found = Found([case.boxes[first], case.boxes[second]], [0.9, 0.8], [0, 0])
    assert type_ap([found], [case], 0) == 1.0  # the wrong one comes after all true ones are found
    assert type_ap([found], [case], 1) == 0.0
    found = Found([case.boxes[first], case.boxes[second]], [0.8, 0.9], [0, 0])
    assert type_ap([found], [case], 0) == 0.5
    assert np.isnan(type_ap([found], [case], 2))


def row(method: str, fold: int, ap: float | None = 0.5, **changes: object) -> Row:
    values = {"folds": 3, "images_seen": 8, "n_train": 9, "n_test": 1, "parameters": 10, "start_weights": "none"}
    return Row(method=method, fold=fold, ap=ap, machine="m", train_s=1.0, field_s=0.1, **(values | changes))  # type: ignore[arg-type]


def test_only_missing_rows_are_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "rows.csv"
    assert missing(read_rows(path), ["a", "b"], 2, 8) == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    add_row(path, row("a", 0, folds=2))
    add_row(path, row("b", 1, None, folds=2, mean_iou=float("nan")))
    kept = read_rows(path)
    assert kept[0] == row("a", 0, folds=2)
    assert kept[1].ap is None
    assert kept[1].mean_iou is None
    assert missing(kept, ["a", "b"], 2, 8) == [("b", 0), ("a", 1)]
    with pytest.raises(UsageError, match="8 images seen, not 2 and 16"):
        missing(kept, ["a"], 2, 16)


def test_anova_is_that_of_the_textbook() -> None:
    # Means 2, 3, 7 (÷ 10), grand mean 4: between 3·(4+1+9) = 42 with 2, within 2+2+2 = 6 with 6: F = 21 / 1 = 21.
    values = {"a": (0.1, 0.2, 0.3), "b": (0.2, 0.3, 0.4), "c": (0.6, 0.7, 0.8)}
    rows = [row(m, i, ap) for m, aps in values.items() for i, ap in enumerate(aps)]
    assert "F(2, 6) = 21.00, p = 0.002" in anova(rows, list(values))
    assert "needs two methods" in anova(rows, ["a"])


def test_tables_give_mean_and_spread_and_leave_out_what_is_not_there(tmp_path: Path) -> None:
    rows = [
        row("a", 0, 0.8, mean_iou=0.9, bf=0.5, theta_px=2.4),
        row("a", 1, 0.9, mean_iou=0.7, bf=0.5, theta_px=2.4),
        row("b", 0),
    ]
    titles = {"a": "A", "b": "B"}
    text = comparison_tables.segmentation_table(rows, titles)
    assert "| A | - | 80.0 ± 14.1 | - | 50.0 ± 0.0 |" in text
    assert "θ = 2.4 px" in text
    assert "| B |" not in text
    assert "| A | 85.0 ± 7.1 | 0.100 |" in comparison_tables.detection_table(rows, titles)
    assert comparison_tables.box_plot(rows, titles, tmp_path).read_bytes()[:4] == b"\x89PNG"


def test_a_fold_of_two_stages_and_of_a_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = {name: value.numpy() for name, value in original_features().state_dict().items()}
    np.savez(tmp_path / f"{comparison_methods.ALEXNET}.npz", allow_pickle=False, **features)
    data = read_data(corrected(tmp_path), 2)
    for name in ("deeplab_mobilenet_v2", "yolo"):
        method = dataclasses.replace(comparison_methods.METHODS[name], start=None)
        monkeypatch.setitem(comparison_methods.METHODS, name, method)
        made = comparison.run_fold(data, name, 1, 2, 4, tmp_path)
        assert (made.n_train, made.n_test, made.images_seen) == (2, 2, 4)
        assert made.ap is not None
        assert 0 <= made.ap <= 1
        assert (made.mean_iou is None) == (name == "yolo")
    assert data.types != ALONE
