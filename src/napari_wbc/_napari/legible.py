"""The texts of boxes are shown while they can be read; no Qt."""

from __future__ import annotations

import numpy as np
from napari.components import LayerList
from napari.layers import Shapes
from napari.utils.events import Event

from .origin import origin

LEGIBLE_PX = 30
"""Least median side of the boxes on the screen, px: smaller, their texts cover each other and the cells."""

HIDDEN = "napari_wbc_texts_hidden"
"""In the metadata of boxes whose texts are hidden here, and not by a person."""

PLACES_TEXTS = "_update_text"
"""What of napari places all texts anew at each zoom, 0.1 s for 600, although none moves: not again."""


def hide_small_texts(boxes: Shapes) -> None:
    """Hide the texts of boxes from now on while the boxes are small on the screen."""
    _fit(boxes)
    boxes.events.scale_factor.connect(_on_zoom)


def hide_small_texts_of_coming(layers: LayerList) -> None:
    """The same for boxes that come into a viewer: a reader of files cannot return layers, only what they are made from."""
    layers.events.inserted.connect(_on_inserted)


def _on_inserted(event: Event) -> None:
    if isinstance(event.value, Shapes) and origin(event.value) is not None:
        hide_small_texts(event.value)


def _on_zoom(event: Event) -> None:
    boxes = event.source
    _fit(boxes)
    for other in boxes.events.scale_factor.callbacks:
        if isinstance(other, tuple) and other[1] == PLACES_TEXTS:
            boxes.events.scale_factor.disconnect(other)


def _fit(boxes: Shapes) -> None:
    sides = [np.ptp(corners, axis=0) for corners in boxes.data]
    legible = not sides or np.median(sides) * abs(boxes.scale[-1]) >= LEGIBLE_PX * boxes.scale_factor
    if legible and boxes.metadata.pop(HIDDEN, False):
        boxes.text.visible = True
    elif not legible and boxes.text.visible:
        boxes.metadata[HIDDEN] = True
        boxes.text.visible = False
