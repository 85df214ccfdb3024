"""What a second reader looks at: the picture of a cell, and at the end how well the readings agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QFontDatabase, QImage, QPixmap
from qtpy.QtWidgets import QLabel, QPlainTextEdit

SHOWN_PX = 240


class Result(QPlainTextEdit):
    """Text in columns, which scrolls where the dock is narrow; hidden where there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.setMinimumHeight(SHOWN_PX)
        self.setToolTip("Cells that both called the same, Cohen's kappa, and who called what how: rows against columns.")
        self.hide()

    def show_text(self, text: str) -> None:
        """Show it."""
        self.setPlainText(text)
        self.show()


class Picture(QLabel):
    """The crop of a cell; a letter names it."""

    def __init__(self, press: Callable[[str], object]) -> None:
        super().__init__("Press 'Read these cells'.")
        self._press = press
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setMinimumSize(SHOWN_PX + 2, SHOWN_PX + 2)  # with the line around it
        self.setToolTip("The cell to name; its outline and its name are hidden.")

    def show_pixels(self, pixels: np.ndarray) -> None:
        """Show a crop (S, S, 3) uint8."""
        side = pixels.shape[0]
        picture = QImage(np.ascontiguousarray(pixels).tobytes(), side, side, 3 * side, QImage.Format.Format_RGB888)
        self.setPixmap(QPixmap.fromImage(picture))
        self.setFocus()

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802
        """Letters name the cell."""
        self._press(event.text().upper())
