"""The widget *Gallery*: the crops of the cells under review; arrow keys go from one to the next, a letter names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from napari.viewer import Viewer
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QListView, QVBoxLayout, QWidget

from ..errors import WbcError
from . import keys
from .crops import ORDERS, Crops, Item
from .panels import button
from .reviews import open_reviews
from .session import Session

TICK_MS = 250

MIN_HEIGHT_PX = 260
"""Two rows of crops."""


class Gallery(QWidget):
    """All cells of the open images under review, as pictures."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.letters, _ = keys.chosen_letters()
        self.crops, self.view = Crops(), View(self._press)
        self.view.setModel(self.crops)
        self.order = QComboBox()
        self.order.addItems(list(ORDERS))
        self.order.setToolTip(
            "Order of the cells. Doubtful: the two most probable types are close. Named cells keep their place."
        )
        self.order.currentTextChanged.connect(lambda _: self.fill())
        self.left, self.message = QLabel(), QLabel(_help(self.letters))
        self.message.setWordWrap(True)
        row = QHBoxLayout()
        row.addWidget(self.order, stretch=2)
        row.addWidget(button("Sort again", "Sort the cells by what they are called now.", self.fill), stretch=1)
        layout = QVBoxLayout(self)
        layout.addLayout(row)
        layout.addWidget(self.view, stretch=1)
        layout.addWidget(self.left)
        layout.addWidget(self.message)
        self._seen: list[tuple[Session, object]] = []
        self._following = False
        self.setMinimumHeight(MIN_HEIGHT_PX)
        selection = self.view.selectionModel()
        assert selection is not None
        selection.selectionChanged.connect(self._on_selected)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.refresh)
        self._timer.start(TICK_MS)
        self.refresh()

    def sessions(self) -> list[Session]:
        """The reviews of the open images."""
        return open_reviews(self.viewer)

    def fill(self) -> None:
        """Show all cells, sorted anew."""
        self.crops.fill(self.sessions(), self.order.currentText())
        self._seen = [(session, session.analysis) for session in self.sessions()]
        self._count()
        self._follow()

    def refresh(self) -> None:
        """Show what has changed: names, outlines, images, and the selection in the viewer."""
        sessions = self.sessions()
        if [session for session, _ in self._seen] != sessions:
            self.fill()
        elif any(session.analysis is not seen for session, seen in self._seen):
            renewed = [self.crops.renew(session) for session in sessions]
            if not all(renewed):
                self.fill()
            self._seen = [(session, session.analysis) for session in sessions]
            self._count()
        self._follow()

    def _count(self) -> None:
        cells = [cell for session in self.sessions() for cell in session.analysis.cells]
        left = sum(cell.reviewed_by is None and cell.type_source == "model" for cell in cells)
        self.left.setText(f"{len(cells)} cells, {left} not reviewed" if cells else "Start Review cells on an image first.")

    def _chosen(self) -> list[Item]:
        selection = self.view.selectionModel()
        rows = sorted(index.row() for index in selection.selectedIndexes()) if selection is not None else []
        return [self.crops.items[row] for row in rows]

    def _on_selected(self, *_: object) -> None:
        """A crop was selected: look at its cell in the viewer."""
        chosen = self._chosen()
        if chosen and not self._following:
            session = chosen[0].session
            session.selection.select([item.cell_id for item in chosen if item.session is session], look=True)

    def _follow(self) -> None:
        """A cell was selected in the viewer: select its crop."""
        for session in self.sessions():
            wanted = {Item(session, i) for i in session.selection.ids}
            if wanted and not wanted & set(self._chosen()) and self.viewer.layers.selection.active in session.layers:
                index = self.crops.index(self.crops.row_of(session, session.selection.ids[0]))
                self._following = True
                self.view.setCurrentIndex(index)
                self._following = False

    def _press(self, letter: str) -> bool:
        """A letter was pressed: name or confirm the selected cells, and go to the next."""
        chosen = self._chosen()
        names = {self.letters[name]: name for name in keys.NAMES}
        confirm = self.letters[keys.CONFIRM]
        if not chosen or letter not in (*names, confirm, keys.UNDO):
            return False
        last = self.crops.items.index(chosen[-1])
        try:
            for session in dict.fromkeys(item.session for item in chosen):
                ids = [item.cell_id for item in chosen if item.session is session]
                verbs: dict[str, Callable[[], object]] = {
                    confirm: partial(session.confirm, ids),
                    keys.UNDO: session.undo,
                }
                verbs.get(letter, partial(session.name, names.get(letter, ""), ids))()
        except WbcError as error:
            self.message.setText(str(error))
        self.refresh()
        if letter != keys.UNDO and last + 1 < len(self.crops.items):
            self.view.setCurrentIndex(self.crops.index(last + 1))
        return True

    def event(self, event: QEvent | None) -> bool:
        """A widget that is taken out of its dock looks no more."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._timer.stop()
        return bool(super().event(event))


class View(QListView):
    """Crops in rows that fit the width; letters go to `press`."""

    def __init__(self, press: Callable[[str], bool]) -> None:
        super().__init__()
        self._press = press
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QListView.SelectionMode.ExtendedSelection)
        self.setToolTip("Arrow keys: next cell. Letters name it.")

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802
        """Letters are ours, all other keys are the view's."""
        if not self._press(event.text().upper()):
            super().keyPressEvent(event)


def _help(letters: Mapping[str, str]) -> str:
    said = ", ".join(f"{letters[name]} {name}" for name in (*keys.NAMES, keys.CONFIRM))
    return f"Keys here: {said}, {keys.UNDO} undo, arrows go on."
