"""A small bar plot of a differential: a bar for each type in its colour, a line for its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QWidget

from ..differential import TypeCount
from .features import colour_of

ROW_PX, NAME_PX = 20, 100


class Bars(QWidget):
    """Shares in percent, 0 to 100 from left to right."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[TypeCount] = []
        self.setToolTip("Share of each type among the counted cells, 0 to 100 %; the lines are exact 95 % intervals.")

    def show_rows(self, rows: Sequence[TypeCount]) -> None:
        """Draw the rows that have a share."""
        self._rows = [row for row in rows if row.percent is not None]
        self.setFixedHeight(ROW_PX * max(1, len(self._rows)))
        self.update()

    def paintEvent(self, event: Any) -> None:  # noqa: N802
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().windowText().color()
        per_percent = (self.width() - NAME_PX - 4) / 100
        for i, row in enumerate(self._rows):
            assert row.percent is not None
            assert row.ci_low is not None
            assert row.ci_high is not None
            top = i * ROW_PX
            painter.setPen(text)
            painter.drawText(QRectF(0, top, NAME_PX - 6, ROW_PX), Qt.AlignmentFlag.AlignVCenter, row.cell_type)
            painter.fillRect(QRectF(NAME_PX, top + 4, row.percent * per_percent, ROW_PX - 8), QColor(colour_of(row.cell_type)))
            painter.setPen(QPen(text, 1.5))
            middle = top + ROW_PX / 2
            painter.drawLine(
                *(int(v) for v in (NAME_PX + row.ci_low * per_percent, middle, NAME_PX + row.ci_high * per_percent, middle))
            )
        painter.end()
