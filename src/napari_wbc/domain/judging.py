"""The numbers of an image against their usual ranges in the sources of the training images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..cells import Domain
from .measuring import Numbers

Ranges = dict[str, tuple[float, float]]
"""Lowest and highest usual value by the name of a number; see `Numbers`."""
Sources = Mapping[str, Ranges]
"""The ranges by the name of the source of training images, mostly a laboratory."""


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
