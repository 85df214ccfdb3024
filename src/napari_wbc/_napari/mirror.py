"""The layers that show the cells of one image, and the analysis that they show, kept in line; no Qt.

The layers hold the results. What they showed last is kept, so that it is seen what a person has edited in any of them: pixels,
Features table or boxes; the others are brought in line.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Layer, Shapes
from psygnal import Signal

from ..cells import Analysis, Box
from ..errors import UsageError
from ..results.runfile import now, user
from ..review import Edit, History, changed_box, delete, rename, repaint, stale
from .boxes import put_back, strayed
from .inputs import check_ids, read_image
from .layers import outlines, read_measured
from .origin import note, origin
from .replacing import image_of, made_from, show_boxes
from .selection import Selection
from .shown import edited_types, make_paintable, set_reviewed_look, types_layer, write_edit


class Mirror:
    """A Labels layer of cells with its image, boxes and types.

    Attributes
    ----------
    analysis, pixels
        What the layers showed when they were last read, and the image (H, W, 3) uint8.
    history, selection
        To undo and redo outlines and types alike; the selected cells.
    by
        The name of the person who reviews.
    waiting
        Cells that the classifier has not seen since they were edited.
    last_id
        The largest id that a cell has ever had here; new cells go on from it.
    changed, touched
        Emitted with the ids of the cells that have changed; and when pixels may have changed: call `sync_told` soon.
    """

    changed = Signal(frozenset)
    touched = Signal()

    def __init__(self, viewer: ViewerModel, labels: Labels) -> None:
        self.viewer, self.labels = viewer, labels
        self.image = image_of(viewer.layers, labels)
        self.analysis = read_measured(labels)
        self.pixels = read_image(self.image)().pixels
        make_paintable(labels)
        unseen = [cell for cell in self.analysis.cells if cell.p is None and cell.cell_type is None]
        self.history, self.waiting = History(), {cell.cell_id for cell in unseen if cell.outline_source == "human"}
        self.last_id = max((cell.cell_id for cell in self.analysis.cells), default=0)
        self.by = user()
        self._writing, self._told = False, True
        boxes = [layer for layer in made_from(viewer.layers, labels, Shapes) if isinstance(layer, Shapes)]
        self.types = types_layer(labels, self.analysis)
        viewer.layers.insert(viewer.layers.index(labels) + 1, self.types)
        self.boxes = boxes[0] if boxes else show_boxes(viewer.layers, labels, outlines(self.analysis))
        if any(strayed(self.boxes, self.analysis.cells)):
            put_back(self.boxes, labels, self.analysis)
        set_reviewed_look(labels)
        for event in (labels.events.paint, labels.events.set_data):
            event.connect(self._on_pixels)
        self.selection = Selection(viewer, labels, self.boxes, lambda: self.analysis.cells)
        viewer.layers.selection.active = labels

    @property
    def open(self) -> bool:
        """Whether all its layers are still in the viewer, and no later run has hidden them."""
        made = origin(self.boxes)
        hidden = made is not None and made.keep
        return not hidden and all(layer in self.viewer.layers for layer in self.layers)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Its layers."""
        return (self.image, self.labels, self.types, self.boxes)

    def end(self) -> None:
        """Follow the layers no more; those that show the cells of the layer of cells leave."""
        for event in (self.labels.events.paint, self.labels.events.set_data):
            event.disconnect(self._on_pixels)
        self.selection.end()
        for layer in (self.types, self.boxes):
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    def undo(self) -> str:
        """Undo the last edit, of outlines or types; returns what was undone, or an empty text."""
        try:
            self.sync()
        except UsageError:
            if np.shape(self.labels.data) != self.analysis.labels.shape:
                raise
            self.labels.undo()  # a stroke of an id that no cell may have: it is no edit of ours
            self.sync()
            return "paint"
        return self._undone() if self.history.done else ""

    def redo(self) -> str:
        """Redo what was undone last; returns what was redone, or an empty text."""
        self.sync()
        return self._redone() if self.history.undone else ""

    def sync(self) -> None:
        """Read what a person has edited in pixels, Features table and boxes."""
        self._told = False
        self._sync_pixels()
        self.sync_types()

    def sync_told(self) -> None:
        """As `sync`, but pixels only where napari tells that they may have changed; it tells nothing of table and boxes."""
        self.sync() if self._told else self.sync_types()

    def sync_types(self) -> None:
        """Read what a person has edited in the Features table and in the boxes; quick."""
        self._sync_boxes()
        after, edited = self.analysis, edited_types(self.labels, self.boxes, self.analysis)
        for name in set(edited.values()) - {None}:
            after = rename(after, [i for i, other in edited.items() if other == name], name or "", self.by, now())
        if any(edited.values()):
            self._to("edit the table", after)
        blanked = {cell.cell_id: cell for cell in self.analysis.cells if cell.cell_id in edited and not edited[cell.cell_id]}
        if blanked:  # which names nothing: the tables say again what the cells are
            nothing = self.analysis.labels[:0]
            self._write(Edit("write again", None, nothing, nothing, blanked, blanked))

    def _sync_boxes(self) -> None:
        """A cell whose box was removed is removed; boxes that were moved go back, because they follow the outlines."""
        removed, moved = strayed(self.boxes, self.analysis.cells)
        if removed:
            changed_box(self.analysis.labels, np.asarray(self.labels.data))  # of another size they cannot be written
            self._to("remove boxes", repaint(self.analysis, self.pixels, delete(self.analysis.labels, removed)))
        if moved:
            with self.selection.muted():
                put_back(self.boxes, self.labels, self.analysis)
            self.selection.select(self.selection.ids)

    def _sync_pixels(self) -> None:
        now_there = np.asarray(self.labels.data)
        changed = changed_box(self.analysis.labels, now_there)
        if changed is None:
            return
        check_ids(self.labels, now_there[changed.slices], "Press Ctrl+Z until it is gone.")
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

    def _to(self, name: str, after: Analysis, changed: Box | None = None) -> Edit:
        edit = self.history.record(name, self.analysis, after, changed)
        self.analysis = after
        self._show(edit, frozenset(i for i, cell in edit.cells_before.items() if cell is None))
        return edit

    def _show(self, edit: Edit, new: Collection[int] = ()) -> None:
        """Bring the layers in line with an edit that `analysis` has had; `new` cells have ids that others may have had."""
        if not edit:
            return
        self._write(edit, new)
        note(self.labels, measured=self.analysis)
        self.last_id = max((self.last_id, *edit.cells_after))
        self.waiting = (self.waiting | edit.cells_after.keys()) & set(stale(self.analysis))
        self.selection.select(self.selection.ids)
        self.changed.emit(frozenset(edit.cells_after))

    def _write(self, edit: Edit, new: Collection[int] = ()) -> None:
        self._writing = True
        try:
            with self.selection.muted():
                write_edit(self.labels, self.boxes, self.types, self.analysis, edit, new)
        finally:
            self._writing = False

    def _on_pixels(self, _: object = None) -> None:
        if not self._writing:
            self._told = True
            self.touched.emit()
