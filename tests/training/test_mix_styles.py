"""Mixed styles of feature maps."""

from __future__ import annotations

import torch
from torch import nn

from napari_wbc.training.mix_styles import mix_styles, mix_styles_in_training


def test_a_share_of_none_changes_nothing() -> None:
    x = torch.rand(4, 3, 8, 8)
    assert torch.allclose(mix_styles(x, 0.0), x, atol=1e-5)


def test_content_stays_and_style_comes_from_between_the_two() -> None:
    torch.manual_seed(0)
    x = torch.stack([torch.rand(3, 8, 8), 5 + 2 * torch.rand(3, 8, 8)])
    for _ in range(20):
        y = mix_styles(x, 1.0)
        means = y.mean(dim=(2, 3))
        low, high = x.mean(dim=(2, 3)).min(dim=0).values, x.mean(dim=(2, 3)).max(dim=0).values
        assert (means >= low - 1e-4).all()
        assert (means <= high + 1e-4).all()
        for before, after in zip(x.flatten(2), y.flatten(2), strict=True):
            for b, a in zip(before, after, strict=True):
                assert torch.corrcoef(torch.stack([b, a]))[0, 1] > 0.999


def test_only_in_training_mode_and_only_after_the_first_two_poolings() -> None:
    torch.manual_seed(0)
    features = nn.Sequential(nn.MaxPool2d(2), nn.Identity(), nn.MaxPool2d(2), nn.MaxPool2d(2))
    x = torch.rand(8, 2, 16, 16)
    plain = features(x)
    mix_styles_in_training(features, 1.0)
    assert torch.equal(features.eval()(x), plain)
    assert not torch.equal(features.train()(x), plain)
    assert [len(module._forward_hooks) for module in features] == [1, 0, 1, 0]
