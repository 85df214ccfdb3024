"""The analysis scale of an image: the resizing at which its cells are as large as those the network was trained on.

Precedence: what the user says > what the file says > estimated from the red cells > from the white cells found > assumed.
"""

from __future__ import annotations

import numpy as np
from PIL import Image as Pillow
from scipy import ndimage
from skimage.filters import threshold_otsu

from .cells import Field, Labels, Mask, Probabilities, RgbImage, Scale, ScaleSource
from .config import ASSUMED_UM_PER_PX, RED_CELL_DIAMETER_UM, Settings

WORK_SIDE_PX = 320
"""Longer side of the image in which red cells are looked for: the same smear at any resolution gives the same answer."""
MIN_RED_CELL_PX = 14
"""Red cells narrower than this in the work image are measured again in its centre, enlarged."""
MIN_RED_CELLS = 4
"""Fewer red cells than this are no ruler."""


def choose_scale(field: Field, settings: Settings, analysis_um_per_px: float) -> Scale:
    """The scale of an image from the user, the file, its red cells, or assumed.

    Parameters
    ----------
    field
        The image, with the pixel size that its file states.
    settings
        `um_per_px` is the user's word.
    analysis_um_per_px
        Pixel size at which the network was trained, µm.
    """
    if settings.um_per_px is not None:
        return Scale(settings.um_per_px, settings.um_per_px / analysis_um_per_px, "user")
    if field.um_per_px is not None:
        return Scale(field.um_per_px, field.um_per_px / analysis_um_per_px, "file")
    diameter_px = red_cell_diameter_px(field.pixels)
    if diameter_px is not None:
        um_per_px = RED_CELL_DIAMETER_UM / diameter_px
        return Scale(um_per_px, um_per_px / analysis_um_per_px, "estimated")
    return Scale(None, ASSUMED_UM_PER_PX / analysis_um_per_px, "assumed")


def red_cell_diameter_px(image: RgbImage) -> float | None:
    """Median width of the red cells of a smear, native px; None where too few are seen.

    Red cells are objects darker than the background in green. Their widths are twice the local maxima of the distance
    transform, which sees the width of a cell also in a chain or a heap of them.

    Parameters
    ----------
    image
        (H, W, 3) uint8.
    """
    height, width = image.shape[:2]
    factor = WORK_SIDE_PX / max(height, width)
    found = _red_cell_widths(resize(image, factor))
    if found is not None and found < MIN_RED_CELL_PX and factor < 1:
        side = round(WORK_SIDE_PX / min(1.0, factor * 3) / 2)
        y, x = height // 2, width // 2
        centre = image[max(0, y - side) : y + side, max(0, x - side) : x + side]
        factor = min(1.0, factor * 3)
        found = _red_cell_widths(resize(centre, factor))
    return None if found is None else found / factor


def _red_cell_widths(image: RgbImage) -> float | None:
    """Most frequent width of red cells in a work image (H, W, 3), px; None where too few are seen."""
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(_cells_mask(image)), 1.0)
    margin = 5
    peaks = (distance == ndimage.maximum_filter(distance, size=2 * margin + 1)) & (distance > MIN_WIDTH_PX / 2)
    # Smoothing by 1 px lowers the tip of a cone of slope 1 by sqrt(pi / 2); the transform counts half a pixel too much.
    radii = distance[margin:-margin, margin:-margin][peaks[margin:-margin, margin:-margin]] + np.sqrt(np.pi / 2) - 0.5
    widths = 2 * radii
    if len(widths) < MIN_RED_CELLS:
        return None
    logs = np.log(widths)
    votes = widths * np.exp(-0.5 * ((logs[:, None] - logs) / WIDTH_SPREAD) ** 2)  # wide cells outvote specks
    mode = widths[votes.sum(axis=1).argmax()]
    near = widths[np.abs(np.log(widths / mode)) < 2 * WIDTH_SPREAD]
    return float(np.median(near)) if len(near) >= MIN_RED_CELLS else None


MIN_WIDTH_PX = 6
"""Narrower objects of the work image are specks."""
WIDTH_SPREAD = 0.08
"""Relative spread of the widths of red cells that are taken together."""


def _cells_mask(image: RgbImage) -> Mask:
    """What is darker than the background in green, with the pallor of red cells filled; (H, W) bool."""
    green = ndimage.gaussian_filter(image[..., 1].astype(np.float32), 1.0)
    coarse = ndimage.gaussian_filter(ndimage.percentile_filter(green[::8, ::8], 80, size=11), 2.0)
    background = np.asarray(Pillow.fromarray(coarse).resize(green.shape[::-1], Pillow.Resampling.BILINEAR))
    relative = np.clip(green / np.maximum(background, 1), 0.6, 1.2)
    mask = relative < threshold_otsu(relative)
    holes, count = ndimage.label(~mask)
    if count == 0:
        return np.asarray(mask)
    areas = np.bincount(holes.ravel(), minlength=count + 1)
    sides = np.array([(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in ndimage.find_objects(holes)])
    round_ = np.concatenate([[False], (areas[1:] > 0.5 * sides.prod(axis=1)) & (sides.max(axis=1) < 2 * sides.min(axis=1))])
    round_[np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]])] = False
    return np.asarray(mask | round_[holes])


def scale_from_cells(labels: Labels, scale: Scale, analysis_um_per_px: float, cell_diameter_um: float) -> Scale | None:
    """A better scale from the white cells that were found at a doubtful one; None where none were found or none is needed.

    What the user or the file says is not doubted. A scale estimated from red cells is doubted only if the largest white cell
    cannot be as large or as small as it says; an assumed one always.

    Parameters
    ----------
    labels
        (h, w) int32 at the analysis scale.
    scale
        The scale at which they were found.
    analysis_um_per_px, cell_diameter_um
        Pixel size at which the network was trained, and median diameter of the cells it was trained on, µm.
    """
    areas = np.bincount(labels.ravel())[1:]
    if not len(areas):
        return None
    diameter_px = 2 * float(np.sqrt(areas.max() / np.pi))  # the largest: fragments are what a wrong scale yields
    factor = cell_diameter_um / analysis_um_per_px / diameter_px
    low, high = TOLERATED[scale.source]
    if low < factor < high:
        return None
    factor = float(np.clip(factor, 1 / 4, 4))
    analysis_scale = scale.analysis_scale * factor
    return Scale(analysis_scale * analysis_um_per_px, analysis_scale, "estimated")


def other_scales(field: Field, scale: Scale) -> list[Scale]:
    """Scales to try where none of the cells was found: twice and half the presumed one, if that is doubtful.

    An assumed scale is doubtful, and so is one estimated from red cells in a field of view that holds only a few of them.
    """
    seen_um = max(field.pixels.shape[:2]) * (scale.um_per_px or ASSUMED_UM_PER_PX)
    if scale.source == "assumed" or (scale.source == "estimated" and seen_um < SMALL_FIELD_UM):
        um_per_px = scale.um_per_px or ASSUMED_UM_PER_PX
        return [Scale(um_per_px * factor, scale.analysis_scale * factor, "estimated") for factor in (2.0, 0.5)]
    return []


SMALL_FIELD_UM = 35.0
"""A field of view narrower than this, µm, is cut round a white cell rather than photographed."""

TOLERATED: dict[ScaleSource, tuple[float, float]] = {
    "user": (0, np.inf), "file": (0, np.inf), "estimated": (1 / 1.7, 2.5), "assumed": (1 / 1.1, 1.1),
}  # fmt: skip
"""Usual diameter of a white cell ÷ that of the largest one found, by the source of the scale: within, the scale stays."""


def resize(image: RgbImage, factor: float) -> RgbImage:
    """The image (H, W, 3) resized by a factor, bilinear and antialiased; no side becomes shorter than one pixel."""
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    if (height, width) == image.shape[:2]:
        return image
    return np.asarray(Pillow.fromarray(image).resize((width, height), Pillow.Resampling.BILINEAR, reducing_gap=2.0))


def to_analysis(image: RgbImage, analysis_scale: float) -> RgbImage:
    """The native image (H, W, 3) at the analysis scale."""
    return resize(image, analysis_scale)


def to_native(labels: Labels, probability: Probabilities, threshold: float, shape: tuple[int, int]) -> Labels:
    """Labels of the native size whose outlines follow the probability between the pixels of the analysis scale.

    Parameters
    ----------
    labels
        (h, w) int32, ids 1..n, analysis scale.
    probability
        (h, w) float32, probability of WBC.
    threshold
        A native pixel belongs to a cell where the interpolated probability is at least this and the nearest cell is that one.
    shape
        Native (H, W).

    Returns
    -------
    (H, W) int32. Every id is present, one 4-connected object without holes (where it is larger than a pixel), but for a
    cell that it surrounds.
    """
    native = np.zeros(shape, dtype=np.int32)
    grown = np.where(labels > 0, labels, ndimage.grey_dilation(labels, size=(5, 5)))
    fy, fx = labels.shape[0] / shape[0], labels.shape[1] / shape[1]
    for i, slices in enumerate(ndimage.find_objects(grown), start=1):
        if slices is None:
            continue
        (y0, y1), (x0, x1) = ((int(s.start / f), int(np.ceil(s.stop / f))) for s, f in zip(slices, (fy, fx), strict=True))
        y1, x1 = min(y1, shape[0]), min(x1, shape[1])
        rows = ((np.arange(y0, y1) + 0.5) * fy).astype(int)
        columns = ((np.arange(x0, x1) + 0.5) * fx).astype(int)
        smooth = Pillow.fromarray(probability).resize(
            (x1 - x0, y1 - y0), Pillow.Resampling.BILINEAR, box=(x0 * fx, y0 * fy, x1 * fx, y1 * fy)
        )
        near = grown[np.ix_(rows, columns)]
        cell = (near == i) & (np.asarray(smooth) >= threshold)
        cell = one_piece(cell) & np.isin(near, (0, i)) if cell.any() else labels[np.ix_(rows, columns)] == i
        native[y0:y1, x0:x1][cell] = i
    return native


def one_piece(mask: Mask) -> Mask:
    """The largest 4-connected component of a mask, its holes filled."""
    components, count = ndimage.label(mask)
    if count > 1:
        components = components == np.bincount(components.ravel())[1:].argmax() + 1
    return np.asarray(ndimage.binary_fill_holes(components))
