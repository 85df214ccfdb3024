"""An analysis as layers: Labels with a features table, and Shapes with the boxes; no Qt.

What a layer was made from is kept in its metadata; see `origin`. Arrays are copied, because napari paints its layers in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer, Shapes
from napari.utils.colormaps import CyclicLabelColormap

from ..cells import Analysis, Box, CellTable, Segmentation
from ..crop import boxes
from ..errors import UsageError
from .features import box_features, colour_of, keep_columns_of_others, labels_features, score_features
from .origin import KEY, MadeBy, Origin, layer_id, note, origin

SPARE_IDS = 100
"""Ids beyond the last one that a person may draw before the colours start again."""

CONTOUR_PX, MAX_CONTOUR_MEGAPIXELS = 2, 6.0
"""Width of the outline of a cell, px: filled cells would hide what a person has to verify. Napari looks for outlines in all of
the image whenever it is drawn anew, 50 ms per megapixel, so larger images go without."""

TEXT = {"size": 9, "anchor": "upper_left"}
TEXT_COLOUR, TEXT_COLOUR_OUTSIDE = "black", "#808080"
TOP_SHARE = 0.04
"""The text of a box stands above it: black on the smear; for a box in the top share of the image grey, which can be read
outside it on black and on white."""

EDGE_SHARE, MIN_EDGE_PX = 0.025, 1.0
"""Width of the edge of a box: share of the median side of the boxes, and least width, px."""


_OF_A_NEW_BOX: dict[str, object] = {"cell_id": 0, "cell_type": ""}


def labels_layer(image: Image, segmentation: Segmentation, cells: CellTable | None = None) -> Labels:
    """A Labels layer over its image: of outlines with their scores, or, with `cells`, of measured and named cells."""
    last_id = int(segmentation.labels.max(initial=0))
    features = score_features(segmentation.scores, last_id) if cells is None else labels_features(cells, last_id)
    layer = Labels(
        np.array(segmentation.labels),
        name=f"{image.name} cells",
        features=features,
        colormap=type_colours(cells or CellTable(), last_id),
        **placing(image),
    )
    _set_look(layer)
    measured = None if cells is None else Analysis(segmentation.labels, cells, segmentation.scale, segmentation.domain)
    layer.metadata[KEY] = Origin(layer_id(image), segmentation, layer.features.copy(), measured=measured)
    return layer


def analysis_layers(image: Image, analysis: Analysis, made_by: MadeBy | None = None) -> tuple[Labels, Shapes]:
    """An analysis as layers over its image, not in a viewer yet. May run in any thread: 20 megapixels take half a second."""
    segmentation = outlines(analysis)
    labels = labels_layer(image, segmentation, analysis.cells)
    note(labels, made_by=made_by)
    return labels, boxes_layer(labels, segmentation)


def _set_look(layer: Labels) -> None:
    """Show outlines, or, in a large image, see-through areas."""
    if layer.data.size <= MAX_CONTOUR_MEGAPIXELS * 1e6:
        layer.opacity, layer.contour = 0.9, CONTOUR_PX
    else:
        layer.opacity = 0.4


def write_cells(layer: Labels, image: Image, analysis: Analysis, made_by: MadeBy | None = None) -> None:
    """Write the measured and named cells of a Labels layer into its features and colours; its pixels stay as they are."""
    last_id = int(analysis.labels.max(initial=0))
    layer.features = keep_columns_of_others(labels_features(analysis.cells, last_id), layer.features)
    layer.colormap = type_colours(analysis.cells, last_id)
    made = origin(layer) or Origin(layer_id(image), outlines(analysis), layer.features, keep=True)
    layer.metadata[KEY] = made
    note(layer, features=layer.features.copy(), made_by=made_by or made.made_by, measured=analysis)


def boxes_layer(labels: Labels, segmentation: Segmentation) -> Shapes:
    """A Shapes layer of the boxes of a segmentation, on the edges of pixels, with the types in the features of its labels."""
    found = boxes(segmentation.labels)
    features = box_features(labels.features, found)
    named = "cell_type" in features
    colours = [colour_of(name) for name in features["cell_type"]] if named else [colour_of(None)] * len(found)
    texts = text_colours([box.y0 for box in found.values()], len(segmentation.labels))
    sides = [side for box in found.values() for side in (box.height, box.width)]
    layer = Shapes(
        rectangles(list(found.values())),
        ndim=2,
        shape_type="rectangle",
        name=f"{labels.name.removesuffix(' cells')} boxes",
        features=features,
        feature_defaults={name: _OF_A_NEW_BOX.get(str(name), np.nan) for name in features},
        edge_color=colours or colour_of(None),
        face_color="transparent",
        edge_width=max(MIN_EDGE_PX, EDGE_SHARE * float(np.median(sides or [0]))),
        opacity=1,
        text={"string": "{cell_type}" if named else "{cell_id}", "color": texts or TEXT_COLOUR, **TEXT},
        **placing(labels),
    )
    layer.metadata[KEY] = Origin(layer_id(labels), segmentation, layer.features.copy())
    return layer


def text_colours(tops: Sequence[float], height: int) -> list[str]:
    """Colours of the texts of boxes, from their upper edges, px, in an image of so many rows."""
    return [TEXT_COLOUR_OUTSIDE if top < TOP_SHARE * height else TEXT_COLOUR for top in tops]


def outlines(analysis: Analysis) -> Segmentation:
    """The outlines of an analysis alone."""
    scores = {cell.cell_id: cell.segmentation_score for cell in analysis.cells if cell.segmentation_score is not None}
    return Segmentation(analysis.labels, scores, analysis.scale, analysis.domain)


def read_measured(layer: Labels) -> Analysis:
    """The analysis of a Labels layer as it was measured last, whatever was painted or typed since.

    Raises
    ------
    UsageError
        If its cells have not been measured by us.
    """
    made = origin(layer)
    if made is None or made.measured is None:
        raise UsageError(f"The cells of layer '{layer.name}' are not measured yet. Run Classify cells on it first.")
    return made.measured


def rectangles(found: list[Box]) -> npt.NDArray[np.float64]:
    """Half-open boxes as rectangles (N, 4, 2) of (y, x) on the edges of pixels: the centre of pixel 0 is 0.0."""
    sides = np.array([(b.y0, b.x0, b.y1, b.x1) for b in found], dtype=np.float64).reshape(-1, 4)
    return sides[:, [[0, 1], [0, 3], [2, 3], [2, 1]]] - 0.5


def type_colours(cells: CellTable, last_id: int) -> CyclicLabelColormap:
    """Colours of a Labels layer: an id has the colour of the type of its cell; ids without a type are grey.

    There is one entry per id, so nothing repeats; a `DirectLabelColormap` on int32 is slow and fails without a display.
    """
    colours = ["transparent", *[colour_of(None)] * min(last_id + SPARE_IDS, 2**16 - 2)]
    for cell in cells:
        if cell.cell_id < len(colours):
            colours[cell.cell_id] = colour_of(cell.cell_type)
    return CyclicLabelColormap(colors=colours, background_value=0)


def placing(layer: Layer) -> dict[str, Any]:
    """Where a layer lies in the world, as arguments for a layer that shall lie exactly over it."""
    return {name: getattr(layer, name) for name in ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")}
