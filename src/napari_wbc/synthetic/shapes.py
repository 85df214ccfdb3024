"""Shapes and textures: discs with wavy outlines, smooth noise, grains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float32]
Window = tuple[slice, slice]
"""Rows and columns of a part of an image."""


def window_round(array: npt.NDArray[np.float32], y: float, x: float, reach: float) -> Window | None:
    """The part of an array within `reach` px of a point, or None if there is none."""
    height, width = array.shape[:2]
    rows = slice(max(0, int(y - reach)), min(height, int(y + reach) + 2))
    columns = slice(max(0, int(x - reach)), min(width, int(x + reach) + 2))
    return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None


def blob(
    rng: np.random.Generator, window: Window, y: float, x: float, radius: float, waves: Sequence[float]
) -> tuple[Floats, Floats]:
    """A disc with a wavy outline, of Fourier orders 2, 3, ... and the given amplitudes.

    Returns the distance of every pixel from the centre, in local radii, and its share that lies inside, 0..1.
    """
    yy, xx = (a.astype(np.float32) for a in np.ogrid[window])
    r, angle = np.hypot(yy - y, xx - x), np.arctan2(yy - y, xx - x)
    outline = np.full_like(r, radius)
    for order, amplitude in enumerate(waves, start=2):
        outline += radius * amplitude * np.float32(rng.normal()) * np.cos(order * angle + np.float32(rng.uniform(0, 2 * np.pi)))
    return r / outline, np.clip(outline - r + 0.5, 0, 1)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], sigma_px: float) -> Floats:
    """Smooth noise of mean 0 and standard deviation about 1."""
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma_px, truncate=3)
    return np.asarray(smooth / max(float(smooth.std()), 1e-6), np.float32)


def spots(rng: np.random.Generator, shape: tuple[int, ...], diameter_px: float, share: float) -> Floats:
    """Round grains of about a diameter that cover about a share of the plane; 0..1, soft edges."""
    noise = smooth_noise(rng, shape, diameter_px / 2.5)
    return np.asarray(np.clip((noise - np.quantile(noise, 1 - share)) * 2 + 0.5, 0, 1), np.float32)
