"""The widget *Review cells*: see, correct, name, save; what happens between is in `session` and `saving`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from napari.layers import Labels
from napari.viewer import Viewer
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QFileDialog, QLabel, QLineEdit

from ..errors import UsageError, WbcError
from ..results.runfile import NAME
from . import jobs
from .autosave import Autosave, discard, kept_work, restore
from .beside import Beside
from .keys import Keys, chosen_letters
from .offer import OfferPanel
from .origin import place_of
from .panels import Action, FilePanel, NamePanel, OutlinePanel
from .reviews import session_of
from .saving import neighbour, reviewed_layers, save
from .session import Session
from .status import describe_cell, describe_review
from .tool import ToolWidget, chosen

TICK_MS = 250
"""How often the widget looks for what a person has edited: Features table and boxes tell nobody."""

TICKS_PER_AUTOSAVE = 8

MIN_HEIGHT_PX = 300
"""Docks share a side of the window; the names of the cell types fit into this."""


class ReviewCells(ToolWidget):
    """Go through the cells of an image: correct outlines, name cells, save."""

    def __init__(self, napari_viewer: Viewer, load: jobs.Load = jobs.load_models) -> None:
        super().__init__(napari_viewer, "Review these cells", load)
        self.session: Session | None = None
        self._keys: Keys | None = None
        self._autosave: Autosave | None = None
        self._touched, self._ticks = False, 0
        self.beside = Beside(self)
        self.labels = self.add_choice("Cells", Labels)
        self.reader = QLineEdit()
        self.reader.setToolTip("Your name or initials; they are saved with every cell that you review.")
        self._choice_layout.addRow("Reader", self.reader)
        letters, wrong = chosen_letters()
        self.cell, self.progress = QLabel(describe_cell(None)), QLabel()
        self.names, self.outlines = NamePanel(self.act, letters), OutlinePanel(self.act, letters)
        self.files = FilePanel(self.act, self.save, self.save_as, self.go)
        self.offer = OfferPanel(kept_work(), self._restore, discard)
        for widget in (self.offer, self.cell, self.names, self.outlines, self.files, self.progress):
            self._layout.addWidget(widget)
        for text in (self.cell, self.progress):
            text.setWordWrap(True)
        self.add_form(settings=False, models=("segmenter", "classifier"))
        self.add_panel()
        self.job.status.setText(wrong)
        self.setMinimumHeight(MIN_HEIGHT_PX)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)
        self.job.cancel_button.setToolTip("Stop the classifier; edited cells wait until the next edit.")

    # -- which review ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Review the chosen cells."""
        self.open(chosen(self.labels))

    def open(self, labels: Labels) -> None:
        """Review the cells of a layer; errors as in `session_of`."""
        self.close_review()
        session = session_of(self.viewer, labels)
        session.by = self.reader.text().strip() or session.by
        self.reader.setText(session.by)
        self.session, self._autosave = session, Autosave(session)
        session.changed.connect(self._refresh)
        session.touched.connect(self._on_touched)
        session.selection.chosen.connect(self._refresh)
        actions = {f"Shift-{letter}": partial(self.act, action) for letter, action in self._actions().items()}
        undo, redo = partial(self.act, Session.undo), partial(self.act, Session.redo)
        self._keys = Keys(session.layers, actions | {"Control-Z": undo, "Control-Shift-Z": redo})
        self.window().installEventFilter(self)  # type: ignore[union-attr]
        self._timer.start(TICK_MS)
        self._refresh()

    def close_review(self) -> None:
        """Leave the review: keys are as they were, what is not saved is kept."""
        self._timer.stop()
        self.job.cancel()
        if self.session is not None and self._keys is not None:
            self._keys.restore()
            for signal, slot in (
                (self.session.changed, self._refresh),
                (self.session.touched, self._on_touched),
                (self.session.selection.chosen, self._refresh),
            ):
                signal.disconnect(slot)
            self._end_autosave()
        self.session = self._keys = self._autosave = None

    def _end_autosave(self) -> None:
        if self._autosave is not None:
            self._report_errors(self._autosave.close)

    def _report_errors(self, work: Callable[[], object]) -> None:
        try:
            work()
        except WbcError as error:
            self.job.report(error)

    def event(self, event: QEvent | None) -> bool:
        """A widget that is taken out of its dock leaves the review."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.close_review()
        return super().event(event)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """A window that closes leaves the review first, so that what is not saved is kept."""
        if event is not None and event.type() == QEvent.Type.Close:
            self.close_review()
        return bool(super().eventFilter(watched, event))

    def _actions(self) -> dict[str, Action]:
        return self.names.verbs | self.outlines.verbs

    def act(self, action: Action) -> None:
        """Do something with the review; an error is shown."""
        try:
            if self.session is None:
                raise UsageError("Press 'Review these cells' first.")
            self.session.by = self.reader.text().strip() or self.session.by
            action(self.session)
        except WbcError as error:
            self.job.report(error)

    # -- saving ---------------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Save where it was saved before, else ask where."""
        if self.session is not None and place_of(self.session.image) is None:
            self.save_as()
        else:
            self.act(self._save)

    def save_as(self) -> None:
        """Ask for a results folder, and save there."""
        folder = QFileDialog.getExistingDirectory(self, "Results folder: a new or empty one, or one of earlier results")
        if folder:
            self.act(lambda session: self._save(session, Path(folder)))

    def _save(self, session: Session, folder: Path | None = None) -> None:
        record = save(session, folder)
        if self._autosave is not None:
            self._autosave.drop()
        place = place_of(session.image)
        assert place is not None
        self.job.status.setText(f"Saved {record.image}, {len(record.cells)} cells, in {place.folder / NAME}")

    def go(self, by: int) -> None:
        """Save, and open the next (1) or previous (-1) image of the results folder."""
        self.act(lambda session: self._go(session, by))

    def _go(self, session: Session, by: int) -> None:
        place = place_of(session.image)
        if place is None:
            raise UsageError("Save the review into a results folder first: next and previous go through that folder.")
        name = neighbour(place.folder, place.image, by)
        session.sync()
        if session.unsaved:
            self._save(session)
        layers = reviewed_layers(place.folder, name)
        self.close_review()
        for layer in session.layers:
            self.viewer.layers.remove(layer)
        for layer in layers:
            self.viewer.layers.append(layer)
        self.open(layers[1])
        self.viewer.reset_view()

    def _restore(self, kept: object) -> None:
        try:
            layers = restore(kept)  # type: ignore[arg-type]
            for layer in layers:
                self.viewer.layers.append(layer)
            self.open(layers[1])
            assert self.session is not None
            self.session.mark_saved(False)
            if self._autosave is not None:
                self._autosave.keep()
            discard(kept)  # type: ignore[arg-type]
        except WbcError as error:
            self.job.report(error)

    # -- what happens beside the person ---------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Read edits, have edited cells classified and drawn boxes outlined, keep unsaved work."""
        session = self.session
        if session is None or not session.open:
            self.close_review()
            return
        try:
            if self._touched:
                self._touched = False
                session.sync()
            else:
                session.sync_types()
            self.beside.work(session, self.models.choice())
            self._ticks += 1
            if self._ticks % TICKS_PER_AUTOSAVE == 0 and self._autosave is not None:
                self._autosave.keep_soon()
        except WbcError as error:
            self.job.report(error)

    def _on_touched(self) -> None:
        self._touched = True

    def _refresh(self, _: object = None) -> None:
        session = self.session
        if session is not None:
            ids = session.selection.ids
            cell = next((cell for cell in session.analysis.cells if cell.cell_id in ids[:1]), None)
            self.cell.setText(describe_cell(cell, len(ids)))
            self.progress.setText(describe_review(session.analysis.cells, len(session.waiting), session.unsaved))
            self.files.vouch.setChecked(session.vouched is not None)
