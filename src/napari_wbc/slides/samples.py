"""A few places of a slide, and what they tell of all of it: its scale, and how bright its glass is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import scale as scaling
from ..cells import Box, Field, RgbImage, Scale
from ..config import Settings
from ..pipeline import Segmenter, Step, Steps, segment_steps
from ..pyramids import Pyramid

SAMPLES, SAMPLE_PX = 9, 1024
"""Places that are looked at, and their side, native px."""


def samples(slide: Pyramid) -> list[RgbImage]:
    """The places with the most detail of 36 that are spread evenly over the slide, in native pixels."""
    height, width = slide.shapes[0]
    side = min(SAMPLE_PX, height), min(SAMPLE_PX, width)
    rows, columns = (np.unique(np.linspace(0, n - s, 6).astype(int)) for n, s in zip((height, width), side, strict=True))
    places = [Box(int(y), int(x), int(y) + side[0], int(x) + side[1]) for y in rows for x in columns]
    coarse = len(slide.shapes) - 1  # enough to tell glass from cells; without a pyramid every place is read once
    details = [float(slide.view(place, coarse)[..., 1].std()) for place in places]
    best = sorted(np.argsort(details)[::-1][:SAMPLES].tolist())
    return [slide.read(places[i]) for i in best]


def brightest_red(seen: Sequence[RgbImage]) -> float:
    """Brightness of the empty glass in red light, 0..255."""
    return float(np.median([np.percentile(sample[::4, ::4, 0], 95) for sample in seen]))


def scale_steps(seen: Sequence[RgbImage], um_per_px: float | None, segmenter: Segmenter, settings: Settings) -> Steps[Scale]:
    """One scale for the slide: from the user, the file, the red cells of several places, the white cells there, or assumed.

    Parameters
    ----------
    seen
        (h, w, 3) uint8 each, native pixels.
    um_per_px
        The pixel size that the file states, µm.
    """
    fields = [Field(sample, um_per_px) for sample in seen]
    yield Step("scale", 0, 1)
    scales = [scaling.choose_scale(field, settings, segmenter.um_per_px) for field in fields]
    if scales[0].source in ("user", "file"):
        return scales[0]
    told = [scale for scale in scales if scale.source == "estimated"]
    if not told:
        for field in fields:
            segmentation = yield from segment_steps(field, segmenter, settings)
            if segmentation.scores and segmentation.scale.source == "estimated":
                told.append(segmentation.scale)
    if not told:
        return scales[0]
    median = float(np.median([scale.um_per_px for scale in told if scale.um_per_px is not None]))
    return Scale(median, median / segmenter.um_per_px, "estimated")
