"""Bring the stain of a crop to one background and one nucleus, channel by channel, as a fixed first layer of the classifier."""

from __future__ import annotations

import torch
from torch import Tensor

BACKGROUND, NUCLEUS = 0.9, 0.95
"""Quantiles of a crop that are taken as its background (of light) and its nucleus (of optical density)."""
NUCLEUS_DENSITY = (1.05, 1.5)
"""Optical density, natural logarithm, that the nucleus gets in red and green: about that of a Giemsa stain."""
MOST = (0.4, 3.0)
"""Densities are multiplied by at least and at most this: what has no contrast stays so."""
WHITE = 0.92
STEP_PX = 4
"""Quantiles are those of every fourth pixel along rows and columns."""


def align_stain(images: Tensor) -> Tensor:
    """Each crop with its background white and its nucleus of one colour; blue is left out.

    Light falls off exponentially with the amount of stain (Beer and Lambert), so the density −log(I ÷ I0) of each channel, I0
    being the background, is multiplied by one factor. Two laboratories whose lamps, white points and strengths of stain
    differ come out alike; what is left of them is the hue of granules and cytoplasm relative to the nucleus. The azures of the
    stain absorb red, its eosin green; in blue are the yellow of a lamp, of a rapid stain and of haemoglobin, and little of a
    nucleus. The third channel is therefore made of the mean density of the others.

    Parameters
    ----------
    images
        (N, 3, H, W) float32 in 0..1. Each is aligned by itself.

    Returns
    -------
    (N, 3, H, W) float32 in 0..1.
    """
    images = images[:, :2]
    background, factor = _measured(images[..., ::STEP_PX, ::STEP_PX])
    return _light(_stained(images, background, factor))


def align_levels(levels: Tensor) -> Tensor:
    """`align_stain` of crops (N, H, W, 3) uint8, by tables of what becomes of each of 256 levels; the numbers are the same."""
    planes = levels.permute(0, 3, 1, 2)[:, :2].contiguous()  # (N, 2, H, W)
    background, factor = _measured(planes[..., ::STEP_PX, ::STEP_PX].float().div_(255))
    tables = torch.arange(256, device=levels.device).div(255)[:, None].expand(*background.shape, 256, 1)
    tables = _stained(tables, background, factor)  # (N, 2, 256, 1)
    first = torch.arange(0, tables.numel(), 256, dtype=torch.int32, device=levels.device).view(*background.shape, 1, 1)
    return _light(tables.flatten().index_select(0, (planes.int() + first).flatten()).view(planes.shape))


def _measured(images: Tensor) -> tuple[Tensor, Tensor]:
    """Background, and factor of the density, of (N, 2, H, W) in 0..1; (N, 2) each."""
    background = torch.quantile(images.flatten(2), BACKGROUND, dim=2).clamp(min=0.2)
    nucleus = torch.quantile(_density(images, background).flatten(2), NUCLEUS, dim=2)
    factor = images.new_tensor(NUCLEUS_DENSITY) / nucleus.clamp(min=0.05)
    return background, factor.clamp(*MOST)


def _stained(images: Tensor, background: Tensor, factor: Tensor) -> Tensor:
    """Minus the aligned density of (N, 2, H, W) in 0..1."""
    return _density(images, background).mul_(-factor[..., None, None])


def _light(density: Tensor) -> Tensor:
    """Light (N, 3, H, W) that is left by minus the density of red and green (N, 2, H, W)."""
    return torch.cat([density, density.mean(dim=1, keepdim=True)], dim=1).exp_().mul_(WHITE)


def _density(images: Tensor, background: Tensor) -> Tensor:
    """−log(I ÷ I0), at least 0, of (N, C, H, W) against (N, C)."""
    return images.clamp(min=1 / 255).div_(background[..., None, None]).log_().neg_().clamp_(min=0)
