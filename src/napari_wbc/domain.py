"""Is this image like those the model was trained on: size of its cells, stain, focus, clipping.

A few numbers of the image at the analysis scale are compared with their usual ranges in each source of the training images,
which the model's card holds: an image is strange if it is like none of the sources. What cannot be measured, as the stain of
cells where there is none, is not judged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .cells import Domain, Labels, RgbImage

Ranges = dict[str, tuple[float, float]]
"""Lowest and highest usual value by the name of a number; see `Numbers`."""
Sources = Mapping[str, Ranges]
"""The ranges by the name of the source of training images, mostly a laboratory."""


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


@dataclass(frozen=True)
class _Words:
    """How a number out of range is told, its unit, and the least by which a range is widened on either side."""

    low: str
    high: str
    unit: str
    margin: float


WORDS = {
    "background": _Words("a darker background", "a brighter background", "of 255", 15),
    "background_warmth": _Words("a bluer background", "a redder background", "", 0.1),
    "background_green": _Words("a pinker background", "a greener background", "", 0.06),
    "detail_um": _Words("finer detail, or more noise", "more blur", "µm", 0.03),
    "cell_diameter_um": _Words("smaller cells, or a wrong pixel size", "larger cells, or a wrong pixel size", "µm", 1.5),
    "nucleus_density": _Words("a paler stain", "a darker stain", "", 0.15),
    "nucleus_blueness": _Words("a redder stain of the nuclei", "a bluer stain of the nuclei", "", 0.1),
    "nucleus_yellowness": _Words("a less yellow stain of the nuclei", "a yellower stain of the nuclei", "", 0.1),
    "cytoplasm_density": _Words("paler cytoplasm", "darker cytoplasm", "", 0.15),
    "cytoplasm_blueness": _Words("redder cytoplasm", "bluer cytoplasm", "", 0.2),
    "overexposed": _Words("", "over-exposed cells", "of their pixels", 0.1),
    "underexposed": _Words("", "under-exposed cells", "of their pixels", 0.1),
}  # fmt: skip

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
    glass = np.percentile(pixels if cell.all() else pixels[~cell], 90, axis=0) + 1
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
        of_background, cell_diameter_um=_diameter_um(labels, boxes, um_per_px), **_stain(pixels[cell], glass)
    )


def judge(numbers: Numbers, sources: Sources) -> Domain:
    """Compare the numbers of an image with the ranges of the source that it is most like.

    Parameters
    ----------
    sources
        At least one. The most like is that with the fewest numbers out of range, and of those the least far out.

    Returns
    -------
    The reason names every number that is out of range.
    """
    found = [(_outside(numbers, ranges), ranges) for ranges in sources.values()]
    out, ranges = min(found, key=lambda pair: (len(pair[0]), sum(pair[0].values())))
    return Domain(not out, "; ".join(_told(name, getattr(numbers, name), *ranges[name]) for name in out))


RED_CELLS_UM = (5.0, 11.0)
"""Median width of the red cells of an image, as it is measured, whose pixel size is right."""


def doubt_pixel_size(domain: Domain, um_per_px: float, red_cell_px: float | None) -> Domain:
    """The verdict on an image, with a reason more if its red cells cannot be as wide as the pixel size given says.

    Parameters
    ----------
    um_per_px
        As the user or the file has it.
    red_cell_px
        Median width of the red cells, native px; None where too few are seen.
    """
    if red_cell_px is None or RED_CELLS_UM[0] <= red_cell_px * um_per_px <= RED_CELLS_UM[1]:
        return domain
    doubt = f"a pixel size of {um_per_px:.3g} µm, with which red cells would be {_short(red_cell_px * um_per_px)} µm wide"
    return Domain(False, "; ".join(filter(None, (doubt, domain.reason))))


def _outside(numbers: Numbers, ranges: Ranges) -> dict[str, float]:
    """By how many widths of its range each number lies outside it."""
    out = {}
    for name, (low, high) in ranges.items():
        value = getattr(numbers, name, None)
        if value is not None and not low <= value <= high:
            out[name] = max(low - value, value - high) / (high - low)
    return out


def _told(name: str, value: float, low: float, high: float) -> str:
    words = WORDS[name]
    text = f"{_short(value)} {words.unit}".strip()
    usual = f"{_short(low)} to {_short(high)}" if words.low else f"at most {_short(high)}"
    return f"{words.low if value < low else words.high} ({text}, usual {usual})"


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"


SHARE_OUTSIDE, WIDENED_BY = 0.005, 0.25
"""Share of the training images at either end that a range leaves out, and by which part of its width it is widened then."""


def find_ranges(numbers: Sequence[Numbers]) -> Ranges:
    """The usual range of every number over the training images of one source."""
    ranges = {}
    for name, words in WORDS.items():
        values = [value for value in (getattr(each, name) for each in numbers) if value is not None]
        if values:
            low, high = np.quantile(values, [SHARE_OUTSIDE, 1 - SHARE_OUTSIDE])
            margin = max(words.margin, WIDENED_BY * (high - low))
            ranges[name] = (round(float(low - margin), 3), round(float(high + margin), 3))
    return ranges


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
