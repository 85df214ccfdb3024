"""Napari's canvas, as far as we look after it: no crash when layers leave, no texts of boxes too small to read."""

from __future__ import annotations

from typing import cast

from napari.viewer import Viewer
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QMainWindow, QOpenGLWidget, QWidget  # type: ignore[attr-defined]  # the second with each Qt

from .legible import hide_small_texts


class Canvas(QObject):
    """Looks after the canvas of the window that a widget is in, as long as that lives."""

    def __init__(self, viewer: Viewer, widget: QWidget) -> None:
        super().__init__(widget)
        viewer.layers.events.removing.connect(self._make_current)
        hide_small_texts(viewer.layers)

    def _make_current(self, _: object = None) -> None:
        """Have the canvas own OpenGL before a layer leaves it.

        Napari frees at once what it has painted that layer with, in whichever OpenGL context is current. With Mesa the program
        crashes at the next repaint if that is another than the one of its canvas.
        """
        window = main_window(cast(QWidget, self.parent()))
        centre = window.centralWidget() if isinstance(window, QMainWindow) else None
        canvas = None if centre is None else cast(QOpenGLWidget | None, centre.findChild(QOpenGLWidget))
        if canvas is not None:
            canvas.makeCurrent()


def main_window(widget: QWidget) -> QWidget:
    """The window of napari that a widget belongs to, also from a dock that floats."""
    window = widget.window()
    while window is not None and (parent := window.parentWidget()) is not None:
        window = parent.window()
    assert window is not None
    return window
