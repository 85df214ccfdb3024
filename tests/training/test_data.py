"""Samples, depth, and pasted cells."""

from __future__ import annotations

import numpy as np
import pytest

from napari_wbc.training.data import Sample, cut_patches, depth_map, make_sample, paste


def disc(shape: tuple[int, int], centre: tuple[int, int], radius: float, value: int = 1) -> np.ndarray:
    y, x = np.indices(shape)
    return np.where(np.hypot(y - centre[0], x - centre[1]) <= radius, value, 0).astype(np.int32)


def sample(labels: np.ndarray, colour: int = 50) -> Sample:
    image = np.full((*labels.shape, 3), 200, np.uint8)
    image[labels > 0] = colour
    return Sample(image, labels, depth_map(labels), "a")


def test_depth_of_a_square_by_hand() -> None:
    labels = np.zeros((7, 7), np.int32)
    labels[1:6, 1:6] = 4
    expected = np.zeros((7, 7))
    expected[1:6, 1:6], expected[2:5, 2:5], expected[3, 3] = 1 / 3, 2 / 3, 1
    np.testing.assert_allclose(depth_map(labels), expected, atol=1e-6)


def test_depth_at_the_border_counts_the_border_as_outline() -> None:
    depth = depth_map(np.ones((5, 5), np.int32))
    assert depth[0, 0] == depth[4, 2] == pytest.approx(1 / 3)
    assert depth[2, 2] == 1


def test_touching_cells_have_a_depth_each() -> None:
    labels = np.ones((5, 10), np.int32)
    labels[:, 5:] = 2
    depth = depth_map(labels)
    assert depth[2, 2] == depth[2, 7] == 1
    assert depth[2, 4] == depth[2, 5] == pytest.approx(1 / 3)


def test_make_sample_scales_image_and_labels_alike() -> None:
    labels = disc((99, 81), (49, 40), 21, 7)
    made = make_sample(np.repeat(labels[..., None] * 30, 3, axis=2).astype(np.uint8), labels, 1 / 3, "x")
    assert made.image.shape == (33, 27, 3)
    assert made.labels.shape == (33, 27)
    assert set(np.unique(made.labels)) == {0, 7}
    assert (made.labels == 7).sum() == pytest.approx((labels == 7).sum() / 9, rel=0.03)
    bright = made.image[..., 0] > 105
    assert (bright & (made.labels == 7)).sum() / (bright | (made.labels == 7)).sum() > 0.95


def test_patches_are_whole_cells_only() -> None:
    labels = disc((60, 60), (30, 30), 10) + disc((60, 60), (0, 0), 8, 2)
    (patch,) = cut_patches([sample(labels)])
    assert patch.mask.shape == (25, 25)
    assert patch.mask.sum() == (labels == 1).sum()


@pytest.mark.parametrize("seed", range(8))
def test_a_cell_pasted_beside_another_touches_it_and_overlaps_it_by_at_most_15_percent(seed: int) -> None:
    base = sample(disc((160, 160), (80, 80), 22))
    (patch,) = cut_patches([sample(disc((80, 80), (40, 40), 18), colour=90)])
    rng = np.random.default_rng(seed)
    result = paste(base, patch, rng, touching=True)
    assert set(np.unique(result.labels)) == {0, 1, 2}
    lost = (base.labels == 1).sum() - (result.labels == 1).sum()
    assert 0 <= lost <= 0.15 * patch.mask.sum() + 1
    assert (result.labels == 2).sum() == patch.mask.sum()
    gap = np.argwhere(result.labels == 2)[:, None] - np.argwhere(result.labels == 1)[None]
    assert np.abs(gap).max(axis=2).min() <= 3
    assert (np.abs(result.image[result.labels == 2].astype(int) - 90) < 12).mean() > 0.75
    assert result.depth[result.labels == 2].max() == 1
    assert set(np.unique(base.labels)) == {0, 1}, "the sample itself stays as it was"


def test_a_cell_pasted_apart_covers_no_other() -> None:
    base = sample(disc((160, 160), (80, 80), 22))
    (patch,) = cut_patches([sample(disc((80, 80), (40, 40), 18))])
    for seed in range(10):
        result = paste(base, patch, np.random.default_rng(seed), touching=False)
        assert (result.labels == 1).sum() == (base.labels == 1).sum()
