"""A blind reading: as long as one runs, nothing in the window tells what cells are called; no Qt.

The layers that tell it, with their Features table and what the status bar says of them, are taken out of the viewer and come
back when the reading ends. The widgets draw a `curtain`.
"""

from __future__ import annotations

from napari.components import ViewerModel
from napari.layers import Labels, Layer
from psygnal import Signal

from .calm import collecting_once
from .origin import origin, place_of


class Blind:
    """The blind readings that run now.

    Attributes
    ----------
    changed
        Emitted when the first begins, and when the last has ended.
    """

    changed = Signal()

    def __init__(self) -> None:
        self._running: list[Reading] = []

    @property
    def on(self) -> bool:
        """Whether one runs."""
        return bool(self._running)

    def begin(self, viewer: ViewerModel) -> Reading:
        """Begin one; whoever does so ends it."""
        reading = Reading(viewer)
        self._running.append(reading)
        self.changed.emit()
        return reading

    def end(self, reading: Reading) -> None:
        """End it: what was taken out of the viewer comes back."""
        if reading in self._running:
            self._running.remove(reading)
            reading.give_back()
            self.changed.emit()


class Reading:
    """The layers that a blind reading has taken out of a viewer, with their places."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._away: list[list[tuple[int, Layer]]] = []
        self.take_away()
        viewer.status, viewer.tooltip.text = "Ready", ""  # they told of the cell under the mouse

    def take_away(self) -> None:
        """Take out what tells names: all layers of ours, also those that have come since the reading began."""
        layers = self._viewer.layers
        found = [(place, layer) for place, layer in enumerate(layers) if _tells(layer)]
        if found:
            with collecting_once():
                for _, layer in found:
                    layers.remove(layer)
            self._away.append(found)

    def give_back(self) -> None:
        """Put them where they were, those first that were taken out last."""
        while self._away:
            for place, layer in self._away.pop():
                self._viewer.layers.insert(place, layer)


def _tells(layer: Layer) -> bool:
    """Whether a layer tells what cells are called: those of an analysis do, and the cells of a whole slide."""
    return origin(layer) is not None or (isinstance(layer, Labels) and place_of(layer) is not None)


blind = Blind()
"""Of this program: widgets know each other by nothing else."""
