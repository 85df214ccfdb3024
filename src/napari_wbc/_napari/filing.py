"""What *Review cells* does with files: save, go through the images of a results folder, take up work that was kept."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Layer
from qtpy.QtWidgets import QFileDialog

from ..errors import UsageError
from ..results.runfile import NAME
from .autosave import Kept, discard, restore
from .calm import collecting_once
from .drawn import waits
from .origin import place_of
from .reopening import neighbour, reviewed_layers
from .reviews import opened
from .saving import save
from .session import Session
from .tables import Tables

if TYPE_CHECKING:
    from .review_widget import ReviewCells


class Filing:
    """Saving writes the record of one image; the tables of its folder follow in a thread, once for all images gone through."""

    def __init__(self, widget: ReviewCells) -> None:
        self._widget: ReviewCells = weakref.proxy(widget)
        self.tables = Tables()

    def save(self) -> None:
        """Save where it was saved before, else ask where."""
        session = self._widget.session
        if session is not None and place_of(session.image) is None:
            self.save_as()
        else:
            self._widget.act(self._save)

    def save_as(self) -> None:
        """Ask for a results folder, and save there."""
        title = "Results folder: a new or empty one, or one of earlier results"
        folder = QFileDialog.getExistingDirectory(self._widget.widget(), title)
        if folder:
            self._widget.act(lambda session: self._save(session, Path(folder)))

    def _save(self, session: Session, folder: Path | None = None) -> None:
        self._write(session, folder)
        self.tables.make()

    def _write(self, session: Session, folder: Path | None = None) -> None:
        record = save(session, folder)
        place = place_of(session.image)
        assert place is not None
        self.tables.due(place.folder)
        self._widget.saved()
        self._widget.job.status.setText(f"Saved {record.image}, {len(record.cells)} cells, in {place.folder / NAME}")

    def go(self, by: int) -> None:
        """Save, and open the next (1) or previous (-1) image of the results folder."""
        self._widget.act(lambda session: self._go(session, by))

    def _go(self, session: Session, by: int) -> None:
        place = place_of(session.image)
        if place is None:
            raise UsageError("Save the review into a results folder first: next and previous go through that folder.")
        self._open(session, place.folder, neighbour(place.folder, place.image, by))

    def open_image(self, folder: Path, name: str) -> None:
        """Save, and open another image of a results folder."""
        self._widget.act(lambda session: self._open(session, folder, name))

    def _open(self, session: Session, folder: Path, name: str) -> None:
        if waits(session.boxes) or self._widget.is_outlining:
            raise UsageError("A drawn box is being outlined: wait, or press Cancel.")
        session.sync()
        if session.unsaved:
            self._write(session)
        there = opened(self._widget.viewer).get((folder.resolve(), name))
        layers = reviewed_layers(folder, name) if there is None else []
        self._widget.leave()
        with collecting_once():
            for layer in session.layers:
                self._widget.viewer.layers.remove(layer)
        self._show(layers) if there is None else self._widget.open(there)
        self._widget.viewer.reset_view()

    def restore(self, kept: Kept) -> None:
        """Open work that was kept."""
        self._widget.report_errors(lambda: self._restore(kept))

    def _restore(self, kept: Kept) -> None:
        session = self._show(restore(kept))
        session.mark_saved(False)
        self._widget.keep()
        discard(kept)

    def _show(self, layers: list[Layer]) -> Session:
        for layer in layers:
            self._widget.viewer.layers.append(layer)
        return self._widget.open(layers[1])
