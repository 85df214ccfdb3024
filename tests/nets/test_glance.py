"""The decoder looks only where something was seen at first glance, and what it finds there is what it finds everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from napari_wbc.cells import Box
from napari_wbc.nets import model_path
from napari_wbc.nets.checkpoint import read_checkpoint, save_checkpoint
from napari_wbc.nets.deeplab import UNSEEN, DeepLabV3Plus, boxes_round
from napari_wbc.nets.segmenter import TorchSegmenter
from napari_wbc.pipeline import segment_cells
from napari_wbc.synthetic import draw_field


@pytest.fixture(scope="module")
def bundled() -> TorchSegmenter:
    return TorchSegmenter(model_path("default", "segmenter"), "cpu")


@pytest.mark.parametrize(
    ("seen", "boxes"),
    [
        ([], []),
        ([(3, 4)], [Box(2, 3, 5, 6)]),
        ([(0, 0), (5, 7)], [Box(0, 0, 2, 2), Box(4, 6, 6, 8)]),
        ([(1, 1), (3, 4)], [Box(0, 0, 5, 6)]),
    ],
    ids=["nothing", "one", "in corners", "rims that touch"],
)
def test_what_is_seen_has_a_box_with_a_rim(seen: list[tuple[int, int]], boxes: list[Box]) -> None:
    mask = np.zeros((6, 8), dtype=bool)
    for at in seen:
        mask[at] = True
    assert boxes_round(mask) == boxes


def test_inside_the_boxes_are_the_logits_of_the_whole_and_outside_nothing_is_seen() -> None:
    torch.manual_seed(0)
    network = DeepLabV3Plus("mobilenet_v2", 2).eval().requires_grad_(False)
    deep, low = torch.rand(1, 256, 9, 12), torch.rand(1, 48, 36, 48)
    wide = F.interpolate(deep, size=(36, 48), mode="bilinear", align_corners=False)
    look, whole = network._decode(deep, F.avg_pool2d(low, 4))[0, 0], network._decode(wide, low)
    y, x = divmod(int(look.argmax()), 12)
    found = network._decode_seen(wide, low, deep, float(look.max()))
    inside = slice(4 * max(0, y - 1), 4 * y + 8), slice(4 * max(0, x - 1), 4 * x + 8)
    torch.testing.assert_close(found[..., *inside], whole[..., *inside])
    found[..., *inside] = UNSEEN
    assert (found == UNSEEN).all()
    assert torch.equal(network._decode_seen(wide, low, deep, float(look.min())), whole)


def test_the_bundled_segmenter_glances(bundled: TorchSegmenter) -> None:
    assert bundled.glance is not None, "another model on purpose? Then measure its glance: benchmarks/glance.py"


def test_a_model_whose_glance_was_not_measured_looks_everywhere(tmp_path: Path) -> None:
    known = read_checkpoint(model_path("default", "segmenter"), "segmenter")
    save_checkpoint(tmp_path / "tuned.safetensors", known.network, known.card.model_copy(update={"name": "tuned"}))
    assert TorchSegmenter(tmp_path / "tuned.safetensors", "cpu").glance is None


@pytest.mark.parametrize("n_cells", [0, 2])
def test_the_same_is_found_with_less_work(bundled: TorchSegmenter, n_cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    image, glance, looked_at = draw_field(np.random.default_rng(5), n_cells=n_cells).image, bundled.glance, list[int]()
    decode = DeepLabV3Plus._decode

    def counted(network: DeepLabV3Plus, deep: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
        looked_at.append(low.shape[2] * low.shape[3])
        return decode(network, deep, low)

    monkeypatch.setattr(DeepLabV3Plus, "_decode", counted)
    found = segment_cells(image, bundled)
    less, looked_at[:] = sum(looked_at), []
    monkeypatch.setattr(bundled, "glance", None)
    expected = segment_cells(image, bundled)
    assert len(expected.scores) == n_cells
    assert less < (0.6 if n_cells else 0.3) * sum(looked_at)
    assert found.scores == pytest.approx(expected.scores, abs=1e-3)
    assert (found.labels == expected.labels).mean() > 0.9999
    assert glance is not None
