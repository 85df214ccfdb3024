"""What the pipeline takes from layers: an Image layer as a field, a Labels layer as a segmentation; no Qt.

Arrays are copied, because napari paints its layers in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from napari.layers import Image, Labels, Layer

from ..cells import Box, Field, Scale, Segmentation
from ..errors import ImageError, ImageTooLargeError, UnsupportedImageError, UsageError
from ..images import MAX_MEGAPIXELS, to_rgb
from .origin import KEY, origin

MAX_ID = 1_000_000
"""Largest id that a Labels layer may hold: the features table has one row per id, gaps included."""


def pixel_size(layer: Layer) -> float | None:
    """Pixel size that an Image layer states, µm: that of our reader, else its scale where its unit is a length.

    A scale of exactly one µm counts as none, because readers leave it behind that know a unit but no size. So do pixels
    whose sides differ by over 2 %.
    """
    stated = layer.metadata.get(KEY)
    if isinstance(stated, Mapping) and "um_per_px" in stated:
        size = stated["um_per_px"]
        return None if size is None else float(size)
    quantities = [abs(float(step)) * unit for step, unit in zip(layer.scale, layer.units, strict=True)]
    if not all(quantity.check("[length]") for quantity in quantities):
        return None
    sides = [float(quantity.to("um").magnitude) for quantity in quantities]
    return None if max(sides) == 1 or max(sides) - min(sides) > 0.02 * max(sides) else sides[-1]


def of_slide(layer: Labels) -> UsageError:
    """Says what to do with the cells of a whole slide."""
    return UsageError(
        f"Layer '{layer.name}' shows the cells of a whole slide. Name them in the Gallery of cells, choice 'folder'. Their "
        "outlines are corrected in QuPath (`napari-wbc export geojson`); those of a part that is analysed in view, here."
    )


def is_large(layer: Image | Labels) -> bool:
    """Whether a layer has more pixels than are taken into memory: a slide."""
    height, width = (layer.data[0] if layer.multiscale else layer.data).shape[:2]
    return bool(height * width > MAX_MEGAPIXELS * 1e6)


def read_image(layer: Image, part: Box | None = None) -> Callable[[], Field]:
    """A function that makes the field of an Image layer, or of a part. It does not touch the layer: call it in any thread.

    Raises
    ------
    UnsupportedImageError
        If the layer is not one flat picture (at once), or holds values that are not a picture's (when called).
    """
    if layer.ndim != 2:
        raise UnsupportedImageError(
            f"Layer '{layer.name}' has {layer.ndim} dimensions; one flat picture is needed. "
            "Right-click it in the layer list and use Split Stack or Merge to RGB."
        )
    data, name, um_per_px = layer.data[0] if layer.multiscale else layer.data, layer.name, pixel_size(layer)
    if part is not None:
        data = data[part.slices]

    def read() -> Field:
        if data.shape[0] * data.shape[1] > MAX_MEGAPIXELS * 1e6:
            raise ImageTooLargeError(
                f"{'What is in view of layer' if part else 'Layer'} '{name}' has {data.shape[0] * data.shape[1] / 1e6:.0f} "
                f"megapixels, a slide; at most {MAX_MEGAPIXELS:g} are analysed here. Zoom in and analyse what is in view, or "
                "take Analyse folder or `napari-wbc run` for its file: they go tile by tile."
            )
        try:
            pixels = to_rgb(np.array(data))
        except ImageError as error:
            raise type(error)(f"Layer '{name}': {error}") from None
        pixels.flags.writeable = False
        return Field(pixels, um_per_px)

    return read


def in_view(layer: Image) -> Box:
    """The part of an Image layer that the window shows; of a slide what napari has read for it, which is somewhat more.

    Raises
    ------
    UsageError
        If it shows nothing of it.
    """
    shape = (layer.data[0] if layer.multiscale else layer.data).shape[:2]
    down = layer.downsample_factors[layer.data_level] if layer.multiscale else (1, 1)
    corners = np.asarray(layer.corner_pixels) * down + ((0, 0), down)
    (y0, x0), (y1, x1) = np.clip(corners, 0, shape).astype(int).tolist()
    if min(y1 - y0, x1 - x0) <= max(down):  # napari names the nearest pixel of a layer that is out of view
        raise UsageError(f"Nothing of layer '{layer.name}' is in view. Move or zoom to where its cells shall be found.")
    return Box(y0, x0, y1, x1)


def check_ids(layer: Labels, data: np.ndarray, remedy: str = "Number its objects 1, 2, 3, …") -> None:
    """Check ids of a Labels layer; `remedy` says what to do.

    Raises
    ------
    UsageError
        If one is negative or larger than `MAX_ID`.
    """
    low, high = int(data.min(initial=0)), int(data.max(initial=0))
    if low < 0 or high > MAX_ID:
        raise UsageError(f"Layer '{layer.name}' has ids {low}..{high}; they must be 0..{MAX_ID}. {remedy}")


def read_labels(layer: Labels) -> Segmentation:
    """The outlines of a Labels layer, drawn by the model, a person or another plugin.

    Where the layer is ours, it has the scale of its analysis, and the scores of the cells that nobody has edited since;
    else no scores, and the pixel size of the layer.

    Raises
    ------
    UsageError
        If the layer is not one flat label image, or a slide's, or its ids are negative or larger than `MAX_ID`.
    """
    if layer.ndim != 2:
        raise UsageError(f"Layer '{layer.name}' has {layer.ndim} dimensions; one flat label image is needed.")
    if is_large(layer):
        raise of_slide(layer)
    data = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    check_ids(layer, data)
    labels = np.array(data, dtype=np.int32)
    labels.flags.writeable = False
    made = origin(layer)
    if made is None:
        um_per_px = pixel_size(layer)
        return Segmentation(labels, {}, Scale(um_per_px, 1.0, "assumed" if um_per_px is None else "file"))
    before = made.segmentation
    changed = before.labels != labels
    edited = {*before.labels[changed].tolist(), *labels[changed].tolist()}
    scores = {i: score for i, score in before.scores.items() if i not in edited}
    return Segmentation(labels, scores, before.scale, before.domain)
