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
    sample = images[..., ::STEP_PX, ::STEP_PX].flatten(2)  # (N, 2, pixels)
    background = torch.quantile(sample, BACKGROUND, dim=2).clamp(min=0.2)  # (N, 2)
    density = _density(images, background)
    nucleus = torch.quantile(_density(sample[..., None], background).flatten(2), NUCLEUS, dim=2)
    factor = images.new_tensor(NUCLEUS_DENSITY) / nucleus.clamp(min=0.05)
    density.mul_(-factor.clamp(*MOST)[..., None, None])
    return torch.cat([density, density.mean(dim=1, keepdim=True)], dim=1).exp_().mul_(WHITE)


def _density(images: Tensor, background: Tensor) -> Tensor:
    """−log(I ÷ I0), at least 0, of (N, C, H, W) against (N, C)."""
    return images.clamp(min=1 / 255).div_(background[..., None, None]).log_().neg_().clamp_(min=0)
