"""Which cells are selected: the same in the layer of cells, its Features table and the boxes; no Qt."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from napari.components import ViewerModel
from napari.layers import Labels, Shapes
from psygnal import Signal

from ..cells import Cell, CellTable
from .boxes import light


def centre_on(viewer: ViewerModel, labels: Labels, cell: Cell) -> None:
    """Move the camera to a cell; a person may have transposed the axes of the world."""
    place = dict(enumerate(labels.data_to_world((cell.centroid_y, cell.centroid_x)), start=viewer.dims.ndim - 2))
    shown = [place.get(axis, 0) for axis in viewer.dims.displayed]
    viewer.scene.camera.center = (0, *shown[-2:])


class Selection:
    """The selected cells of a review; the first is the one that a person looks at.

    Attributes
    ----------
    ids
        The cells, in order.
    chosen
        Emitted when others are selected.
    """

    chosen = Signal()

    def __init__(self, viewer: ViewerModel, labels: Labels, boxes: Shapes, cells: Callable[[], CellTable]) -> None:
        self.viewer, self.labels, self.boxes, self._cells = viewer, labels, boxes, cells
        self.ids: tuple[int, ...] = ()
        self._muted = False
        labels.events.selected_label.connect(self._on_label)
        labels.mouse_drag_callbacks.append(self._on_click)
        boxes.selected_data.events.items_changed.connect(self._on_boxes)

    def end(self) -> None:
        """Follow the layers no more."""
        self.labels.events.selected_label.disconnect(self._on_label)
        self.labels.mouse_drag_callbacks.remove(self._on_click)
        self.boxes.selected_data.events.items_changed.disconnect(self._on_boxes)

    def select(self, ids: Iterable[int], *, look: bool = False) -> None:
        """Select cells, as far as they are there; `look` moves the camera to the first."""
        cells = {cell.cell_id: cell for cell in self._cells()}
        self.ids = tuple(i for i in ids if i in cells)
        with self.muted():
            light(self.boxes, {row for row, i in enumerate(self.boxes.features["cell_id"]) if i in self.ids})
            if self.ids:
                self.labels.selected_label = self.ids[0]
        if look and self.ids:
            centre_on(self.viewer, self.labels, cells[self.ids[0]])
        self.chosen.emit()

    def step(self, by: int) -> None:
        """Select the next (1) or previous (-1) cell in the order of the ids, and look at it."""
        ids = [cell.cell_id for cell in self._cells()]
        if ids:
            here = ids.index(self.ids[0]) if self.ids and self.ids[0] in ids else -1 if by > 0 else 0
            self.select([ids[(here + by) % len(ids)]], look=True)

    def at(self, position: Sequence[float]) -> int:
        """The cell at a position of the world; 0 where there is none."""
        return int(self.labels.get_value(position, world=True) or 0)

    def _on_click(self, layer: Labels, event: Any) -> Generator[None]:
        """A click without a drag selects the cell under it; with Shift, together with those selected before."""
        if layer.mode != "pan_zoom":
            return
        yield
        if event.type == "mouse_move":
            return
        clicked = self.at(event.position)
        if clicked:
            more = self.ids if "Shift" in event.modifiers else ()
            self.select([clicked, *(i for i in more if i != clicked)])

    @contextmanager
    def muted(self) -> Iterator[None]:
        """Within it, what the layers say of their selections comes from us."""
        before, self._muted = self._muted, True
        try:
            yield
        finally:
            self._muted = before

    def _on_label(self, _: object = None) -> None:
        label = int(self.labels.selected_label)
        if not self._muted and self.ids[:1] != (label,):
            self.select([label, *(i for i in self.ids if i != label)] if label in self.ids else [label])

    def _on_boxes(self, *_: object) -> None:
        ids = self.boxes.features["cell_id"]
        if self._muted or len(ids) != len(self.boxes.data):  # napari removes boxes first, and what it says of them later
            return
        chosen = [int(ids.iloc[row]) for row in sorted(self.boxes.selected_data)]
        if chosen != [0]:  # napari selects the box that is being drawn, and draws on while it is selected
            self.select(chosen)
