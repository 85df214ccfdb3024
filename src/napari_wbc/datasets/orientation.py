"""Boxes that someone drew on a photograph, in the coordinates of the upright image, whether or not their program knew EXIF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image as Pillow

from ..cells import Box, RgbImage
from ..errors import UnsupportedImageError
from ..images import exif_orientation, explained

MIN_INSIDE = 0.9
"""Share of a box that must lie in the image; boxes at a border reach a little over it."""


ORIENTATION = 274
"""The tag of a TIFF that tells how it is turned."""


class Corners(NamedTuple):
    """A box with real coordinates: pixel edges, px."""

    y0: float
    x0: float
    y1: float
    x1: float


def upright_boxes(corners: Sequence[Corners], pixels: RgbImage, path: Path, note: Path) -> list[Box]:
    """Boxes of the upright image.

    They are taken as they are if they lie inside the upright image; else, turned as the image was, if they then do. If both
    do (a square image, or one that was upside down), those are right in which it is darker: nuclei are dark.

    Parameters
    ----------
    corners
        As drawn, on the upright image or on the one as it is stored.
    pixels
        (H, W, 3) uint8, upright.
    path, note
        The files of the image, which tells how it was turned, and of the boxes.

    Raises
    ------
    UnsupportedImageError
        If they lie inside neither.
    """
    height, width = pixels.shape[:2]
    orientation = stored_orientation(path)
    as_drawn = list(corners)
    turned = [turn(box, orientation, height, width) for box in as_drawn]
    fitting = [boxes for boxes in (as_drawn, turned) if all(_is_inside(box, height, width) for box in boxes)]
    if not fitting:
        outside = next(box for box in as_drawn if not _is_inside(box, height, width))
        raise UnsupportedImageError(
            f"a box in {note} lies outside the image of {width} × {height} px, also if it is turned (EXIF orientation "
            f"{orientation}): {tuple(outside)}. Check that they belong together."
        )
    rounded = [[_rounded(box, height, width) for box in boxes] for boxes in fitting]
    return min(rounded, key=lambda boxes: _brightness(pixels, boxes))


def stored_orientation(path: Path) -> int:
    """The orientation that an image file states, in EXIF or in a tag of a TIFF, 1..8; 1 where it states none.

    Raises
    ------
    UnreadableImageError
        If Pillow cannot read the file.
    """
    with explained(str(path)), Pillow.open(path) as image:
        if image.format == "TIFF":
            return int(image.getexif().get(ORIENTATION, 1))
        return exif_orientation(image.info.get("exif", b""))


def turn(box: Corners, orientation: int, height: int, width: int) -> Corners:
    """A box of the image as stored, in the upright image of `height` × `width` px; as `images` turns the pixels."""
    y0, x0, y1, x1 = box
    if orientation in (5, 6, 7, 8):
        y0, x0, y1, x1 = x0, y0, x1, y1
    if orientation in (3, 4, 7, 8):
        y0, y1 = height - y1, height - y0
    if orientation in (2, 3, 6, 7):
        x0, x1 = width - x1, width - x0
    return Corners(y0, x0, y1, x1)


def _is_inside(box: Corners, height: int, width: int) -> bool:
    """Whether a box has an area, and nearly all of it lies in the image."""
    area = (box.y1 - box.y0) * (box.x1 - box.x0)
    inside = max(0.0, min(box.y1, height) - max(box.y0, 0)) * max(0.0, min(box.x1, width) - max(box.x0, 0))
    return area >= 1 and inside >= MIN_INSIDE * area


def _rounded(box: Corners, height: int, width: int) -> Box:
    """The box in whole pixels, at least one each way, cut at the border of the image."""
    y0, x0 = max(0, round(box.y0)), max(0, round(box.x0))
    return Box(y0, x0, min(height, max(y0 + 1, round(box.y1))), min(width, max(x0 + 1, round(box.x1))))


def _brightness(pixels: RgbImage, boxes: Sequence[Box]) -> float:
    """Mean of green in the boxes; 0 without boxes."""
    return float(np.mean([pixels[box.slices][..., 1].mean() for box in boxes])) if boxes else 0.0
