"""The widget *Review cells*: see, correct, name, save; what happens between is in `session` and `saving`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from napari.layers import Labels
from napari.viewer import Viewer
from psygnal import SignalInstance
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QLabel, QLineEdit

from ..errors import UsageError
from . import jobs
from .autosave import Autosave, discard, kept_work
from .beside import Beside
from .blind import blind
from .canvas import main_window
from .filing import Filing
from .keys import Keys, chosen_letters
from .offer import OfferPanel
from .panels import Action, FilePanel, NamePanel, OutlinePanel
from .reviews import session_of
from .session import Session
from .status import describe_cell, describe_review
from .tool import ToolWidget, chosen, window_closed

TICK_MS = 250
"""How often the widget looks for what a person has edited: Features table and boxes tell nobody."""

TICKS_PER_AUTOSAVE = 8

ENDED = "The review has ended: a layer was closed or replaced. Press Review these cells to go on."

MIN_HEIGHT_PX = 300
"""Docks share a side of the window; the names of the cell types fit into this."""


class ReviewCells(ToolWidget):
    """Go through the cells of an image: correct outlines, name cells, save."""

    def __init__(self, napari_viewer: Viewer, load: jobs.Load = jobs.load_models) -> None:
        super().__init__(napari_viewer, "Review these cells", load)
        self.session: Session | None = None
        self._keys: Keys | None = None
        self._autosave: Autosave | None = None
        self._ticks = 0
        self.beside, self.filing = Beside(self), Filing(self)
        self.labels = self.add_choice("Cells", Labels)
        self.reader = QLineEdit()
        self.reader.setToolTip("Your name or initials; they are saved with every cell that you review.")
        self.reader.editingFinished.connect(self._take_reader)
        self._choice_layout.addRow("Reader", self.reader)
        letters, wrong = chosen_letters()
        self.cell, self.progress = QLabel(describe_cell(None)), QLabel()
        self.names, self.outlines = NamePanel(self.act, letters), OutlinePanel(self.act, letters)
        self.files = FilePanel(self.act, self.filing)
        self.offer = OfferPanel(kept_work(), self.filing.restore, discard)
        for widget in (self.offer, self.cell, self.names, self.outlines, self.files, self.progress):
            self._layout.addWidget(widget)
        for text in (self.cell, self.progress):
            text.setWordWrap(True)
        self.add_form(settings=False, models=("segmenter", "classifier"))
        self.add_panel()
        self.job.status.setText(wrong)
        self.setMinimumHeight(MIN_HEIGHT_PX)
        self._timer, self._soon = QTimer(self), QTimer(self)
        self._soon.setSingleShot(True)
        for timer in (self._timer, self._soon):
            timer.timeout.connect(self._tick)
        self.job.cancel_button.setToolTip("Stop the classifier; edited cells wait until the next edit. A drawn box is dropped.")
        self.job.cancel_button.clicked.connect(self._on_cancelled)

    # -- which review ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Review the chosen cells."""
        self.open(chosen(self.labels))

    def open(self, labels: Labels) -> Session:
        """Review the cells of a layer; errors as in `session_of`."""
        self.leave()
        session = session_of(self.viewer, labels)
        self.session, self._autosave, self.beside = session, Autosave(session), Beside(self)
        self._take_reader()
        self.reader.setText(session.by)
        for signal, slot in self._slots(session):
            signal.connect(slot)
        actions = {key: partial(self.act, action) for key, action in self._actions().items()}
        undo, redo = partial(self.act, Session.undo), partial(self.act, Session.redo)
        self._keys = Keys(session.layers, actions | {"Control-Z": undo, "Control-Shift-Z": redo})
        main_window(self).installEventFilter(self)
        self._timer.start(TICK_MS)
        self._refresh()
        return session

    def _slots(self, session: Session) -> list[tuple[SignalInstance, Callable[..., object]]]:
        chosen = session.selection.chosen
        return [(session.changed, self._refresh), (session.touched, self._on_touched), (chosen, self._refresh)]

    def close_review(self) -> None:
        """Leave the review, and have the tables made of the folders that it was saved in."""
        self.leave()
        self.filing.tables.make()

    def leave(self) -> None:
        """Leave the review: keys are as they were, what is not saved is kept."""
        self._timer.stop()
        self._soon.stop()
        self.job.cancel()
        if self.session is not None and self._keys is not None:
            self._keys.restore()
            for signal, slot in self._slots(self.session):
                signal.disconnect(slot)
            if self._autosave is not None:
                self.report_errors(self._autosave.close)
        self.session = self._keys = self._autosave = None
        self.cell.setText(describe_cell(None))
        self.progress.clear()
        self.files.vouch.setChecked(False)

    def event(self, event: QEvent | None) -> bool:
        """A widget that is taken out of its dock leaves the review."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.close_review()
        return super().event(event)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """A window that has closed leaves the review, so that what is not saved is kept; asked, a person may keep it open."""
        if window_closed(self, watched, event):
            self.close_review()
        return bool(super().eventFilter(watched, event))

    def _actions(self) -> dict[str, Action]:
        letters = self.names.verbs | self.outlines.verbs
        return {f"Shift-{letter}": action for letter, action in letters.items()} | self.names.own_verbs

    def act(self, action: Action) -> None:
        """Do something with the review; an error is shown."""
        self.report_errors(lambda: self._act(action))

    def _act(self, action: Action) -> None:
        if self.session is None:
            raise UsageError("Press 'Review these cells' first.")
        if blind.on:
            raise UsageError("A blind reading runs: nothing is named or changed until it ends.")
        self._take_reader()
        action(self.session)

    def _take_reader(self) -> None:
        """Whoever is written there reviews."""
        if self.session is not None:
            self.session.by = self.reader.text().strip() or self.session.by

    def saved(self) -> None:
        """The review is saved: nothing is left to keep."""
        if self._autosave is not None:
            self._autosave.drop()

    def keep(self) -> None:
        """Keep the review, which is not saved."""
        if self._autosave is not None:
            self._autosave.keep()

    @property
    def is_outlining(self) -> bool:
        """Whether a drawn box is being outlined; no longer when that was cancelled, though the step that runs goes on."""
        return self.session is not None and self.beside.outlines and self.job.cancel_button.isEnabled()

    def _on_cancelled(self) -> None:
        if self.beside.outlines:
            self.job.status.setText("Cancelled: the drawn box was dropped. Draw it again to have the cell in it outlined.")

    # -- what happens beside the person ---------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Read edits, have edited cells classified and drawn boxes outlined, keep unsaved work."""
        session = self.session
        if session is None or not (session.open or blind.on):
            self.job.cancel()
            if session is not None:
                self.job.status.setText(ENDED)
            self.close_review()
            return
        self.report_errors(lambda: self._work(session))

    def _work(self, session: Session) -> None:
        if not blind.on:  # else its layers are out of the viewer
            session.sync_told()
            self.beside.work(session, self.models.choice())
        self.filing.tables.check()
        self.names.show_own()
        self._ticks += 1
        if self._ticks % TICKS_PER_AUTOSAVE == 0 and self._autosave is not None:
            self._autosave.keep_soon()

    def _on_touched(self) -> None:
        """A stroke of the brush has ended: look at it as soon as napari is done with it."""
        self._soon.start()

    def _refresh(self, _: object = None) -> None:
        session = self.session
        if session is not None:
            ids = session.selection.ids
            cell = next((cell for cell in session.analysis.cells if cell.cell_id in ids[:1]), None)
            self.cell.setText(describe_cell(cell, len(ids)))
            self.progress.setText(describe_review(session.analysis.cells, len(session.waiting), session.unsaved))
            self.files.vouch.setChecked(session.vouched is not None)
