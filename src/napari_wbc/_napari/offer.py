"""Offer work again that was not saved when napari ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtWidgets import QGroupBox, QHBoxLayout, QVBoxLayout

from .autosave import Kept
from .controls import button, choice


class OfferPanel(QGroupBox):
    """A choice of unsaved reviews, with Restore and Discard; hidden where there is none."""

    def __init__(self, kept: Sequence[Kept], restore: Callable[[Kept], object], discard: Callable[[Kept], object]) -> None:
        super().__init__("Not saved when napari ended")
        self.kept = list(kept)
        self.choice = choice([str(item) for item in self.kept], "Name of the image, and when its review was kept last.")
        self.choice.setMinimumContentsLength(12)
        row = QHBoxLayout()
        row.addWidget(button("Restore", "Open this review as it was kept.", lambda: self.take(restore)))
        row.addWidget(button("Discard", "Throw this review away; it cannot be had back.", lambda: self.take(discard)))
        layout = QVBoxLayout(self)
        layout.addWidget(self.choice)
        layout.addLayout(row)
        self.setVisible(bool(self.kept))

    def take(self, action: Callable[[Kept], object]) -> None:
        """Restore or discard the chosen review, which is then no longer offered, unless that failed and it is still kept."""
        index = self.choice.currentIndex()
        kept = self.kept[index]
        action(kept)
        if not kept.path.exists():
            self.kept.remove(kept)
            self.choice.removeItem(index)
        self.setVisible(bool(self.kept))
