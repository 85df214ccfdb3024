"""What stands wherever results are read: they are for research."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel

from .status import RESEARCH_USE


class Notice(QLabel):
    """The line, which breaks where the dock is narrow."""

    def __init__(self) -> None:
        super().__init__(RESEARCH_USE)
        self.setWordWrap(True)
