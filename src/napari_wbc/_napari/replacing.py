"""Put our layers into the list of a viewer: a run replaces those of the last one, but never what a person edited; no Qt."""

from __future__ import annotations

import numpy as np
from napari.components import LayerList
from napari.layers import Image, Labels, Layer, Shapes

from ..cells import Analysis, Segmentation
from ..crop import boxes
from ..errors import UsageError
from .calm import collecting_once
from .layers import analysis_layers, boxes_layer, outlines, rectangles, write_cells
from .origin import KEY, MadeBy, layer_id, note, origin


def show_analysis(layers: LayerList, image: Image, analysis: Analysis, made_by: MadeBy | None = None) -> Labels:
    """An analysis as Labels and boxes, in the place of those of the last run on this image."""
    return show_labels(layers, image, *analysis_layers(image, analysis, made_by))


def show_labels(layers: LayerList, image: Image, labels: Labels, boxes: Shapes | None = None) -> Labels:
    """A layer of cells, and its boxes, in the place of those of the last run on this image."""
    _tell_copies(layers, image)
    note(labels, source_id=layer_id(image))
    _replace(layers, made_from(layers, image, Labels), labels)
    if boxes is not None:
        layers.append(boxes)
    return labels


def show_types(layers: LayerList, image: Image, labels: Labels, analysis: Analysis, made_by: MadeBy | None = None) -> None:
    """Types and probabilities of the cells of a Labels layer, in its features and in its boxes."""
    _tell_copies(layers, image)
    write_cells(labels, image, analysis, made_by)
    show_boxes(layers, labels, outlines(analysis))


def show_boxes(layers: LayerList, labels: Labels, segmentation: Segmentation) -> Shapes:
    """The boxes of a Labels layer, in the place of its last ones."""
    new = boxes_layer(labels, segmentation)
    _replace(layers, made_from(layers, labels, Shapes), new)
    return new


def made_from(layers: LayerList, source: Layer, kind: type[Layer]) -> list[Layer]:
    """Our layers of a kind that were made from a layer and may be replaced."""
    wanted = layer_id(source)
    return [
        layer
        for layer in layers
        if isinstance(layer, kind) and (made := origin(layer)) and made.source_id == wanted and not made.keep
    ]


def _tell_copies(layers: LayerList, image: Image) -> None:
    """Give copies of an image, as napari's Duplicate makes them, ids of their own: its cells and its results are not theirs."""
    same = [layer for layer in layers if isinstance(layer, Image) and layer_id(layer) == layer_id(image)]
    for copy in same[1:]:
        copy.metadata[KEY] = {**copy.metadata[KEY], "id": copy.unique_id, "place": None}


def edited(layer: Layer) -> bool:
    """Whether a person has changed pixels, boxes or features of one of our layers, now or before it was saved."""
    made = origin(layer)
    if made is None or (made.record is not None and made.record.has_human_work):
        return True
    if not layer.features.equals(made.features):
        return True
    if isinstance(layer, Labels):
        return not np.array_equal(layer.data, made.segmentation.labels)
    there = rectangles(list(boxes(made.segmentation.labels).values()))
    return len(layer.data) != len(there) or not all(map(np.array_equal, layer.data, there))


def _replace(layers: LayerList, olds: list[Layer], new: Layer) -> None:
    """Add a layer; the old ones leave with their boxes, or, if edited, stay hidden under another name."""
    if olds:
        with collecting_once():
            _take_out(layers, olds)
    layers.append(new)


def _take_out(layers: LayerList, olds: list[Layer]) -> None:
    for old in olds:
        company, types = made_from(layers, old, Shapes), made_from(layers, old, Labels)
        is_edited = edited(old) or any(map(edited, company))
        for layer in (old, *company, *types):
            if is_edited:
                _keep(layer)
            else:
                layers.remove(layer)


def _keep(layer: Layer) -> None:
    """Take a layer out of the reach of the next run."""
    note(layer, keep=True)
    layer.name = f"{layer.name} (edited)"
    layer.visible = False


def image_of(layers: LayerList, labels: Labels) -> Image:
    """The image that the cells of a Labels layer were found in.

    Raises
    ------
    UsageError
        If it is not there any more.
    """
    made = origin(labels)
    for layer in layers:
        if isinstance(layer, Image) and made is not None and layer_id(layer) == made.source_id:
            return layer
    raise UsageError(f"The image of layer '{labels.name}' is not open. Open it, and run Classify cells on the layer.")
