"""A curtain before a widget as long as a blind reading runs: nothing of it is seen, and it takes no key and no click."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import QLabel, QWidget

from .blind import blind

TEXT = "A blind reading runs in Second reading.\nWhat is here is seen again when it ends."
MARGIN_PX = 20
"""More than a scroll bar, which would lie before the text."""


class Curtain(QLabel):
    """Lies over a widget; it is there from the beginning, so that a widget opened during a reading is covered too."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(TEXT, widget)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setMargin(MARGIN_PX)
        widget.installEventFilter(self)
        blind.changed.connect(self.draw)
        self.draw()

    def draw(self) -> None:
        """Draw it before the widget, or away, as the case is now."""
        widget = self.parentWidget()
        assert widget is not None
        widget.setEnabled(not blind.on)
        self.setGeometry(widget.rect())
        self.raise_()
        self.setVisible(blind.on)

    def paintEvent(self, event: Any) -> None:  # noqa: N802
        """One opaque colour, whatever the theme says of labels, and the text."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), self.palette().window())
        painter.end()
        super().paintEvent(event)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """It is as large as the widget."""
        widget = self.parentWidget()
        if widget is not None and event is not None and event.type() == QEvent.Type.Resize:
            self.setGeometry(widget.rect())
            self.raise_()  # scroll bars come and go with the size
        return bool(super().eventFilter(watched, event))
