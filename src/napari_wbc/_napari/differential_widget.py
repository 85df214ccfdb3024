"""The widget *Differential*: counts of the cells under review, live."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

from napari.utils.notifications import show_error
from napari.viewer import Viewer
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import (
    QApplication,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ..cells import Analysis
from ..config import UNCOUNTED_TYPES
from ..differential import COLUMNS, COUNT_TO, POOLED, TypeCount, as_text, countable, differential, n_counted
from ..errors import WbcError
from ..results import tables
from ..results.folder import slide_of
from ..results.storage import write_bytes
from .bars import Bars
from .blind import blind
from .canvas import Canvas
from .controls import button, choice
from .counts_table import CountsTable
from .curtain import Curtain
from .notice import Notice
from .reviews import Source, cells_of, name_of, open_reviews, results_folder, with_saved
from .saved import Folder, Saved
from .session import Session

THIS_IMAGE, OPEN_IMAGES, SLIDE, FOLDER = "this image", "all open images under review", "its slide", "its results folder"
TICK_MS = 100

MIN_HEIGHT_PX = 220
"""Docks share a side of the window; less than this cannot be read."""


Counts: TypeAlias = dict[tuple[Analysis | Saved, bool], Counter[tuple[str, str, bool]]]
"""Counts of images, kept because in a folder of thousands few change; whether an image is vouched for is in the key."""


class Differential(QScrollArea):
    """Counts, percent and exact intervals of the cell types; what is unidentified or not reviewed stands apart."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.rows: list[TypeCount] = []
        inside = QWidget()
        layout = QVBoxLayout(inside)
        self.over = choice(
            [THIS_IMAGE, OPEN_IMAGES, SLIDE, FOLDER],
            "Which cells are counted. An image is counted once Review cells has been started on it.",
        )
        self.count_to = choice(
            [str(n) for n in COUNT_TO],
            "Stop at this number of counted cells; unidentified, artefact and smudge are not counted.",
        )
        self.wbc = QDoubleSpinBox()
        self.wbc.setRange(0, 1000)
        self.wbc.setSpecialValueText("unknown")
        self.wbc.setSuffix(" ×10⁹/L")
        self.wbc.setToolTip(
            "White blood cells in all, 10⁹ per litre, from the cell counter; gives absolute counts of the types."
        )
        form = QFormLayout()
        for label, editor in (("Count", self.over), ("Count to", self.count_to), ("Total WBC", self.wbc)):
            form.addRow(label, editor)
        layout.addLayout(form)
        self.table = CountsTable()
        self.stop, self.note, self.bars = QProgressBar(), QLabel(), Bars()
        self.note.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addWidget(button("Copy as text", "Copy the table as text.", self.copy))
        buttons.addWidget(button("Save as CSV…", "Save the table, with the columns of differential.csv.", self.save))
        for widget in (self.stop, self.table, Notice(), self.bars, self.note):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        layout.addStretch()
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMinimumHeight(MIN_HEIGHT_PX)
        self._shown: object = None
        self._counts: Counts = {}
        self.folder = Folder()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.refresh)
        self._timer.start(TICK_MS)
        self.refresh()
        Curtain(self)
        Canvas(napari_viewer, self)

    def sessions(self) -> list[Session]:
        """The reviews that are counted."""
        open_ = open_reviews(self.viewer)
        if self.over.currentText() == OPEN_IMAGES:
            return open_
        active = self.viewer.layers.selection.active
        return [session for session in open_ if active in session.layers][:1] or open_[-1:]

    def sources(self) -> list[Source]:
        """What is counted: reviews, and of a slide or a folder also what was saved and is not open."""
        over, place = self.over.currentText(), results_folder(self.viewer)
        if over not in (SLIDE, FOLDER) or place is None:
            return list(self.sessions())
        self.folder.ask(place)
        found = with_saved(self.viewer, place, self.folder.images)
        slides = {slide(session) for session in self.sessions()[:1]}
        return [source for source in found if over == FOLDER or slide(source) in slides]

    def refresh(self) -> None:
        """Count anew, if anything has changed; not while a blind reading runs."""
        if blind.on:
            return
        try:
            self.folder.take()
        except WbcError as error:
            self.note.setText(str(error))
            self._shown = None
            return
        sources = self.sources()
        for source in sources:
            if isinstance(source, Session):
                source.sync_types()
        seen = {(s if isinstance(s, Saved) else s.analysis, vouched(s)): s for s in sources}
        state = (list(seen), self.count_to.currentText(), self.wbc.value())
        if state == self._shown:
            return
        self._shown = state
        self._counts = {key: self._counts.get(key) or Counter(countable("", cells_of(s), key[1])) for key, s in seen.items()}
        counts = Counter[tuple[str, str, bool]]()
        for of_one in self._counts.values():
            counts.update(of_one)
        self.rows = [row for row in differential(counts) if row.slide == POOLED]
        self._show(len(sources))

    def _show(self, n_images: int) -> None:
        wbc = self.wbc.value() or None
        self.table.show_rows(self.rows, wbc)
        self.bars.show_rows(self.rows)
        counted, target = n_counted(self.rows), int(self.count_to.currentText())
        self.stop.setRange(0, target)
        self.stop.setValue(min(counted, target))
        self.stop.setFormat(f"{counted} of {target} counted" + (": stop" if counted >= target else ""))
        apart = sum(row.n for row in self.rows if row.cell_type in UNCOUNTED_TYPES)
        unreviewed = sum(row.n_unreviewed for row in self.rows)
        images = f"{n_images} image{'' if n_images == 1 else 's'}"
        self.note.setText(f"{images}: {counted} cells counted, {apart} not counted, {unreviewed} not reviewed by a person.")

    def copy(self) -> None:
        """The table as text, to the clipboard."""
        self.refresh()
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(as_text(self.rows, self.wbc.value() or None))

    def save(self) -> None:
        """The table as a CSV file."""
        self.refresh()
        name, _ = QFileDialog.getSaveFileName(self, "Save the differential", "differential.csv", "CSV (*.csv)")
        if name:
            lines = [tables.row(COLUMNS, asdict(row)) for row in self.rows]
            try:
                write_bytes(Path(name).parent, Path(name), tables.header(COLUMNS) + b"".join(lines))
            except WbcError as error:
                self.note.setText(str(error))
                show_error(str(error))

    def event(self, event: QEvent | None) -> bool:
        """A widget that is taken out of its dock counts no more."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._timer.stop()
        return bool(super().event(event))


def slide(source: Source) -> str:
    """The slide of an image, as the tables have it: a whole-slide image is its own."""
    return source.record.row.slide if isinstance(source, Saved) else slide_of(name_of(source))


def vouched(source: Source) -> bool:
    """Whether a person vouches for every cell of an image."""
    return (source.record.row.reviewed_by if isinstance(source, Saved) else source.vouched) is not None
