"""The widget *Gallery*: the crops of the cells under review; arrow keys go from one to the next, a letter names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from napari.viewer import Viewer
from qtpy.QtCore import QEvent, QModelIndex, QObject, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ..errors import WbcError
from ..results.runfile import user
from . import keys
from .blind import blind
from .canvas import Canvas, main_window
from .controls import button, choice
from .crops import CROP_PX, ORDERS, Crops
from .crops_view import View
from .curtain import Curtain
from .naming import Naming
from .notice import Notice
from .opening import SlideLook, in_reviews, look_at
from .own_types import own_types
from .reviews import Item, Source, address_of, cells_of, open_reviews, opened, results_folder, with_saved
from .saved import Folder, Saved
from .session import Session
from .slide_layer import renew_types, shows_slide
from .unattended import Unattended

TICK_MS = 250
OPEN_IMAGES, RESULTS_FOLDER = "open", "folder"

MIN_HEIGHT_PX = 300
"""A crop, the notice and the keys."""


class Gallery(QWidget):
    """All cells of the open images under review, as pictures."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        letters, _ = keys.chosen_letters()
        self.folder = Folder()
        self.naming = Naming(letters)
        self.crops, self.view = Crops(self.folder), View(self._press)
        self._slides = SlideLook(napari_viewer, self.folder)
        self.view.setModel(self.crops)
        self.over = choice(
            [OPEN_IMAGES, RESULTS_FOLDER],
            "Cells of the images under review, or of all images of the results folder of the active one.",
        )
        self.order = choice(
            ORDERS, "Order of the cells. Doubtful: the two most probable types are close. Named cells keep their place."
        )
        self.left, self.message = QLabel(), QLabel()
        self.message.setWordWrap(True)
        row = QHBoxLayout()
        for box in (self.over, self.order):
            box.currentTextChanged.connect(lambda _: self.fill())
            row.addWidget(box, stretch=2)
        self.over.currentTextChanged.connect(lambda _: self._forget_slide())
        row.addWidget(button("Sort", "Sort the cells by what they are called now.", self.fill), stretch=1)
        layout = QVBoxLayout(self)
        self.view.setMinimumHeight(CROP_PX + 8)
        layout.addLayout(row)
        layout.addWidget(self.view, stretch=1)
        for text in (self.left, Notice(), self.message):
            layout.addWidget(text)
        self._letters, self._own = letters, dict[str, str]()
        self._tell_keys()
        self._seen: list[tuple[Source, object]] = []
        self._unattended = Unattended(self.naming.tables)
        self._following, self._followed = False, list[tuple[Session, tuple[int, ...]]]()
        self.setMinimumHeight(MIN_HEIGHT_PX)
        selection = self.view.selectionModel()
        assert selection is not None
        selection.selectionChanged.connect(self._on_selected)
        self.view.clicked.connect(self._on_clicked)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)
        self.refresh()
        Curtain(self)
        Canvas(napari_viewer, self)

    def sessions(self) -> list[Session]:
        """The reviews of the open images."""
        return open_reviews(self.viewer)

    def sources(self) -> list[Source]:
        """Where the cells come from: the reviews, and in a results folder the images that are not open."""
        place = results_folder(self.viewer) if self.over.currentText() == RESULTS_FOLDER else None
        if place is None:
            return list(self.sessions())
        self.folder.ask(place)
        return with_saved(self.viewer, place, self.folder.images)

    def fill(self) -> None:
        """Show all cells, sorted anew."""
        sources = self.sources()
        self.crops.fill(sources, self.order.currentText())
        self._followed.clear()
        self._now_seen(sources)

    def _now_seen(self, sources: list[Source]) -> None:
        self._seen = [(source, cells_of(source)) for source in sources]
        self._count()
        self._follow()

    def _tell_keys(self) -> None:
        self._own = own_types.by_digit
        self.message.setText(keys.described(self._letters, self._own))

    def _tick(self) -> None:
        if not blind.on:
            self.crops.take_cut()
            self.report_errors(self._take_slide)
            self.refresh()
            if self._own != own_types.by_digit:
                self._tell_keys()

    def _take_slide(self) -> None:
        if self._slides.take():
            self._tell_keys()

    def refresh(self) -> None:
        """Show what has changed: names, outlines, images, and the selection in the viewer."""
        self.report_errors(self.folder.take)
        self.report_errors(self.naming.tables.check)
        sources = self.sources()
        if [source for source, _ in self._seen] != sources:
            self.naming.forget(opened(self.viewer))
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
        elif not self._seen:
            self._count()
        self._follow()

    def _count(self) -> None:
        cells = [cell for source, _ in self._seen for cell in cells_of(source)]
        left = sum(cell.reviewed_by is None and cell.type_source == "model" for cell in cells)
        none = "Start Review cells on an image first" + (", or choose 'folder'." if results_folder(self.viewer) else ".")
        self.left.setText(f"{len(cells)} cells, {left} not reviewed" if cells else none)

    def _chosen(self) -> list[Item]:
        selection = self.view.selectionModel()
        rows = sorted(index.row() for index in selection.selectedIndexes()) if selection is not None else []
        return [self.crops.items[row] for row in rows]

    def _on_selected(self, *_: object) -> None:
        """A crop was selected: look at its cell in the viewer."""
        chosen = self._chosen()
        if chosen and not self._following and isinstance(chosen[0].source, Session):
            self._forget_slide()
            session = chosen[0].source
            session.selection.select([item.cell_id for item in chosen if item.source is session], look=True)

    def _on_clicked(self, index: QModelIndex) -> None:
        """A crop was clicked: open its image, if it is not open."""
        self._forget_slide()
        item = self.crops.items[index.row()]
        source = item.source
        if isinstance(source, Saved):
            self.report_errors(lambda: self._look_at(item, source))
            self.refresh()

    def _look_at(self, item: Item, saved: Saved) -> None:
        if not saved.record.row.is_slide:
            look_at(self.viewer, item)
        elif not self._slides.at(saved, item.cell_id):
            self.message.setText(f"The file of {saved.record.image} is looked for: one that was moved is read through.")

    def _forget_slide(self) -> None:
        """The person has gone on to something else, over which no slide is opened."""
        if self._slides.forget():
            self._tell_keys()

    def _follow(self) -> None:
        """A cell was selected in the viewer: select its crop."""
        now = [(session, session.selection.ids) for session in self.sessions()]
        new, self._followed = [pair for pair in now if pair not in self._followed], now
        for session, ids in new:
            wanted = {Item(session, i) for i in ids}
            if wanted and not wanted & set(self._chosen()) and self.viewer.layers.selection.active in session.layers:
                self._following = True
                self.view.setCurrentIndex(self.crops.index(self.crops.row_of(session, ids[0])))
                self._following = False

    def _press(self, letter: str) -> bool:
        """A letter was pressed: name or confirm the selected cells and go to the next, or undo."""
        chosen = self._chosen()
        if letter != keys.UNDO and not (chosen and self.naming.knows(letter)):
            return False
        self._forget_slide()
        self.report_errors(self._undo if letter == keys.UNDO else lambda: self._name(letter, chosen))
        self.refresh()
        return True

    def report_errors(self, work: Callable[[], object]) -> None:
        """Do something; an error is shown."""
        try:
            work()
        except WbcError as error:
            self.message.setText(str(error))

    def _name(self, letter: str, chosen: list[Item]) -> None:
        last, before = self.crops.items.index(chosen[-1]), self.sessions()
        items, sessions = in_reviews(self.viewer, chosen), self.sessions()
        if sessions != before:
            self.message.setText("The image is open, so its review has begun; every letter saves it.")
        main_window(self).installEventFilter(self)
        self._unattended.add(item.source for item in items if isinstance(item.source, Session))
        try:
            self._take_place(self.naming.do(letter, items, sessions[0].by if sessions else user()))
            if last + 1 < len(self.crops.items):
                self.view.setCurrentIndex(self.crops.index(last + 1))
        finally:
            self._unattended.save()

    def _undo(self) -> None:
        self.naming.forget(opened(self.viewer))
        try:
            replaced, back = self.naming.undo()
        finally:
            self._unattended.save()
        self._take_place(replaced)
        rows = [row for row, item in enumerate(self.crops.items) if (address_of(item.source), item.cell_id) == back]
        if rows:
            self.view.setCurrentIndex(self.crops.index(rows[0]))

    def _take_place(self, replaced: Mapping[Saved, Saved]) -> None:
        for before, after in replaced.items():
            self.crops.take_place(before, after)
            self._seen = [(after, seen) if source is before else (source, seen) for source, seen in self._seen]
            if labels := shows_slide(self.viewer, after.folder, after.record.image):
                renew_types(labels, after.cells)
        self._count()

    def event(self, event: QEvent | None) -> bool:
        """A widget that is taken out of its dock looks no more."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._timer.stop()
            self.naming.tables.make()
        return bool(super().event(event))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """A window that closes has the tables made first."""
        if event is not None and event.type() == QEvent.Type.Close:
            self.naming.tables.make()
        return bool(super().eventFilter(watched, event))
