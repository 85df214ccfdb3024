"""Which scale: what the user or the file says, what red cells show, and what the white cells found have to say to that."""

from __future__ import annotations

import numpy as np

from ..cells import Field, Labels, Scale, ScaleSource
from ..config import ASSUMED_UM_PER_PX, RED_CELL_DIAMETER_UM, Settings
from .red_cells import red_cell_diameter_px


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
