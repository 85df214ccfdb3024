"""The first half: the outlines of the cells of an image, from its scale to labels in native pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import scale as scaling
from ..cells import Box, Domain, Field, Labels, Probabilities, RgbImage, Scale, Segmentation
from ..cleanup import clean_up, drop_doubtful
from ..config import ASSUMED_UM_PER_PX, Settings
from ..domain import doubt_pixel_size, judge, measure_domain
from ..errors import ImageTooLargeError
from ..separate import separate
from ..tiling import TILE_PX, put, windows
from .networks import Segmenter
from .steps import Step, Steps

ENLARGED = 8
"""At the analysis scale an image may have so many times `max_megapixels` (its default, where that is more): the largest flat
images may have 0.5 µm per pixel, and then need some 30 GB, 24 bytes for each of those pixels."""
SAID = {"user": "as the settings say", "file": "as the file says", "estimated": "estimated from cells", "assumed": "assumed"}
"""Where the pixel size comes from, by the source of the scale."""


def segment_steps(field: Field, segmenter: Segmenter, settings: Settings, tile_px: int = TILE_PX) -> Steps[Segmentation]:
    """`segment_cells`, step by step.

    Where neither user nor file nor red cells tell the pixel size, or the white cells found contradict the red ones, it is
    taken from the white cells: the image is segmented again at the scale that makes the largest as large as those the
    network was trained on. Where a doubtful scale shows no cell at all, others are tried.
    """
    yield Step("scale", 0, 1)
    scale = scaling.choose_scale(field, settings, segmenter.um_per_px)
    found = yield from segment_at(field, scale, segmenter, settings, tile_px)
    trained = segmenter.um_per_px, segmenter.cell_diameter_um
    for other in scaling.other_scales(field, scale) if not found.scores else ():
        tried = yield from segment_at(field, other, segmenter, settings, tile_px)
        if tried.scores and scaling.scale_from_cells(tried.labels, other, *trained) is None:
            scale, found = other, tried
            break
    better = scaling.scale_from_cells(found.labels, scale, *trained)
    if better is not None:
        scale = better
        found = yield from segment_at(field, scale, segmenter, settings, tile_px)
    yield Step("outline", 0, 1)
    native = scaling.to_native(found.labels, found.probability, settings.mask_threshold, field.pixels.shape[:2])
    native.flags.writeable = False
    return Segmentation(native, found.scores, scale, _domain(field, scale, found, segmenter))


def _domain(field: Field, scale: Scale, found: Found, segmenter: Segmenter) -> Domain | None:
    """Whether the image is like those the network knows; None where its card does not say what they are like."""
    if not segmenter.domain:
        return None
    domain = judge(measure_domain(found.image, found.labels, segmenter.um_per_px), segmenter.domain)
    if scale.source in ("user", "file") and scale.um_per_px is not None:
        domain = doubt_pixel_size(domain, scale.um_per_px, scaling.red_cell_diameter_px(field.pixels))
    return domain


@dataclass(frozen=True, eq=False)
class Found:
    """What was found at one scale: image (h, w, 3), labels and probability of WBC (h, w) at that scale, scores by id."""

    image: RgbImage
    labels: Labels
    scores: dict[int, float]
    probability: Probabilities


def segment_at(field: Field, scale: Scale, segmenter: Segmenter, settings: Settings, tile_px: int) -> Steps[Found]:
    """The cells at a scale, large images tile by tile.

    Raises
    ------
    ImageTooLargeError
        If the image would have too many pixels at that scale.
    """
    _check_size(field, scale, settings)
    image = scaling.to_analysis(field.pixels, scale.analysis_scale)
    tiles = windows(image.shape[:2], tile_px)
    probabilities = None
    for i, tile in enumerate(tiles):
        yield Step("segment", i, len(tiles))
        (part,) = segmenter([image[tile.outer.slices]])
        probabilities = put(part, tile, image.shape[:2], probabilities)
    assert probabilities is not None
    labels, scores = np.zeros(image.shape[:2], np.int32), dict[int, float]()
    box = Box.around(probabilities[0] >= settings.mask_threshold)
    if box is not None:  # outside of it is nothing to clean up
        labels[box.slices], scores = _number(probabilities[:, *box.slices], settings)
    return Found(image, labels, scores, probabilities[0].copy())


def _check_size(field: Field, scale: Scale, settings: Settings) -> None:
    """Refuse what would be beyond the budget at a scale."""
    height, width = field.pixels.shape[:2]
    megapixels = height * width * scale.analysis_scale**2 / 1e6
    most = ENLARGED * max(settings.max_megapixels, Settings().max_megapixels)
    if megapixels > most:
        raise ImageTooLargeError(
            f"{width} × {height} px at {scale.um_per_px or ASSUMED_UM_PER_PX:g} µm/px, {SAID[scale.source]}, are "
            f"{megapixels:.0f} megapixels at the analysis scale, more than the {most:g} allowed. If the pixel size is wrong, "
            "state it (um_per_px); else write a tiled TIFF (.btf), which is analysed tile by tile, or raise max_megapixels."
        )


def _number(probabilities: Probabilities, settings: Settings) -> tuple[Labels, dict[int, float]]:
    """Labels (h, w) of the cells in probabilities (K, h, w), and the score of each by its id."""
    wbc = probabilities[0]
    core = probabilities[1] if settings.separate_touching and len(probabilities) > 1 else None
    mask = clean_up(wbc >= settings.mask_threshold, settings.min_area_px)
    labels = separate(mask, core, settings.core_threshold, settings.min_area_px)
    return drop_doubtful(labels, wbc, settings.min_score)
