"""The crops of a gallery as a list model: a crop is cut when it is first seen, so 10,000 cost no more than those in view."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, QSize, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPixmap

from ..cells import Cell
from ..config import CELL_TYPES
from ..crop import crop
from .features import colour_of
from .session import Session

CROP_PX, FRAME_PX, MARGIN = 88, 4, 0.15
KEPT_PIXMAPS = 3000

BY_TYPE, BY_DOUBT, BY_ID = "by type", "doubtful first", "by image and id"
ORDERS = (BY_TYPE, BY_DOUBT, BY_ID)


@dataclass(frozen=True)
class Item:
    """A cell of a review."""

    session: Session
    cell_id: int


class Crops(QAbstractListModel):
    """Cells in an order that stays while they are named, so that nothing jumps under the person's hand."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[Item] = []
        self._cells: dict[Item, Cell] = {}
        self._pixmaps: OrderedDict[tuple[object, ...], QPixmap] = OrderedDict()

    def fill(self, sessions: list[Session], order: str) -> None:
        """All cells of some reviews, in an order."""
        self.beginResetModel()
        self._cells = {Item(s, cell.cell_id): cell for s in sessions for cell in s.analysis.cells}
        self.items = in_order(self._cells, order)
        self.endResetModel()

    def renew(self, session: Session) -> bool:
        """Show cells of a review as they are now; False if some came or went: then `fill` is needed."""
        now = {Item(session, cell.cell_id): cell for cell in session.analysis.cells}
        if now.keys() != {item for item in self._cells if item.session is session}:
            return False
        for row, item in enumerate(self.items):
            if item.session is session and now[item] != self._cells[item]:
                self._cells[item] = now[item]
                self.dataChanged.emit(self.index(row), self.index(row))
        return True

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
            seen = "✓ " if cell.reviewed_by is not None or cell.type_source == "human" else ""
            return f"{seen}{cell.cell_type or '?'}"
        if role == Qt.ItemDataRole.ToolTipRole:
            margin = "not classified yet" if cell.margin is None else f"margin {cell.margin:.2f} (0 doubtful, 1 sure)"
            return f"{item.session.image.name}, cell {cell.cell_id}, {margin}"
        if role == Qt.ItemDataRole.SizeHintRole:
            return QSize(CROP_PX + 12, CROP_PX + 28)
        return None

    def _pixmap(self, item: Item, cell: Cell) -> QPixmap:
        key = (item, cell.box, cell.cell_type)
        if key not in self._pixmaps:
            self._pixmaps[key] = _framed(item.session, cell)
            if len(self._pixmaps) > KEPT_PIXMAPS:
                self._pixmaps.popitem(last=False)
        self._pixmaps.move_to_end(key)
        return self._pixmaps[key]


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


def _framed(session: Session, cell: Cell) -> QPixmap:
    """The crop of a cell in a frame of the colour of its type."""
    pixels = crop(session.pixels, cell.box, CROP_PX - 2 * FRAME_PX, MARGIN).copy()
    side = pixels.shape[0]
    picture = QImage(pixels.tobytes(), side, side, 3 * side, QImage.Format.Format_RGB888)
    framed = QPixmap(CROP_PX, CROP_PX)
    framed.fill(QColor(colour_of(cell.cell_type)))
    painter = QPainter(framed)
    painter.drawImage(FRAME_PX, FRAME_PX, picture)
    painter.end()
    return framed
