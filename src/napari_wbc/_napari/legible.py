"""The texts of boxes are shown while they can be read; no Qt."""

from __future__ import annotations

import numpy as np
from napari.components import LayerList
from napari.layers import Layer, Shapes
from napari.utils.events import Event

from .origin import origin

LEGIBLE_PX = 30
"""Least median side of the boxes on the screen, px: smaller, their texts cover each other and the cells."""

STATE, HIDDEN, THEIRS = "napari_wbc_texts", "hidden", "as a person wants"
"""In the metadata of boxes whose texts are hidden here, or were shown again by a person, to whom they are left from then on."""

PLACES_TEXTS = "_update_text"
"""Napari's callback that places all texts anew at each zoom, 0.1 s for 600, although none moves. It is disconnected; only texts
whose size follows the zoom (`text.scaling`) need it."""


def hide_small_texts(layers: LayerList) -> None:
    """Hide the texts of boxes while these are small on the screen: of all boxes in a viewer, and of all that come into it."""
    layers.events.inserted.connect(_on_inserted)
    for layer in layers:
        _watch(layer)


def _on_inserted(event: Event) -> None:
    _watch(event.value)


def _watch(layer: Layer) -> None:
    if isinstance(layer, Shapes) and origin(layer) is not None:
        _fit(layer)
        layer.events.scale_factor.connect(_on_zoom)


def _on_zoom(event: Event) -> None:
    boxes = event.source
    _fit(boxes)
    for other in boxes.events.scale_factor.callbacks:
        if isinstance(other, tuple) and other[1] == PLACES_TEXTS:
            boxes.events.scale_factor.disconnect(other)


def _fit(boxes: Shapes) -> None:
    state, sides = boxes.metadata.get(STATE), [np.ptp(corners, axis=0) for corners in boxes.data]
    if state == THEIRS or not sides:
        return
    legible = np.median(sides) * abs(boxes.scale[-1]) >= LEGIBLE_PX * boxes.scale_factor
    if state == HIDDEN and boxes.text.visible:
        boxes.metadata[STATE] = THEIRS
    elif state == HIDDEN and legible:
        del boxes.metadata[STATE]
        boxes.text.visible = True
    elif boxes.text.visible and not legible:
        boxes.metadata[STATE] = HIDDEN
        boxes.text.visible = False
