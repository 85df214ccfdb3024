"""Aligning the stain of crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from napari_wbc.config import CELL_TYPES
from napari_wbc.nets.alexnet import AlexNet
from napari_wbc.nets.checkpoint import Alex, Card, save_checkpoint
from napari_wbc.nets.classifier import TorchClassifier
from napari_wbc.nets.stain import NUCLEUS_DENSITY, WHITE, align_levels, align_stain


def a_crop(seed: int = 0) -> Tensor:
    """(1, 3, 64, 64) in 0..1: white glass, a cell of pale cytoplasm, a dark nucleus of 20 % of the pixels."""
    generator = torch.Generator().manual_seed(seed)
    density = torch.zeros(1, 3, 64, 64)
    density[..., 12:52, 12:52] = torch.tensor([0.3, 0.5, 0.15])[:, None, None]
    density[..., 18:46, 18:46] = torch.tensor([0.9, 1.2, 0.4])[:, None, None]
    return torch.exp(-density * (1 + 0.05 * torch.rand(density.shape, generator=generator)))


def test_background_becomes_white_and_the_nucleus_gets_its_colour() -> None:
    aligned = align_stain(a_crop())
    assert aligned[0, :, 0, 0].numpy() == pytest.approx([WHITE] * 3, abs=0.01)
    nucleus = -(aligned / WHITE).log()[0, :, 20:44, 20:44].flatten(1).mean(dim=1)
    assert nucleus.numpy() == pytest.approx([*NUCLEUS_DENSITY, np.mean(NUCLEUS_DENSITY)], rel=0.05)


def test_blue_is_left_out() -> None:
    yellow = a_crop()
    yellow[:, 2] *= torch.rand(64, 64, generator=torch.Generator().manual_seed(3))
    assert torch.equal(align_stain(yellow), align_stain(a_crop()))


@settings(deadline=None, max_examples=30)
@given(
    st.tuples(*[st.floats(0.4, 1.0)] * 3),
    st.tuples(*[st.floats(0.7, 1.4)] * 3),
)
def test_lamp_and_strength_of_stain_of_a_laboratory_do_not_matter(
    white: tuple[float, float, float], strength: tuple[float, float, float]
) -> None:
    """Beer and Lambert: another strength is a power of the light, another lamp a factor."""
    crop = a_crop()
    other = crop ** torch.tensor(strength)[:, None, None] * torch.tensor(white)[:, None, None]
    assert torch.allclose(align_stain(other), align_stain(crop), atol=2e-3)


def test_tables_of_levels_give_the_same_numbers() -> None:
    levels = torch.cat([a_crop(1), a_crop(2) * 0.6]).mul(255).round().to(torch.uint8)
    found = align_levels(levels.permute(0, 2, 3, 1).contiguous())
    torch.testing.assert_close(found, align_stain(levels / 255), rtol=0, atol=1e-6)


def test_each_crop_is_aligned_by_itself() -> None:
    first, second = a_crop(1), a_crop(2) * 0.6
    together = align_stain(torch.cat([first, second]))
    assert torch.equal(together[:1], align_stain(first))
    assert torch.equal(together[1:], align_stain(second))


def test_a_crop_without_contrast_stays_without() -> None:
    aligned = align_stain(torch.full((1, 3, 32, 32), 0.5))
    assert torch.allclose(aligned, torch.full_like(aligned, WHITE))


def test_a_faint_stain_is_made_three_times_as_strong_at_most() -> None:
    crop = torch.full((1, 3, 32, 32), 0.9)
    crop[..., 16:] = 0.9 * np.exp(-0.1)
    assert torch.allclose(align_stain(crop)[..., 16:], torch.tensor(WHITE * np.exp(-0.3), dtype=torch.float32), atol=1e-3)


def test_the_given_crop_is_not_changed() -> None:
    crop = a_crop()
    before = crop.clone()
    align_stain(crop)
    assert torch.equal(crop, before)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_are_finite_and_in_range(value: float) -> None:
    crop = a_crop()
    crop[..., :10, :10] = value
    aligned = align_stain(crop)
    assert aligned.isfinite().all()
    assert 0 <= aligned.min() <= aligned.max() <= 1


@pytest.mark.parametrize("aligned", [True, False])
def test_a_classifier_aligns_its_crops_if_its_card_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aligned: bool
) -> None:
    card = Card(
        name="test", task="classifier", architecture=Alex(width=8), outputs=CELL_TYPES,
        mean=(0.5, 0.4, 0.3), std=(0.25, 0.2, 0.5), stain_aligned=aligned,
    )  # fmt: skip
    save_checkpoint(tmp_path / "model.safetensors", AlexNet("original", 8, 5), card)
    classifier, seen = TorchClassifier(tmp_path / "model.safetensors", "cpu"), list[Tensor]()

    def network(x: Tensor) -> Tensor:
        seen.append(x.float())
        return torch.zeros(len(x), 5)

    monkeypatch.setattr(classifier, "_network", network)
    pixels = np.rint(255 * a_crop()[0].permute(1, 2, 0).numpy()).astype(np.uint8)
    classifier([pixels])
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    expected = align_stain(images) if aligned else images
    expected = (expected - torch.tensor(card.mean)[:, None, None]) / torch.tensor(card.std)[:, None, None]
    torch.testing.assert_close(seen[0][:1], expected, atol=0.02, rtol=0.02)
