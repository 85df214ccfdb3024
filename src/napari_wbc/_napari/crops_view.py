"""The list of crops of the gallery, whose letters name cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QListView


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
