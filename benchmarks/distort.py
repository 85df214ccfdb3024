"""One fixed, seeded distortion of stain, colour, blur, scale and JPEG: what another laboratory might do to an image.

It is made with other means than the augmentation of the training (scikit-image, Pillow, whole images), so that a network is not
judged by what it was taught. The same name gives the same distortion.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageFilter
from skimage.color import hed2rgb, rgb2hed

from napari_wbc.cells import Box, RgbImage


@dataclass(frozen=True)
class Distortion:
    """How one image is distorted; `seed` parts one laboratory from another."""

    stain: npt.NDArray[np.float64]  # (3,) factors of haematoxylin, eosin, rest
    white: npt.NDArray[np.float64]  # (3,) factors of red, green, blue
    gamma: float
    blur_px: float
    scale: float
    jpeg_quality: int


def distortion_of(name: str, seed: int = 1) -> Distortion:
    """The distortion of the image of this name."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    warmth = rng.uniform(-0.12, 0.28)  # above 0: yellow, below: blue
    return Distortion(
        stain=rng.uniform(0.65, 1.35, 3),
        white=np.array([1.0, 1 - 0.3 * max(warmth, 0) + rng.uniform(-0.06, 0.06), 1 - warmth]) * rng.uniform(0.85, 1.03),
        gamma=float(np.exp(rng.uniform(-0.3, 0.3))),
        blur_px=float(rng.uniform(0.0, 1.2)),
        scale=float(np.exp(rng.uniform(np.log(0.35), np.log(0.9)))),
        jpeg_quality=int(rng.integers(40, 90)),
    )


def distort(image: RgbImage, how: Distortion) -> RgbImage:
    """The image (H, W, 3) uint8 as that laboratory would have it: smaller by `scale`."""
    light = np.clip(hed2rgb(rgb2hed(image) * how.stain), 1e-3, 1) ** how.gamma * how.white
    other = Pillow.fromarray(np.rint(255 * np.clip(light, 0, 1)).astype(np.uint8))
    size = (max(1, round(image.shape[1] * how.scale)), max(1, round(image.shape[0] * how.scale)))
    other = other.resize(size, Pillow.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(how.blur_px))
    file = BytesIO()
    other.save(file, format="JPEG", quality=how.jpeg_quality)
    return np.asarray(Pillow.open(file).convert("RGB"))


def distort_box(box: Box, scale: float) -> Box:
    """The box in the distorted image."""
    return Box(*(round(v * scale) for v in box))


def laboratory(seed: int) -> Distortion:
    """One laboratory that is far from the data: the same strong distortion for all of its images."""
    rng = np.random.default_rng([seed, 99])
    return Distortion(
        stain=np.exp(rng.uniform(-0.9, 0.5, 3)),
        white=rng.uniform(0.55, 1.0, 3),
        gamma=float(np.exp(rng.uniform(-0.6, 0.6))),
        blur_px=float(rng.uniform(0.5, 2.0)),
        scale=float(np.exp(rng.uniform(np.log(0.3), np.log(0.6)))),
        jpeg_quality=int(rng.integers(30, 70)),
    )
