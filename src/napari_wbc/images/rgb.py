"""Arrays of every sort become pictures: (H, W, 3) uint8, upright."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..cells import RgbImage
from ..errors import UnsupportedImageError


def to_rgb(array: npt.NDArray[Any]) -> RgbImage:
    """Convert an array to a picture of 8 bits.

    Parameters
    ----------
    array
        (H, W), (H, W, 1..4), (3, H, W) or (4, H, W). One channel is grey; the second of two and the fourth of four are
        dropped (transparency; a cell under it is still a cell). bool: black and white. Integers of at most 16 bits,
        non-negative: divided, rounding down, by the smallest of 1, 4, 16, 64 and 256 that brings them to 0..255, since cameras
        of 8, 10, 12, 14 and 16 bits all write 16. Real numbers: 0..1 times 255, or 0..255, rounded.

    Returns
    -------
    (H, W, 3) uint8, contiguous; no copy if `array` is that already.

    Raises
    ------
    UnsupportedImageError
        If shape or values are none of these.
    """
    if array.ndim == 3 and array.shape[2] > 4 and array.shape[0] in (3, 4):
        array = np.moveaxis(array, 0, 2)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or not 1 <= array.shape[2] <= 4:
        raise UnsupportedImageError(f"expected one picture, (H, W) or (H, W, 3), found an array of shape {array.shape}.")
    if array.size == 0:
        raise UnsupportedImageError(f"the picture has no pixels: its shape is {array.shape}.")
    channels = 3 if array.shape[2] >= 3 else 1
    values = to_uint8(array[..., :channels])
    return np.ascontiguousarray(values if channels == 3 else np.repeat(values, 3, axis=2))


def to_uint8(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Values to 0..255 by the rules of `to_rgb`; any shape."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return np.where(array, np.uint8(255), np.uint8(0))
    if array.dtype.kind not in "iuf":
        raise UnsupportedImageError(f"values of type {array.dtype} are not a picture's. Export 8 or 16 bits.")
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UnsupportedImageError("some values are not numbers (NaN) or infinite. Export 8 or 16 bits.")
    if low < 0:
        raise UnsupportedImageError(f"some values are negative (smallest {low}). Export 8 or 16 bits, without offset.")
    if array.dtype.kind == "f":
        if high > 255:
            raise UnsupportedImageError(f"real numbers must be 0..1 or 0..255, found {high}. Export 8 or 16 bits.")
        return np.rint(array.astype(np.float32) * (255 if high <= 1 else 1)).astype(np.uint8)
    for bits in (8, 10, 12, 14, 16):
        if high < 2**bits:
            return (array >> (bits - 8)).astype(np.uint8)
    raise UnsupportedImageError(f"whole numbers must have at most 16 bits (65535), found {high}. Export 8 or 16 bits.")


def upright(pixels: RgbImage, orientation: int) -> RgbImage:
    """Undo an EXIF or TIFF orientation, 1..8 (5 to 8 exchange rows and columns); others count as 1. Read-only."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    pixels = np.ascontiguousarray(pixels)
    pixels.flags.writeable = False
    return pixels
