"""Random changes: nothing at strength 0, geometry exact, stain in optical density."""

from __future__ import annotations

import torch
from skimage.color.colorconv import hed_from_rgb, rgb_from_hed
from torch.nn import functional as F

from napari_wbc.nets.stain import align_stain
from napari_wbc.training.augment import (
    HED_FROM_RGB,
    IMAGENET,
    RGB_FROM_HED,
    Normalisation,
    blur_and_noise,
    compress,
    random_affine,
    stain_and_colour,
)


def test_the_stain_matrices_are_ruifroks() -> None:
    torch.testing.assert_close(RGB_FROM_HED, torch.tensor(rgb_from_hed, dtype=torch.float32), atol=1e-2, rtol=1e-2)
    torch.testing.assert_close(HED_FROM_RGB, torch.tensor(hed_from_rgb, dtype=torch.float32), atol=2e-2, rtol=2e-2)


def test_strength_0_changes_nothing() -> None:
    images = torch.rand(3, 3, 8, 9, generator=torch.Generator().manual_seed(1)) * 0.98 + 0.01
    torch.testing.assert_close(stain_and_colour(images, 0.0, torch.Generator()), images, atol=1e-3, rtol=1e-3)


def test_strength_1_changes_colours_but_keeps_the_order_of_light_and_dark() -> None:
    ramp = torch.linspace(0.1, 0.9, 64).expand(16, 3, 1, 64).clone()
    changed = stain_and_colour(ramp, 1.0, torch.Generator().manual_seed(0))
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert (changed.mean(dim=1).diff(dim=-1) >= -1e-4).all()
    assert (changed - ramp).abs().mean() > 0.05
    assert changed.std(dim=0).mean() > 0.03, "images differ from each other"


def test_a_window_has_the_centre_and_the_scale_that_were_asked_for() -> None:
    y, x = torch.meshgrid(torch.arange(80.0), torch.arange(100.0), indexing="ij")
    coordinates = torch.stack([y, x])[None]
    for seed in range(5):
        grid = random_affine(21, (80, 100), (40.0, 50.0), 2.0, torch.Generator().manual_seed(seed))
        found = F.grid_sample(coordinates, grid, align_corners=False)[0]
        torch.testing.assert_close(found[:, 10, 10], torch.tensor([40.0, 50.0]), atol=1e-3, rtol=0)
        step_down = found[:, 20, 10] - found[:, 0, 10]
        step_right = found[:, 10, 20] - found[:, 10, 0]
        area = (step_down[0] * step_right[1] - step_down[1] * step_right[0]).abs()
        torch.testing.assert_close(area, torch.tensor(100.0), atol=0.1, rtol=0)  # 20 window px are 10 image px each way
        assert abs(torch.dot(step_down, step_right)) < 1e-2


def test_blur_and_noise_keep_range_and_mean() -> None:
    images = torch.full((8, 3, 32, 32), 0.5)
    changed = blur_and_noise(images, torch.Generator().manual_seed(0))
    assert changed.shape == images.shape
    assert (changed.mean(dim=(1, 2, 3)) - 0.5).abs().max() < 0.01
    assert changed.std() > 0


def test_normalisation_by_hand() -> None:
    pixel = torch.tensor([0.485, 0.456 + 0.224, 0.406 - 0.225])[None, :, None, None]
    torch.testing.assert_close(IMAGENET(pixel).flatten(), torch.tensor([0.0, 1.0, -1.0]))


def test_alignment_comes_before_the_normalisation() -> None:
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    aligned = Normalisation(IMAGENET.mean, IMAGENET.std, stain_aligned=True)
    torch.testing.assert_close(aligned(images), IMAGENET(align_stain(images)))


def test_compression_takes_detail_and_keeps_size_and_mean() -> None:
    pattern = (torch.arange(64) % 2).float().expand(4, 3, 64, 64).contiguous()
    all_of_them = compress(pattern, torch.Generator().manual_seed(0), share=1.0)
    assert all_of_them.shape == pattern.shape
    assert (all_of_them.mean(dim=(1, 2, 3)) - 0.5).abs().max() < 0.05
    assert torch.equal(compress(pattern, torch.Generator(), share=0.0), pattern)
    smooth = torch.linspace(0.2, 0.8, 128).expand(2, 3, 128, 128).contiguous()
    torch.testing.assert_close(compress(smooth, torch.Generator().manual_seed(1), share=1.0), smooth, atol=0.05, rtol=0)


def test_a_wider_blur_leaves_less_detail() -> None:
    pattern = ((torch.arange(64) // 4) % 2).float().expand(40, 3, 64, 64).contiguous()
    little, much = (blur_and_noise(pattern, torch.Generator().manual_seed(3), px).std(dim=(1, 2, 3)) for px in (1.0, 6.0))
    assert much.min() < 0.2 < little.min()
