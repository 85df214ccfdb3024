"""The table of a differential, as wide as its dock: long names are cut, and the intervals left out where there is no room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem

from ..differential import TypeCount, shares

HEAD = ("cell type", "n", "%", "95 % interval", "10⁹/L", "unseen")
NAME, INTERVAL, PER_VOLUME = 0, HEAD.index("95 % interval"), HEAD.index("10⁹/L")
TOOLTIPS = {
    "cell type": "Cell type; unidentified, artefact and smudge are not in the percentages.",
    "n": "Cells of this type.",
    "%": "Share among the counted cells, %; the tooltip of a share is its exact 95 % interval.",
    "95 % interval": "Exact 95 % interval of the share, %. Left out where the dock is narrow: then see the bars.",
    "10⁹/L": "Cells of this type, 10⁹ per litre.",
    "unseen": "Cells of this type that no person has reviewed.",
}

NAMES, NUMBERS = (Qt.AlignmentFlag.AlignVCenter | side for side in (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight))

ROW_PX, MIN_NAME_PX = 22, 95


class CountsTable(QTableWidget):
    """Counts, shares, intervals, and what nobody has reviewed, by cell type."""

    def __init__(self) -> None:
        super().__init__(0, len(HEAD))
        self.setHorizontalHeaderLabels(list(HEAD))
        for column, name in enumerate(HEAD):
            self.horizontalHeaderItem(column).setToolTip(TOOLTIPS[name])  # type: ignore[union-attr]
        self._per_volume = False
        head, numbers = self.horizontalHeader(), self.verticalHeader()
        assert head is not None
        assert numbers is not None
        self._head = head
        numbers.hide()
        numbers.setDefaultSectionSize(ROW_PX)
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)

    def show_rows(self, rows: Sequence[TypeCount], wbc: float | None) -> None:
        """Show the rows of one slide; `wbc`, 10⁹/L, gives absolute counts."""
        self.setRowCount(len(rows))
        for i, row in enumerate(rows):
            for j, text in enumerate((row.cell_type, str(row.n), *shares(row, wbc), str(row.n_unreviewed))):
                item = self.item(i, j)
                if item is None or item.text() != text:  # else it need not be painted anew at each key
                    item = QTableWidgetItem(text)
                    item.setTextAlignment(NAMES if j == NAME else NUMBERS)
                    self.setItem(i, j, item)
                item.setToolTip(row.cell_type if j == NAME else shares(row)[1])
        self._per_volume = wbc is not None
        self.setFixedHeight(self._head.sizeHint().height() + ROW_PX * len(rows) + 2 * self.frameWidth() + 2)
        self._fit()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802
        """The dock is wider or narrower."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Leave the intervals out where the names would have no room."""
        shown = [column for column in range(1, len(HEAD)) if column != PER_VOLUME or self._per_volume]
        widths = [max(self.sizeHintForColumn(column), self._head.sectionSizeHint(column)) for column in shown]
        room = self.viewport().width() - sum(widths)  # type: ignore[union-attr]
        self.setColumnHidden(PER_VOLUME, not self._per_volume)
        self.setColumnHidden(INTERVAL, room < MIN_NAME_PX)
