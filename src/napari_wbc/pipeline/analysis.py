"""All stages for one image or many, and each of the two halves alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..cells import Analysis, Field, RgbImage, Segmentation
from ..config import Settings
from ..errors import UnsupportedImageError
from ..tiling import TILE_PX
from .naming import reclassify_steps
from .networks import Classifier, Models, Segmenter
from .outlining import segment_steps
from .steps import Steps, finish


def analyse(image: RgbImage | Field, models: Models, settings: Settings | None = None) -> Analysis:
    """Find, outline, box, measure and name the white blood cells of one image.

    Parameters
    ----------
    image
        (H, W, 3) uint8, or a `Field`, which may know its pixel size.
    models
        From `load_models`.
    settings
        None: the defaults.

    Returns
    -------
    Labels of the image's own size, and one row per cell. The names are suggestions, for a person to verify.
    """
    return analyse_many([image], models, settings)[0]


def analyse_many(
    images: Sequence[RgbImage | Field], models: Models, settings: Settings | None = None, tile_px: int = TILE_PX
) -> list[Analysis]:
    """`analyse` for several images at once. The result of an image does not depend on its neighbours.

    `tile_px` is the largest side of what the segmenter sees at once, analysis px; smaller needs less memory.
    """
    return finish(analyse_steps(images, models, settings, tile_px))


def analyse_steps(
    images: Sequence[RgbImage | Field], models: Models, settings: Settings | None = None, tile_px: int = TILE_PX
) -> Steps[list[Analysis]]:
    """`analyse_many` step by step, for front ends that show progress and may stop."""
    settings = settings or Settings()
    fields = [as_field(image) for image in images]
    segmentations = []
    for field in fields:
        segmentations.append((yield from segment_steps(field, models.segmenter, settings, tile_px)))
    return (yield from reclassify_steps(fields, segmentations, models.classifier))


def segment_cells(image: RgbImage | Field, segmenter: Segmenter, settings: Settings | None = None) -> Segmentation:
    """The first stage alone: outlines of the cells of one image; parameters as in `analyse`."""
    return finish(segment_steps(as_field(image), segmenter, settings or Settings()))


def reclassify(image: RgbImage | Field, segmentation: Segmentation, classifier: Classifier) -> Analysis:
    """The second stage alone: box, crop, measure and name the cells of given outlines, drawn by the model or a person."""
    return finish(reclassify_steps([as_field(image)], [segmentation], classifier))[0]


def as_field(image: RgbImage | Field) -> Field:
    """The image as a `Field`; an array becomes one without a pixel size.

    Raises
    ------
    UnsupportedImageError
        If the pixels are not (H, W, 3) uint8, at least one.
    """
    field = image if isinstance(image, Field) else Field(image)
    shape, dtype = field.pixels.shape, field.pixels.dtype
    if len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype != np.uint8:
        raise UnsupportedImageError(
            f"An image must be (H, W, 3) uint8 with at least one pixel, found {shape} {dtype}. "
            "`napari_wbc.images.to_rgb` converts other arrays."
        )
    return field
