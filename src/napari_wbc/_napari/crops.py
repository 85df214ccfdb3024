"""The crops of a gallery as a list model: a crop is cut when it is first seen, so 10,000 cost no more than those in view."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, TypeAlias

import numpy as np
from qtpy.QtCore import QAbstractListModel, QModelIndex, QSize, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPixmap

from ..cells import Box, Cell, RgbImage
from ..config import CELL_TYPES
from ..crop import crop
from ..errors import WbcError
from .features import colour_of
from .reviews import Item, Source, address_of, cells_of, name_of
from .saved import Folder, Saved
from .session import Session

CROP_PX, FRAME_PX, MARGIN = 88, 4, 0.15
INSIDE_PX, NO_PIXELS = CROP_PX - 2 * FRAME_PX, 128
KEPT_PIXMAPS = 3000

BY_TYPE, BY_DOUBT, BY_ID = "by type", "doubtful first", "by image and id"
ORDERS = (BY_TYPE, BY_DOUBT, BY_ID)

Key: TypeAlias = tuple[Item, Box, str | None]
"""What a crop shows."""

MAX_WAITING = 100
"""Crops that the thread is asked to cut; where a person scrolls on, the oldest are given up."""


class Crops(QAbstractListModel):
    """Cells in an order that stays while they are named, so that nothing jumps under the person's hand."""

    def __init__(self, folder: Folder) -> None:
        super().__init__()
        self._folder = folder
        self._waiting: dict[Key, Future[RgbImage]] = {}
        self.items: list[Item] = []
        self._cells: dict[Item, Cell] = {}
        self._pixmaps: OrderedDict[Key, QPixmap] = OrderedDict()

    def fill(self, sources: Sequence[Source], order: str) -> None:
        """All cells of some sources, in an order."""
        self.beginResetModel()
        self._cells = {Item(s, cell.cell_id): cell for s in sources for cell in cells_of(s)}
        self.items = in_order(self._cells, order)
        self._forget_others(sources)
        self.endResetModel()

    def renew(self, session: Session) -> bool:
        """Show cells of a review as they are now; False if some came or went: then `fill` is needed."""
        now = {Item(session, cell.cell_id): cell for cell in session.analysis.cells}
        if now.keys() != {item for item in self._cells if item.source is session}:
            return False
        for row, item in enumerate(self.items):
            if item.source is session and now[item] != self._cells[item]:
                self._cells[item] = now[item]
                self.dataChanged.emit(self.index(row), self.index(row))
        return True

    def swap(self, sources: Sequence[Source]) -> bool:
        """Take the same cells, in the order as it is, from other sources: an image was opened or closed; False if others."""
        before = {source: address_of(source) for source in {item.source for item in self.items}}
        names = [(before[item.source], item.cell_id) for item in self.items]
        addresses = [(source, address_of(source)) for source in sources]
        now = {(name, c.cell_id): (Item(source, c.cell_id), c) for source, name in addresses for c in cells_of(source)}
        if len(names) != len(now) or not all(name in now for name in names):
            return False
        self.items = [now[name][0] for name in names]
        self._cells = dict(now.values())
        self._forget_others(sources)
        self.dataChanged.emit(self.index(0), self.index(len(self.items) - 1))
        return True

    def _forget_others(self, sources: Sequence[Source]) -> None:
        """Keep no crop of a review that was closed: it would keep its layers."""
        there = set(sources)
        for key in [key for key in self._pixmaps if isinstance(key[0].source, Session) and key[0].source not in there]:
            del self._pixmaps[key]

    def take_place(self, before: Saved, after: Saved) -> None:
        """Show the same cells of a saved image as they are now."""
        now = {cell.cell_id: cell for cell in after.cells}
        for row, item in enumerate(self.items):
            if item.source is before:
                self.items[row] = Item(after, item.cell_id)
                self._cells[self.items[row]] = now[item.cell_id]
                pixmap = self._pixmaps.pop(self._key(item, self._cells.pop(item)), None)
                if pixmap is not None:
                    self._keep(self._key(self.items[row], now[item.cell_id]), _reframed(pixmap, now[item.cell_id]))
                self.dataChanged.emit(self.index(row), self.index(row))

    def row_of(self, session: Session, cell_id: int) -> int:
        """The row of a cell, or -1."""
        item = Item(session, cell_id)
        return self.items.index(item) if item in self._cells else -1

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Number of cells."""
        return len(self.items)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Crop, name and tooltip of a cell."""
        if not index.isValid():
            return None
        item = self.items[index.row()]
        cell = self._cells[item]
        if role == Qt.ItemDataRole.DecorationRole:
            return self._pixmap(item, cell)
        if role == Qt.ItemDataRole.DisplayRole:
            seen = "✓ " if cell.is_reviewed else ""
            return f"{seen}{cell.cell_type or '?'}"
        if role == Qt.ItemDataRole.ToolTipRole:
            margin = "not classified yet" if cell.margin is None else f"margin {cell.margin:.2f} (0 doubtful, 1 sure)"
            return f"{name_of(item.source)}, cell {cell.cell_id}, {margin}"
        if role == Qt.ItemDataRole.SizeHintRole:
            return QSize(CROP_PX + 12, CROP_PX + 28)
        return None

    def _pixmap(self, item: Item, cell: Cell) -> QPixmap:
        key = self._key(item, cell)
        if key not in self._pixmaps:
            if isinstance(item.source, Saved):
                self._have_cut(key, item.source, cell)
                return _framed(None, cell)
            self._keep(key, _framed(crop(item.source.pixels, cell.box, INSIDE_PX, MARGIN), cell))
        self._pixmaps.move_to_end(key)
        return self._pixmaps[key]

    @staticmethod
    def _key(item: Item, cell: Cell) -> Key:
        return item, cell.box, cell.cell_type

    def _keep(self, key: Key, pixmap: QPixmap) -> None:
        self._pixmaps[key] = pixmap
        if len(self._pixmaps) > KEPT_PIXMAPS:
            self._pixmaps.popitem(last=False)

    def _have_cut(self, key: Key, saved: Saved, cell: Cell) -> None:
        if key not in self._waiting:
            self._waiting[key] = self._folder.cut(saved, cell, INSIDE_PX, MARGIN)
        while len(self._waiting) > MAX_WAITING:
            self._waiting.pop(next(iter(self._waiting))).cancel()

    def take_cut(self) -> None:
        """Show the crops that the thread has cut; where an image is gone, the frame stays empty."""
        done = {key: self._waiting.pop(key) for key, future in list(self._waiting.items()) if future.done()}
        rows = {item: row for row, item in enumerate(self.items)} if done else {}
        for key, future in done.items():
            item = key[0]
            if item in rows:
                pixels = None if isinstance(future.exception(), WbcError) else future.result()
                self._keep(key, _framed(pixels, self._cells[item]))
                self.dataChanged.emit(self.index(rows[item]), self.index(rows[item]))


def in_order(cells: dict[Item, Cell], order: str) -> list[Item]:
    """The cells by type, or those of the smallest margin first, or as they come; in a type the doubtful ones come first."""
    places = {name: i for i, name in enumerate(CELL_TYPES)}

    def doubt(item: Item) -> float:
        margin = cells[item].margin
        return -1.0 if margin is None else margin

    if order == BY_DOUBT:
        return sorted(cells, key=doubt)
    if order == BY_TYPE:
        return sorted(cells, key=lambda i: (places.get(cells[i].cell_type or "", 9), cells[i].cell_type or "", doubt(i)))
    return list(cells)


def _reframed(pixmap: QPixmap, cell: Cell) -> QPixmap:
    """The same crop in a frame of the colour that the type of its cell has now."""
    framed = QPixmap(CROP_PX, CROP_PX)
    framed.fill(QColor(colour_of(cell.cell_type)))
    painter = QPainter(framed)
    painter.drawPixmap(FRAME_PX, FRAME_PX, pixmap, FRAME_PX, FRAME_PX, INSIDE_PX, INSIDE_PX)
    painter.end()
    return framed


def _framed(pixels: RgbImage | None, cell: Cell) -> QPixmap:
    """The crop (S, S, 3) of a cell, or a grey square, in a frame of the colour of its type."""
    side = INSIDE_PX
    shown = np.full((side, side, 3), NO_PIXELS, np.uint8) if pixels is None else pixels
    picture = QImage(shown.tobytes(), side, side, 3 * side, QImage.Format.Format_RGB888)
    framed = QPixmap(CROP_PX, CROP_PX)
    framed.fill(QColor(colour_of(cell.cell_type)))
    painter = QPainter(framed)
    painter.drawImage(FRAME_PX, FRAME_PX, picture)
    painter.end()
    return framed
