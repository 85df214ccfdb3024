"""A review: one image, the layers that show its cells, and what a person does with them; no Qt.

The layers hold the results. A session keeps what they showed last, so that it sees what a person has edited in any of them:
pixels, Features table or boxes; the others are brought in line. It lives in the metadata of the layer of cells.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer, Shapes
from psygnal import Signal

from ..cells import Analysis, Box, Cell
from ..cells import Labels as LabelImage
from ..errors import UsageError
from ..results.runfile import now
from ..review import Edit, History, accept, changed_box, confirm, rename, repaint, stale
from .inputs import read_image
from .layers import outlines, read_measured
from .origin import origin, vouched_in
from .place import image_of, made_from, show_boxes
from .selection import Selection
from .shown import edited_types, set_reviewed_look, types_layer, write_edit

SESSION = "napari_wbc_session"
"""Where a layer of cells keeps its session."""

Change: TypeAlias = Callable[[LabelImage], LabelImage]


class Session:
    """The review of the cells of one Labels layer.

    Attributes
    ----------
    analysis, pixels
        What the layers showed when they were last read, and the image (H, W, 3) uint8.
    history, selection
        To undo and redo outlines and types alike; the selected cells.
    by, vouched
        The name of the person who reviews; who vouches for every cell of the image, and when, or None.
    waiting
        Cells that the classifier has not seen since they were edited.
    changed, touched
        Emitted with the ids of the cells that have changed; and when pixels may have changed: call `sync` soon.
    """

    changed = Signal(frozenset)
    touched = Signal()

    def __init__(self, viewer: ViewerModel, labels: Labels) -> None:
        self.viewer, self.labels = viewer, labels
        self.image = image_of(viewer.layers, labels)
        self.analysis = read_measured(labels)
        self.pixels = read_image(self.image)().pixels
        self.history, self.waiting = History(), set[int]()
        self.by = getpass.getuser()
        record = made.record if (made := origin(labels)) else None
        self.vouched = None if record is None else vouched_in(record)
        self._saved = None if record is None else (self.analysis, self.vouched)
        self._writing = False
        boxes = [layer for layer in made_from(viewer.layers, labels, Shapes) if isinstance(layer, Shapes)]
        self.types = types_layer(labels, self.analysis)
        viewer.layers.insert(viewer.layers.index(labels) + 1, self.types)
        self.boxes = boxes[0] if boxes else show_boxes(viewer.layers, labels, outlines(self.analysis))
        set_reviewed_look(labels)
        for event in (labels.events.paint, labels.events.set_data):
            event.connect(self._on_pixels)
        self.selection = Selection(viewer, labels, self.boxes, lambda: self.analysis.cells)
        labels.metadata[SESSION] = self
        viewer.layers.selection.active = labels
        self.sync()  # what was painted before

    def __deepcopy__(self, memo: dict[int, Any]) -> Session:
        """A copied layer does not copy the review: it begins its own."""
        return self

    @property
    def open(self) -> bool:
        """Whether all its layers are still in the viewer."""
        return all(layer in self.viewer.layers for layer in self.layers)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Its layers."""
        return (self.image, self.labels, self.types, self.boxes)

    @property
    def unsaved(self) -> bool:
        """Whether anything has changed since it was saved, or it was never saved."""
        return self._saved is None or self._saved[0] is not self.analysis or self._saved[1] != self.vouched

    def mark_saved(self, saved: bool = True) -> None:
        """Say that it is saved as it is now, or that it is not."""
        self._saved = (self.analysis, self.vouched) if saved else None
        self.changed.emit(frozenset())

    # -- what a person does ---------------------------------------------------------------------------------------------

    def name(self, cell_type: str, ids: Collection[int] | None = None) -> None:
        """Give the selected cells, or those named, a type."""
        self.sync()
        wanted = self.wanted(ids)
        self._to(f"name {cell_type}", rename(self.analysis, wanted, cell_type, self.by, now()))

    def confirm(self, ids: Collection[int] | None = None) -> None:
        """Mark the selected cells, or those named, as reviewed."""
        self.sync()
        self._to("confirm", confirm(self.analysis, self.wanted(ids), self.by, now()))

    def change_outlines(self, name: str, change: Change) -> None:
        """Change outlines by a verb of `review.outlines`, with its other arguments bound."""
        self.sync()
        self._to(name, repaint(self.analysis, self.pixels, change(self.analysis.labels)))

    def undo(self) -> str:
        """Undo the last edit, of outlines or types; returns what was undone, or an empty text."""
        self.sync()
        return self._undone() if self.history.done else ""

    def redo(self) -> str:
        """Redo what was undone last; returns what was redone, or an empty text."""
        self.sync()
        return self._redone() if self.history.undone else ""

    def accept(self, named: Sequence[Cell]) -> None:
        """Take what the classifier said of cells."""
        self.sync()
        before, self.analysis = self.analysis, accept(self.analysis, named)
        self._show(Edit.between("classify", before, self.analysis))

    def vouch(self, vouched: bool) -> None:
        """Say, or take back, that every cell of the image is outlined and named right."""
        self.vouched = (self.by, now()) if vouched else None
        self.changed.emit(frozenset())

    def wanted(self, ids: Collection[int] | None = None) -> Collection[int]:
        """The cells named, by default those selected.

        Raises
        ------
        UsageError
            If there is none.
        """
        there = {cell.cell_id for cell in self.analysis.cells}
        wanted = [i for i in (self.selection.ids if ids is None else ids) if i in there]
        if not wanted:
            raise UsageError("No cell is selected. Click one, or go to the next with Shift+F.")
        return wanted

    # -- keeping the layers in line -------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Read what a person has edited in pixels, Features table and boxes; Features table and boxes emit no event."""
        self._sync_pixels()
        self.sync_types()

    def sync_types(self) -> None:
        """Read what a person has edited in the Features table and in the boxes; quick."""
        after, edited = self.analysis, edited_types(self.labels, self.boxes, self.analysis)
        for name in set(edited.values()):
            after = rename(after, [i for i, other in edited.items() if other == name], name, self.by, now())
        if edited:
            self._to("edit the table", after)

    def _sync_pixels(self) -> None:
        now_there = np.asarray(self.labels.data)
        changed = changed_box(self.analysis.labels, now_there)
        if changed is None:
            return
        if self.history.done and self.history.done[-1].inverse.makes(now_there, changed):
            self._undone()  # napari's own undo has set back the pixels already
        elif self.history.undone and self.history.undone[-1].makes(now_there, changed):
            self._redone()
        else:
            self._to("paint", repaint(self.analysis, self.pixels, now_there, changed), changed)

    def _undone(self) -> str:
        self.analysis = self.history.undo(self.analysis)
        self._show(self.history.undone[-1].inverse)
        return self.history.undone[-1].name

    def _redone(self) -> str:
        self.analysis = self.history.redo(self.analysis)
        self._show(self.history.done[-1])
        return self.history.done[-1].name

    def _to(self, name: str, after: Analysis, changed: Box | None = None) -> None:
        edit = self.history.record(name, self.analysis, after, changed)
        self.analysis = after
        self._show(edit)

    def _show(self, edit: Edit) -> None:
        """Bring the layers in line with an edit that `analysis` has had."""
        if not edit:
            return
        self._writing = True
        with self.selection.muted():
            write_edit(self.labels, self.boxes, self.types, self.analysis, edit)
        self._writing = False
        self.waiting = (self.waiting | edit.cells_after.keys()) & set(stale(self.analysis))
        self.selection.select(self.selection.ids)
        self.changed.emit(frozenset(edit.cells_after))

    def _on_pixels(self, _: object = None) -> None:
        if not self._writing:
            self.touched.emit()
