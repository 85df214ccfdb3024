"""Random changes of geometry, stain, colour and focus that another laboratory might make."""

from __future__ import annotations

import math
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor
from torch.nn import functional as F

from ..nets.stain import align_stain

# Haematoxylin, eosin and DAB in optical density (Ruifrok and Johnston, 2001), rows of unit length, as in scikit-image.
RGB_FROM_HED = torch.tensor([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
HED_FROM_RGB = torch.linalg.inv(RGB_FROM_HED)


@dataclass(frozen=True)
class Normalisation:
    """How an input in 0..1 is prepared: perhaps its stain is aligned, then (x - mean) / std by channel."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    stain_aligned: bool = False

    def __call__(self, images: Tensor) -> Tensor:
        """The normalised images (N, 3, H, W)."""
        if self.stain_aligned:
            images = align_stain(images)
        return (images - torch.tensor(self.mean)[:, None, None]) / torch.tensor(self.std)[:, None, None]


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
MINUS_ONE_TO_ONE = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low


def random_affine(
    size_px: int, shape: tuple[int, int], centre: tuple[float, float], scale: float, generator: torch.Generator
) -> Tensor:
    """A sampling grid (1, size_px, size_px, 2): a window round `centre` (y, x), turned, mirrored, magnified by `scale`."""
    angle = float(_uniform((), 0, 2 * math.pi, generator))
    mirror = 1.0 if torch.rand((), generator=generator) < 0.5 else -1.0
    stretch = math.exp(float(_uniform((), -0.1, 0.1, generator)))
    offsets = (torch.arange(size_px) - (size_px - 1) / 2) / scale
    v, u = torch.meshgrid(offsets * stretch, offsets / stretch * mirror, indexing="ij")
    y = centre[0] + math.cos(angle) * v + math.sin(angle) * u
    x = centre[1] - math.sin(angle) * v + math.cos(angle) * u
    height, width = shape
    return torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)[None]


SHIFT_PX, ROTATION_DEG = 10.0, 20.0
"""Most that the paper shifts and turns an image."""


def small_affine(size_px: int, generator: torch.Generator) -> Tensor:
    """A sampling grid (1, size_px, size_px, 2) of the paper: mirrored or not, shifted and turned."""
    angle = math.radians(float(_uniform((), -ROTATION_DEG, ROTATION_DEG, generator)))
    mirror = 1.0 if torch.rand((), generator=generator) < 0.5 else -1.0
    dy, dx = (2 * _uniform((2,), -SHIFT_PX, SHIFT_PX, generator) / size_px).tolist()
    cos, sin = math.cos(angle), math.sin(angle)
    theta = torch.tensor([[[cos * mirror, -sin, dx], [sin * mirror, cos, dy]]])
    return F.affine_grid(theta, [1, 1, size_px, size_px], align_corners=False)


def stain_and_colour(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Other stains and cameras.

    Haematoxylin, eosin and the rest are each multiplied and shifted (Tellez et al., 2018); then the white point, gamma and
    brightness of each channel, the mixing of channels, saturation and contrast.

    Parameters
    ----------
    images
        (N, 3, H, W) float32 in 0..1.
    strength
        1 is the default recipe's; 0 changes nothing.
    """
    return torch.stack([_another_stain(image, strength, generator) for image in images])


def _another_stain(image: Tensor, s: float, generator: torch.Generator) -> Tensor:
    """`stain_and_colour` of one image (3, H, W); one by one they stay in the processor's cache."""
    amount = _uniform((3,), 1 - 0.35 * s, 1 + 0.35 * s, generator)
    shift = _uniform((3,), -0.05 * s, 0.05 * s, generator)
    restain = RGB_FROM_HED.T @ torch.diag(amount) @ HED_FROM_RGB.T
    mix = torch.eye(3) + _uniform((3, 3), -0.1 * s, 0.1 * s, generator)
    mix = mix / mix.sum(dim=1, keepdim=True)
    gamma = torch.exp(_uniform((3, 1), -0.45 * s, 0.45 * s, generator))
    white = _uniform((3, 1), 1 - 0.3 * s, 1 + 0.08 * s, generator)
    gain = torch.exp(_uniform((), -0.3 * s, 0.2 * s, generator))
    contrast = torch.exp(_uniform((), -0.3 * s, 0.3 * s, generator))
    saturation = torch.exp(_uniform((), -0.47 * s, 0.23 * s, generator))
    log_light = image.flatten(1).clamp(min=1 / 255).log_()  # (3, H W): minus the optical density
    light = torch.addmm(-(RGB_FROM_HED.T @ shift)[:, None], restain, log_light).exp_().clamp_(0, 1)
    light = (mix @ light).clamp_(1e-3, 1).log_().mul_(gamma).exp_().mul_(white)
    grey = light.mean(dim=0, keepdim=True)
    light = light.sub_(grey).mul_(saturation).add_(grey)
    mean = light.mean(dim=1, keepdim=True)
    return light.sub_(mean).mul_(contrast).add_(mean).mul_(gain).clamp_(0, 1).view_as(image)


def blur_and_noise(images: Tensor, generator: torch.Generator, most_px: float = 1.5) -> Tensor:
    """Another focus and camera: some images blurred, some sharpened, some with noise.

    Parameters
    ----------
    images
        (N, 3, H, W) float32 in 0..1.
    most_px
        Standard deviation of the widest blur, px: half of the images have one, from 0.3 px on. A third of those whose blur
        is under 2 px are sharpened by as much instead. Half of the images get sensor noise of up to 4 %.
    """
    out = []
    for image in images:
        if torch.rand((), generator=generator) < 0.5:
            sigma = float(_uniform((), 0.3, most_px, generator))
            blurred = _blur(image, sigma)
            sharpen = sigma < 2 and torch.rand((), generator=generator) < 1 / 3
            image = image + float(_uniform((), 0.3, 1.5, generator)) * (image - blurred) if sharpen else blurred
        level = float(_uniform((), 0, 0.04, generator)) if torch.rand((), generator=generator) < 0.5 else 0.0
        out.append(image + level * torch.randn(image.shape, generator=generator))
    return torch.stack(out).clamp(0, 1)


def _blur(image: Tensor, sigma_px: float) -> Tensor:
    """An image (3, H, W) out of focus by a Gaussian."""
    reach = math.ceil(2.5 * sigma_px)
    x = torch.arange(-reach, reach + 1.0)
    kernel = torch.exp(-0.5 * (x / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, len(x))
    padded = F.pad(image[None], (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, kernel, groups=3), kernel.transpose(2, 3), groups=3)[0]


def compress(images: Tensor, generator: torch.Generator, share: float = 0.35) -> Tensor:
    """A share of the images (N, 3, H, W) in 0..1 as from a small JPEG: 64 to 199 px wide, quality 35 to 91."""
    out = []
    for image in images:
        if torch.rand((), generator=generator) < share:
            side = int(torch.randint(64, 200, (), generator=generator))
            small = F.interpolate(image[None], size=(side, side), mode="bilinear", antialias=True, align_corners=False)[0]
            pixels = small.permute(1, 2, 0).mul(255).round().clamp(0, 255).byte().numpy()
            file = BytesIO()
            Pillow.fromarray(pixels).save(file, "JPEG", quality=int(torch.randint(35, 92, (), generator=generator)))
            read = torch.from_numpy(np.array(Pillow.open(file))).permute(2, 0, 1)[None].float() / 255
            image = F.interpolate(read, size=image.shape[1:], mode="bicubic", align_corners=False)[0].clamp(0, 1)
        out.append(image)
    return torch.stack(out)
