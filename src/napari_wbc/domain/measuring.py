"""The numbers of an image that tell whether it is like others: its glass, its focus, the size and stain of its cells."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..cells import Labels, RgbImage


@dataclass(frozen=True)
class Numbers:
    """What is measured of an image; None where it cannot be.

    Densities are optical densities (natural logarithm) against the background; blueness and yellowness are the densities of
    red and of blue, divided by that of green, for a blue dye takes the red away. Shares 0..1 are of the pixels of cells.

    Parameters
    ----------
    background
        Brightness of the empty glass, 0..255.
    background_warmth
        Its red ÷ its blue, natural logarithm.
    background_green
        Its green ÷ the mean of its red and blue, natural logarithm.
    detail_um
        Size of the finest detail, µm: mean slope ÷ mean Laplacian of the grey image; in and round the cells, or of the image
        without cells.
    cell_diameter_um
        Median diameter of the cells that the border does not cut, µm.
    nucleus_density, nucleus_blueness, nucleus_yellowness
        Of the darkest third of the pixels of cells.
    cytoplasm_density, cytoplasm_blueness
        Of the palest quarter.
    overexposed, underexposed
        Share of pixels with a channel at its upper or lower end.
    """

    background: float
    background_warmth: float
    background_green: float
    detail_um: float | None = None
    cell_diameter_um: float | None = None
    nucleus_density: float | None = None
    nucleus_blueness: float | None = None
    nucleus_yellowness: float | None = None
    cytoplasm_density: float | None = None
    cytoplasm_blueness: float | None = None
    overexposed: float | None = None
    underexposed: float | None = None


MOST_PIXELS = 10_000
"""Pixels that colours are taken from, evenly spaced."""
STRIDE_PX = 2
"""Distance over which slopes are taken, px: more than that of the camera's noise from pixel to pixel."""
MIN_SLOPE = 0.5
"""Mean slope, grey levels per px, below which there is nothing to focus on."""
LITTLE_DENSITY = 0.1
"""Optical density that is added to both before they are divided: the colour of a pale stain is uncertain."""
RIM_UM = 1.0
"""Surroundings of a cell in which its focus is measured, µm."""


def measure_domain(image: RgbImage, labels: Labels, um_per_px: float) -> Numbers:
    """The numbers of an image and the cells found in it.

    Parameters
    ----------
    image
        (h, w, 3) uint8, at the analysis scale.
    labels
        (h, w) int32, the cells; values below 1 are none.
    um_per_px
        Pixel size, µm.
    """
    step = max(1, int(np.sqrt(labels.size / MOST_PIXELS)))
    pixels, cell = image[::step, ::step].reshape(-1, 3), labels[::step, ::step].ravel() > 0
    glass = np.percentile(pixels if cell.all() else pixels.compress(~cell, axis=0), 90, axis=0) + 1
    red, green, blue = np.log(glass)
    boxes = [(i, box) for i, box in enumerate(ndimage.find_objects(np.maximum(labels, 0)), start=1) if box is not None]
    of_background = Numbers(
        background=float(glass.mean() - 1),
        background_warmth=float(red - blue),
        background_green=float(green - (red + blue) / 2),
        detail_um=_detail_um([image[_grown(box, RIM_UM / um_per_px)] for _, box in boxes] or [image], um_per_px),
    )
    if not cell.any():
        return of_background
    return dataclasses.replace(
        of_background, cell_diameter_um=_diameter_um(labels, boxes, um_per_px), **_stain(pixels.compress(cell, axis=0), glass)
    )


Box = tuple[slice, ...]


def _grown(box: Box, rim_px: float) -> tuple[slice, slice]:
    """A box with a rim, cut at the upper and left border."""
    rows, columns = (slice(max(0, side.start - round(rim_px)), side.stop + round(rim_px)) for side in box)
    return rows, columns


def _detail_um(views: Sequence[RgbImage], um_per_px: float) -> float | None:
    """Median over parts of an image of the size of its finest detail, µm; None where there is nothing to focus on."""
    sizes, n, inside = [], STRIDE_PX, slice(STRIDE_PX, -STRIDE_PX)
    for view in views:
        if min(view.shape[:2]) <= 2 * n:
            continue
        grey = view.sum(axis=2, dtype=np.float32) / 3
        up, down, left, right = grey[: -2 * n, inside], grey[2 * n :, inside], grey[inside, : -2 * n], grey[inside, 2 * n :]
        slope = float(np.hypot(down - up, right - left).mean()) / (2 * n)
        laplacian = float(np.abs(up + down + left + right - 4 * grey[inside, inside]).mean()) / n**2
        if slope >= MIN_SLOPE and laplacian > 0:
            sizes.append(slope / laplacian * um_per_px)
    return float(np.median(sizes)) if sizes else None


def _diameter_um(labels: Labels, boxes: Sequence[tuple[int, Box]], um_per_px: float) -> float | None:
    height, width = labels.shape
    areas = [
        np.count_nonzero(labels[box] == i)
        for i, box in boxes
        if box[0].start > 0 and box[1].start > 0 and box[0].stop < height and box[1].stop < width
    ]
    return 2 * float(np.sqrt(np.median(areas) / np.pi)) * um_per_px if areas else None


def _stain(pixels: npt.NDArray[np.uint8], glass: npt.NDArray[np.float64]) -> dict[str, float]:
    """The numbers of the colours of the pixels of cells, (N, 3), before the background `glass`, (3,), plus 1."""
    order = pixels[:, 1].argsort()
    third, quarter = -(-len(pixels) // 3), -(-len(pixels) // 4)
    nucleus, cytoplasm = (np.log(glass / (np.median(pixels[part], axis=0) + 1)) for part in (order[:third], order[-quarter:]))
    return {
        "nucleus_density": float(nucleus[1]),
        "nucleus_blueness": _ratio(nucleus[0], nucleus[1]),
        "nucleus_yellowness": _ratio(nucleus[2], nucleus[1]),
        "cytoplasm_density": float(cytoplasm[1]),
        "cytoplasm_blueness": _ratio(cytoplasm[0], cytoplasm[1]),
        "overexposed": float((pixels >= 254).any(axis=1).mean()),
        "underexposed": float((pixels <= 1).any(axis=1).mean()),
    }


def _ratio(density: float, green: float) -> float:
    return float((density + LITTLE_DENSITY) / (max(green, 0) + LITTLE_DENSITY))
