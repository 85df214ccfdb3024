"""A review: what a person does with the cells of one image, and whether it is saved; no Qt."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias
from uuid import uuid4

from napari.components import ViewerModel
from napari.layers import Labels

from ..cells import Analysis, Cell, CellTable
from ..cells import Labels as LabelImage
from ..errors import UsageError
from ..results.runfile import now
from ..review import Edit, accept, confirm, rename, repaint
from .mirror import Mirror
from .origin import Origin, origin, vouched_in

SESSION = "napari_wbc_session"
"""Where a layer of cells keeps its session."""

Change: TypeAlias = Callable[[LabelImage], LabelImage]


class Session(Mirror):
    """The review of the cells of one Labels layer. It lives in the metadata of that layer.

    Attributes
    ----------
    key
        Names it among all reviews.
    vouched
        Who vouches for every cell of the image, and when, or None.
    lost
        Ids whose earlier readings are still to be dropped from the results folder: that failed when it was saved.
    """

    def __init__(self, viewer: ViewerModel, labels: Labels, before: Session | None = None) -> None:
        """Begin a review, or go on with the one before, of which a layer was closed."""
        super().__init__(viewer, labels)
        if before is None:
            made = origin(labels)
            record = None if made is None else made.record
            self.key, self.lost = uuid4().hex, set[int]()
            self.vouched = None if record is None else vouched_in(record)
            self._saved = (self.analysis, self.vouched) if made is not None and _as_recorded(made, self.analysis) else None
        else:
            self.key, self.by, self.vouched, self._saved = before.key, before.by, before.vouched, before._saved
            self.analysis, self.history, self.waiting = before.analysis, before.history, before.waiting
            self.last_id, self.lost = before.last_id, before.lost
        labels.metadata[SESSION] = self
        self.sync()  # what was painted before

    def __deepcopy__(self, memo: dict[int, Any]) -> Session:
        """A copied layer does not copy the review: it begins its own."""
        return self

    @property
    def unsaved(self) -> bool:
        """Whether anything has changed since it was saved, or it was never saved."""
        return self._saved is None or self._saved[0] is not self.analysis or self._saved[1] != self.vouched

    @property
    def outlines_saved(self) -> bool:
        """Whether the label image that was saved last is of the outlines as they are now."""
        return self._saved is not None and self._saved[0].labels is self.analysis.labels

    def mark_saved(self, saved: bool = True) -> None:
        """Say that it is saved as it is now, or that it is not."""
        self._saved = (self.analysis, self.vouched) if saved else None
        self.changed.emit(frozenset())

    def name(self, cell_type: str, ids: Collection[int] | None = None) -> Edit:
        """Give the selected cells, or those named, a type; returns what that changed, which is false if nothing."""
        self.sync_told()
        wanted = self.wanted(ids)
        return self._to(f"name {cell_type}", rename(self.analysis, wanted, cell_type, self.by, now()))

    def confirm(self, ids: Collection[int] | None = None) -> Edit:
        """Mark the selected cells, or those named, as reviewed; returns what `name` does."""
        self.sync_told()
        return self._to("confirm", confirm(self.analysis, self.wanted(ids), self.by, now()))

    def change_outlines(self, name: str, change: Change) -> None:
        """Change outlines by a verb of `review.outlines`, with its other arguments bound."""
        self.sync()
        self._to(name, repaint(self.analysis, self.pixels, change(self.analysis.labels)))

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


def _as_recorded(made: Origin, analysis: Analysis) -> bool:
    """Whether a layer shows what the record says from which it was read; a copy of one that was edited does not."""
    as_read = made.measured is not None and made.measured.labels is made.segmentation.labels
    return as_read and made.record is not None and analysis.cells == CellTable(made.record.cells)
