"""What a person does with the mouse on napari's canvas, by the events that Qt sends to it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
STEPS = 6


def drag(viewer: Any, layer: Any, points: Sequence[tuple[float, float]]) -> None:
    """Press the left button at the first point (row, column of the layer), move over the others, and release it."""
    places = [_on_canvas(viewer, layer, point) for point in points]
    _send(viewer, QEvent.Type.MouseMove, places[0], NONE, NONE)
    _send(viewer, QEvent.Type.MouseButtonPress, places[0], LEFT, LEFT)
    for start, end in pairwise(places):
        for part in np.linspace(0, 1, STEPS + 1)[1:]:
            _send(viewer, QEvent.Type.MouseMove, start + (end - start) * float(part), NONE, LEFT)
    _send(viewer, QEvent.Type.MouseButtonRelease, places[-1], LEFT, NONE)


def _canvas(viewer: Any) -> Any:
    return viewer.window._qt_window._qt_viewer.canvas.native


def _on_canvas(viewer: Any, layer: Any, point: tuple[float, float]) -> QPointF:
    canvas, camera = _canvas(viewer), viewer.scene.camera
    (row, column), (centre_row, centre_column) = layer.data_to_world(point)[-2:], camera.center[-2:]
    return QPointF(
        canvas.width() / 2 + (column - centre_column) * camera.zoom, canvas.height() / 2 + (row - centre_row) * camera.zoom
    )


def _send(viewer: Any, kind: QEvent.Type, place: QPointF, button: Any, buttons: Any) -> None:
    canvas = _canvas(viewer)
    event = QMouseEvent(
        kind, place, QPointF(canvas.mapToGlobal(place.toPoint())), button, buttons, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(canvas, event)
    QApplication.processEvents()
