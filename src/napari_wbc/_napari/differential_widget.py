"""The widget *Differential*: counts of the cells under review, live."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

from napari.viewer import Viewer
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import (
    QApplication,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QProgressBar,
    QScrollArea,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..config import UNCOUNTED_TYPES
from ..differential import COLUMNS, COUNT_TO, POOLED, TypeCount, as_text, countable, differential, n_counted, shares
from ..errors import WbcError
from ..results import tables
from ..results.folder import slide_of
from ..results.storage import write_bytes
from .bars import Bars
from .panels import button, choice
from .reviews import Source, cells_of, name_of, open_reviews, results_folder, with_saved
from .saved import Folder, Saved
from .session import Session

HEAD = ("cell type", "n", "%", "95 % interval", "10⁹/L", "unseen")
THIS_IMAGE, OPEN_IMAGES, SLIDE, FOLDER = "this image", "all open images under review", "its slide", "its results folder"
TICK_MS = 300

NAMES, NUMBERS = (Qt.AlignmentFlag.AlignVCenter | side for side in (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight))

ROW_PX = 22

MIN_HEIGHT_PX = 220
"""Docks share a side of the window; less than this cannot be read."""


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
        self.table = QTableWidget(0, len(HEAD))
        self.table.setHorizontalHeaderLabels(list(HEAD))
        self.table.setToolTip("Counts of the cell types; unidentified, artefact and smudge are not in the percentages.")
        head, numbers = self.table.horizontalHeader(), self.table.verticalHeader()
        assert head is not None
        assert numbers is not None
        self._head = head
        numbers.hide()
        numbers.setDefaultSectionSize(ROW_PX)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.stop, self.note, self.bars = QProgressBar(), QLabel(), Bars()
        self.note.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addWidget(button("Copy as text", "Copy the table as text.", self.copy))
        buttons.addWidget(button("Save as CSV…", "Save the table, with the columns of differential.csv.", self.save))
        for widget in (self.stop, self.table, self.bars, self.note):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        layout.addStretch()
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMinimumHeight(MIN_HEIGHT_PX)
        self._shown: object = None
        self.folder = Folder()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.refresh)
        self._timer.start(TICK_MS)
        self.refresh()

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
        slides = {slide_of(name_of(session)) for session in self.sessions()[:1]}
        return [source for source in found if over == FOLDER or slide_of(name_of(source)) in slides]

    def refresh(self) -> None:
        """Count anew, if anything has changed."""
        try:
            self.folder.take()
        except WbcError as error:
            self.note.setText(str(error))
            return
        sources = self.sources()
        for source in sources:
            if isinstance(source, Session):
                source.sync_types()
        state = (
            [(s if isinstance(s, Saved) else s.analysis, vouched(s)) for s in sources],
            self.count_to.currentText(),
            self.wbc.value(),
        )
        if state == self._shown:
            return
        self._shown = state
        counts = Counter(key for s in sources for key in countable("", cells_of(s), vouched(s)))
        self.rows = [row for row in differential(counts) if row.slide == POOLED]
        self._show(len(sources))

    def _show(self, n_images: int) -> None:
        wbc = self.wbc.value() or None
        self.table.setRowCount(len(self.rows))
        for i, row in enumerate(self.rows):
            for j, text in enumerate((row.cell_type, str(row.n), *shares(row, wbc), str(row.n_unreviewed))):
                item = QTableWidgetItem(text)
                item.setTextAlignment(NUMBERS if j else NAMES)
                self.table.setItem(i, j, item)
        self.table.setColumnHidden(HEAD.index("10⁹/L"), wbc is None)
        self.table.setFixedHeight(self._head.height() + ROW_PX * (len(self.rows) + 1))  # one more for the scroll bar
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
            write_bytes(Path(name).parent, Path(name), tables.header(COLUMNS) + b"".join(lines))

    def event(self, event: QEvent | None) -> bool:
        """A widget that is taken out of its dock counts no more."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._timer.stop()
        return bool(super().event(event))


def vouched(source: Source) -> bool:
    """Whether a person vouches for every cell of an image."""
    return (source.record.row.reviewed_by if isinstance(source, Saved) else source.vouched) is not None
