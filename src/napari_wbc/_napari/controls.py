"""Controls that the widgets share: buttons, choices, and a grid of them, none wider than the dock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from qtpy.QtWidgets import QComboBox, QGridLayout, QPushButton, QSizePolicy

PER_ROW = 2

LONGEST = 12
"""Letters of a name on a button: more have no room beside a key and a colour; the tooltip has them all."""


def columns() -> QGridLayout:
    """A grid of two columns of one width."""
    grid = QGridLayout()
    for column in range(PER_ROW):
        grid.setColumnStretch(column, 1)
        grid.setColumnMinimumWidth(column, 60)
    return grid


def refill(grid: QGridLayout, buttons: Iterable[QPushButton]) -> None:
    """Take out of a grid of `columns` what it has, and put in others."""
    while (item := grid.takeAt(0)) is not None:
        if (gone := item.widget()) is not None:
            gone.setParent(None)
            gone.deleteLater()
    for i, made in enumerate(buttons):
        grid.addWidget(made, *divmod(i, PER_ROW))


def shortened(name: str) -> str:
    """A name of a person's own as it has room on a button."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1].rstrip()}…"


def button(text: str, tooltip: str, action: Callable[[], object], letter: str = "") -> QPushButton:
    """A button that says which key does the same."""
    made = QPushButton(f"{letter} {text}" if letter else text)
    made.setToolTip(f"{tooltip} Key on the layers: Shift+{letter}." if letter else tooltip)
    made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    made.clicked.connect(lambda _=False: action())
    return made


def choice(items: Sequence[str], tooltip: str) -> QComboBox:
    """A choice that is no wider than the dock."""
    made = QComboBox()
    made.addItems(list(items))
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setToolTip(tooltip)
    return made
