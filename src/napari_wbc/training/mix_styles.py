"""MixStyle: the statistics of early feature maps are mixed between images of a batch (Zhou et al., ICLR 2021).

The mean and spread of a channel over an image hold its style, stain and lamp among it; mixed, they make images of laboratories
that lie between those of the batch, and the network learns to name cells whatever their style.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CONCENTRATION = 0.2
"""Parameter of the beta distribution of the shares: most mixtures are mostly one of the two."""


def mix_styles(x: Tensor, share: float) -> Tensor:
    """A share of the feature maps (N, C, H, W) with their means and spreads mixed with those of another image of the batch."""
    n = len(x)
    own = torch.distributions.Beta(CONCENTRATION, CONCENTRATION).sample((n, 1, 1, 1)).to(x.device)
    own = torch.where(torch.rand(n, 1, 1, 1, device=x.device) < share, own, 1.0)
    maps, other = x.float(), torch.randperm(n, device=x.device)
    mean = maps.mean(dim=(2, 3), keepdim=True).detach()
    spread = (maps.var(dim=(2, 3), keepdim=True) + 1e-6).sqrt().detach()
    mixed_mean, mixed_spread = own * mean + (1 - own) * mean[other], own * spread + (1 - own) * spread[other]
    return ((maps - mean) / spread * mixed_spread + mixed_mean).to(x.dtype)


def mix_styles_in_training(features: nn.Sequential, share: float) -> None:
    """From now on, do so after the first two poolings of AlexNet's convolutions whenever the network is in training mode."""

    def hook(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return mix_styles(output, share) if module.training else output

    for pooling in [module for module in features if isinstance(module, nn.MaxPool2d)][:2]:
        pooling.register_forward_hook(hook)
