"""The widget *Gallery*: the crops of the cells under review; arrow keys go from one to the next, a letter names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from napari.viewer import Viewer
from qtpy.QtCore import QEvent, QModelIndex, QTimer
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ..errors import WbcError
from . import keys
from .crops import CROP_PX, ORDERS, Crops, Item
from .crops_view import View
from .opening import open_saved
from .panels import button
from .reviews import Source, cells_of, name_of, open_reviews, results_folder, with_saved
from .saved import Folder, Saved
from .session import Session

TICK_MS = 250
OPEN_IMAGES, RESULTS_FOLDER = "open", "folder"

TICKS_PER_READ = 40
"""How often the records of a results folder are looked at again."""

MIN_HEIGHT_PX = 260
"""A crop, and the keys."""


class Gallery(QWidget):
    """All cells of the open images under review, as pictures."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.letters, _ = keys.chosen_letters()
        self.folder = Folder()
        self.crops, self.view = Crops(self.folder), View(self._press)
        self.view.setModel(self.crops)
        self.order = QComboBox()
        self.order.addItems(list(ORDERS))
        self.order.setToolTip(
            "Order of the cells. Doubtful: the two most probable types are close. Named cells keep their place."
        )
        self.order.currentTextChanged.connect(lambda _: self.fill())
        self.over = QComboBox()
        self.over.addItems([OPEN_IMAGES, RESULTS_FOLDER])
        self.over.setToolTip("Cells of the images under review, or of all images of the results folder of the active one.")
        self.over.currentTextChanged.connect(lambda _: self.fill())
        self.left, self.message = QLabel(), QLabel(_help(self.letters))
        self.message.setWordWrap(True)
        row = QHBoxLayout()
        for box in (self.over, self.order):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            row.addWidget(box, stretch=2)
        row.addWidget(button("Sort", "Sort the cells by what they are called now.", self.fill), stretch=1)
        layout = QVBoxLayout(self)
        self.view.setMinimumHeight(CROP_PX + 8)
        layout.addLayout(row)
        layout.addWidget(self.view, stretch=1)
        layout.addWidget(self.left)
        layout.addWidget(self.message)
        self._seen: list[tuple[Source, object]] = []
        self._ticks = 0
        self._following = False
        self.setMinimumHeight(MIN_HEIGHT_PX)
        selection = self.view.selectionModel()
        assert selection is not None
        selection.selectionChanged.connect(self._on_selected)
        self.view.clicked.connect(self._on_clicked)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)
        self.refresh()

    def sessions(self) -> list[Session]:
        """The reviews of the open images."""
        return open_reviews(self.viewer)

    def sources(self) -> list[Source]:
        """Where the cells come from: the reviews, and in a results folder the images that are not open."""
        place = results_folder(self.viewer) if self.over.currentText() == RESULTS_FOLDER else None
        if place is None:
            return list(self.sessions())
        self.folder.ask(place) if not self._ticks % TICKS_PER_READ or not self.folder.images else None
        return with_saved(self.viewer, place, self.folder.images)

    def fill(self) -> None:
        """Show all cells, sorted anew."""
        sources = self.sources()
        self.crops.fill(sources, self.order.currentText())
        self._now_seen(sources)

    def _now_seen(self, sources: list[Source]) -> None:
        self._seen = [(source, cells_of(source)) for source in sources]
        self._count()
        self._follow()

    def _tick(self) -> None:
        self._ticks += 1
        self.crops.take_cut()
        self.refresh()

    def refresh(self) -> None:
        """Show what has changed: names, outlines, images, and the selection in the viewer."""
        try:
            self.folder.take()
        except WbcError as error:
            self.message.setText(str(error))
        sources = self.sources()
        if [source for source, _ in self._seen] != sources:
            if self.crops.items and self.crops.swap(sources):
                self._now_seen(sources)
            else:
                self.fill()
        elif any(cells_of(source) is not seen for source, seen in self._seen if isinstance(source, Session)):
            renewed = [self.crops.renew(source) for source in sources if isinstance(source, Session)]
            if all(renewed):
                self._now_seen(sources)
            else:
                self.fill()
        self._follow()

    def _count(self) -> None:
        cells = [cell for source, _ in self._seen for cell in cells_of(source)]
        left = sum(cell.reviewed_by is None and cell.type_source == "model" for cell in cells)
        self.left.setText(f"{len(cells)} cells, {left} not reviewed" if cells else "Start Review cells on an image first.")

    def _chosen(self) -> list[Item]:
        selection = self.view.selectionModel()
        rows = sorted(index.row() for index in selection.selectedIndexes()) if selection is not None else []
        return [self.crops.items[row] for row in rows]

    def _on_selected(self, *_: object) -> None:
        """A crop was selected: look at its cell in the viewer."""
        chosen = self._chosen()
        if chosen and not self._following and isinstance(chosen[0].source, Session):
            session = chosen[0].source
            session.selection.select([item.cell_id for item in chosen if item.source is session], look=True)

    def _on_clicked(self, index: QModelIndex) -> None:
        """A crop was clicked: open its image, if it is not open."""
        item = self.crops.items[index.row()]
        if isinstance(item.source, Saved) and (session := self._open(item.source)) is not None:
            session.selection.select([item.cell_id], look=True)

    def _open(self, saved: Saved) -> Session | None:
        """Open a saved image; its review, or None where that went wrong."""
        try:
            open_saved(self.viewer, saved)
        except WbcError as error:
            self.message.setText(str(error))
        self.refresh()
        return next((session for session in self.sessions() if name_of(session) == saved.record.image), None)

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
        if isinstance(chosen[-1].source, Saved):
            self._open(chosen[-1].source)
            chosen = [self.crops.items[last]]
        try:
            for session in dict.fromkeys(item.source for item in chosen if isinstance(item.source, Session)):
                ids = [item.cell_id for item in chosen if item.source is session]
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


def _help(letters: Mapping[str, str]) -> str:
    said = ", ".join(f"{letters[name]} {name}" for name in (*keys.NAMES, keys.CONFIRM))
    return f"Keys here: {said}, {keys.UNDO} undo, arrows go on."
