"""Parts of the widget *Review cells*: buttons that name cells, change outlines and go through the images of a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, TypeAlias

from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QGroupBox,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ..config import TYPE_COLOURS, USER_TYPE_COLOUR
from ..errors import UsageError
from ..review import delete, merge, split
from . import keys
from .controls import PER_ROW, button, columns, refill, shortened
from .own_types import DIGITS, own_types
from .session import Session

Action: TypeAlias = Callable[[Session], object]
Act: TypeAlias = Callable[[Action], None]
"""Does something with the review that is open, and reports errors."""


class Files(Protocol):
    """`filing.Filing`, as far as buttons need it."""

    def save(self) -> None:
        """Save where it was saved before."""

    def save_as(self) -> None:
        """Ask where, and save."""

    def go(self, by: int) -> None:
        """Save, and go on by so many images."""


class NamePanel(QGroupBox):
    """One button per cell type, in its colour; and a line for a type of the person's own, which has a button from then on."""

    def __init__(self, act: Act, letters: Mapping[str, str]) -> None:
        super().__init__("Name: ⇧ and letter, Ctrl and digit")
        self._act = act
        self.own = QLineEdit()
        self.own.setMinimumWidth(40)
        self.own.setPlaceholderText("a type of your own")
        self.own.setToolTip("Name of a cell type that is not in the list, for example: blast. The first nine have a digit.")
        self.own.returnPressed.connect(lambda: act(self._name_own))
        self.verbs: dict[str, Action] = {letters[name]: partial(_name, name) for name in keys.NAMES}
        self.own_verbs: dict[str, Action] = {f"Control-{digit}": partial(_name_by, digit) for digit in DIGITS}
        grid = columns()
        self.setLayout(grid)
        for i, cell_type in enumerate(keys.NAMES):
            letter = letters[cell_type]
            made = button(cell_type, f"The selected cells are {cell_type}.", partial(act, self.verbs[letter]), letter)
            made.setIcon(_swatch(TYPE_COLOURS[cell_type]))
            grid.addWidget(made, *divmod(i, PER_ROW))
        row = grid.rowCount()
        grid.addWidget(self.own, row, 0)
        mine = button("Name", "The selected cells are of the type that you have written.", self.own.returnPressed.emit)
        mine.setIcon(_swatch(USER_TYPE_COLOUR))
        grid.addWidget(mine, row, 1)
        self._mine, self._shown = columns(), dict[str, str]()
        grid.addLayout(self._mine, row + 1, 0, 1, PER_ROW)
        self.show_own()
        steps: list[tuple[str, str, Action, str]] = [
            ("Previous", "Go to the previous cell.", lambda session: session.selection.step(-1), letters[keys.PREVIOUS]),
            ("Next", "Go to the next cell.", lambda session: session.selection.step(1), letters[keys.NEXT]),
            ("Confirm", "The selected cells are what they are called; go to the next.", _confirm, letters[keys.CONFIRM]),
        ]
        self.verbs |= {letter: action for _, _, action, letter in steps}
        for i, (text, tooltip, action, letter) in enumerate(steps, start=2 * row + 4):
            grid.addWidget(button(text, tooltip, partial(act, action), letter), *divmod(i, PER_ROW))

    def _name_own(self, session: Session) -> None:
        session.name(self.own.text())
        own_types.add(self.own.text())
        self.show_own()

    def show_own(self) -> None:
        """A button for each type of the person's own that has a digit, if they are others than those shown."""
        if self._shown == own_types.by_digit:
            return
        self._shown = own_types.by_digit
        refill(self._mine, [self._own_button(digit, name) for digit, name in self._shown.items()])

    def _own_button(self, digit: str, name: str) -> QPushButton:
        tooltip = f"The selected cells are {name}. Key on the layers: Ctrl+{digit}."
        made = button(f"{digit} {shortened(name)}", tooltip, partial(self._act, self.own_verbs[f"Control-{digit}"]))
        made.setIcon(_swatch(USER_TYPE_COLOUR))
        return made


class OutlinePanel(QGroupBox):
    """Buttons that change outlines; brush, eraser and fill are napari's own, on the layer of cells."""

    def __init__(self, act: Act, letters: Mapping[str, str]) -> None:
        super().__init__("Correct outlines: ⇧ and letter")
        verbs: list[tuple[str, str, Action, str]] = [
            ("Split", "Part the selected cell where it is narrow.", _split, letters[keys.SPLIT]),
            ("Merge", "Make one cell of the selected ones; it keeps the smallest id.", _merge, letters[keys.MERGE]),
            ("Delete", "Remove the selected cells.", _delete, letters[keys.DELETE]),
            ("New cell", "Draw a box round a cell: the segmenter outlines it.", _draw, letters[keys.NEW]),
            ("Undo", "Undo the last change of an outline or a type. Key on the layers: Ctrl+Z.", Session.undo, ""),
            ("Redo", "Redo what was undone. Key on the layers: Ctrl+Shift+Z.", Session.redo, ""),
        ]
        self.verbs: dict[str, Action] = {letter: action for _, _, action, letter in verbs if letter}
        grid = columns()
        self.setLayout(grid)
        for i, (text, tooltip, action, letter) in enumerate(verbs):
            grid.addWidget(button(text, tooltip, partial(act, action), letter), *divmod(i, PER_ROW))


class FilePanel(QGroupBox):
    """Vouch for an image, save it, and go to the next image of its results folder."""

    def __init__(self, act: Act, files: Files) -> None:
        super().__init__("Image")
        self.vouch = QCheckBox("Every cell of this image is right")
        self.vouch.setToolTip("You vouch for all outlines and types of this image: only such images train a segmenter.")
        self.vouch.clicked.connect(partial(self._vouch, act))
        layout = QVBoxLayout(self)
        layout.addWidget(self.vouch)
        grid = columns()
        layout.addLayout(grid)
        made: list[QWidget] = [
            button("Save", "Save the review into its results folder.", files.save),
            button("Save in…", "Save the review into a results folder of your choice.", files.save_as),
            button("Previous image", "Save, and open the previous image of the results folder.", partial(files.go, -1)),
            button("Next image", "Save, and open the next image of the results folder.", partial(files.go, 1)),
        ]
        for i, widget in enumerate(made):
            grid.addWidget(widget, *divmod(i, PER_ROW))

    def _vouch(self, act: Act, vouched: bool) -> None:
        """Vouch, or take that back; the review says whether the box is ticked."""
        self.vouch.setChecked(not vouched)
        act(lambda session: session.vouch(vouched))


def _name(cell_type: str, session: Session) -> None:
    session.name(cell_type)


def _name_by(digit: str, session: Session) -> None:
    if digit not in own_types.by_digit:
        raise UsageError(f"No type of your own has the key {digit} yet. Write one below the names, and press Name.")
    session.name(own_types.by_digit[digit])


def _confirm(session: Session) -> None:
    session.confirm()
    session.selection.step(1)


def _split(session: Session) -> None:
    session.change_outlines("split", lambda labels: split(labels, next(iter(session.wanted())), last_id=session.last_id))


def _merge(session: Session) -> None:
    session.change_outlines("merge", lambda labels: merge(labels, session.selection.ids))


def _delete(session: Session) -> None:
    session.change_outlines("delete", lambda labels: delete(labels, session.wanted()))


def _draw(session: Session) -> None:
    session.viewer.layers.selection.active = session.boxes
    session.boxes.mode = "add_rectangle"


def _swatch(colour: str) -> QIcon:
    pixmap = QPixmap(12, 12)
    pixmap.fill(QColor(colour))
    return QIcon(pixmap)
