"""The widget *Second reading*: name the cells again without seeing what they were called, and see how well that agrees.

A reading is a column of the features of the layer of cells, as every column of others it stays there.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.viewer import Viewer
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QFontDatabase, QImage, QPixmap
from qtpy.QtWidgets import QFileDialog, QLabel, QLineEdit, QVBoxLayout, QWidget

from ..crop import crop
from ..errors import UsageError
from ..results import tables
from ..results.storage import write_bytes
from ..review import agreement, said_by_model
from . import jobs, keys
from .crops import name_of
from .panels import PER_ROW, button, columns
from .reviews import session_of
from .session import Session
from .shown import types_in
from .tool import ToolWidget, chosen

SHOWN_PX, MARGIN = 240, 0.6


class SecondReading(ToolWidget):
    """One cell after the other in random order, as a picture without its name."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer, "Read these cells", jobs.load_models)
        self.session: Session | None = None
        self.left: list[int] = []
        self.labels = self.add_choice("Cells", Labels)
        self.reader = QLineEdit(getpass.getuser())
        self.reader.setToolTip("Name of the second reader; the reading is kept in the features of the cells under this name.")
        self._choice_layout.addRow("Reader", self.reader)
        self.picture, self.result = Picture(self.name), QLabel()
        self.result.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.result.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        grid = columns()
        letters, _ = keys.chosen_letters()
        self._types = {letters[name]: name for name in keys.NAMES}
        for i, (letter, cell_type) in enumerate(self._types.items()):
            tooltip = f"This cell is {cell_type}. Key: {letter}, once you have clicked the picture."
            grid.addWidget(button(f"{cell_type}  {letter}", tooltip, partial(self.name, letter)), *divmod(i, PER_ROW))
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.addWidget(self.picture)
        layout.addLayout(grid)
        layout.addWidget(self.result)
        layout.addWidget(
            button("Save the reading as CSV…", "Save what each reader and the model said of each cell.", self.save)
        )
        self._layout.addWidget(inside)
        self.add_panel()
        self.job.cancel_button.hide()

    def start(self) -> None:
        """Hide what the cells are called, and show the first that this reader has not read."""
        session = self.session = session_of(self.viewer, chosen(self.labels))
        session.sync()
        self._hide(True)
        ids = [cell.cell_id for cell in session.analysis.cells]
        read = self._read(session)
        order = np.random.default_rng().permutation(len(ids))
        self.left = [ids[i] for i in order if ids[i] not in read]
        self._next()

    def event(self, event: QEvent | None) -> bool:
        """A widget that is taken out of its dock shows the names again."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._hide(False)
            self.session = None
        return super().event(event)

    def _hide(self, hidden: bool) -> None:
        """What the cells are called: their colours and the texts of their boxes."""
        if self.session is not None:
            for layer in (self.session.types, self.session.boxes):
                layer.visible = not hidden

    def name(self, letter: str) -> None:
        """The cell that is shown is of the type of a letter."""
        if self.session is None or not self.left or letter not in self._types:
            return
        features = self.session.labels.features.copy()
        if self._column not in features:
            features[self._column] = None
        features.at[self.left.pop(0), self._column] = self._types[letter]
        self.session.labels.features = features
        self._next()

    @property
    def _column(self) -> str:
        reader = self.reader.text().strip()
        if not reader:
            raise UsageError("Write the name of the second reader first.")
        return f"read by {reader}"

    def _read(self, session: Session) -> dict[int, str]:
        features = session.labels.features
        if self._column not in features:
            return {}
        column = features[[self._column]].rename(columns={self._column: "cell_type"})
        found = types_in(column, [cell.cell_id for cell in session.analysis.cells])
        return {i: name for i, name in found.items() if name is not None}

    def _next(self) -> None:
        session = self.session
        assert session is not None
        cells = {cell.cell_id: cell for cell in session.analysis.cells}
        self.left = [i for i in self.left if i in cells]
        if self.left:
            self.picture.show_pixels(crop(session.pixels, cells[self.left[0]].box, SHOWN_PX, MARGIN))
            self.job.status.setText(f"{len(self.left)} cells left")
            self.result.clear()
            return
        self._hide(False)
        self.picture.clear()
        self.job.status.setText("All cells are read.")
        read = self._read(session)
        parts = [f"Second reader against {who}\n{agreement(other, read)}" for who, other in said_before(session).items()]
        self.result.setText("\n\n".join(parts))

    def save(self) -> None:
        """The reading as a CSV file: a line for each cell."""
        session = self.session
        if session is None:
            self.job.report(UsageError("Press 'Read these cells' first."))
            return
        reader = self.reader.text().strip()
        name, _ = QFileDialog.getSaveFileName(self, "Save the reading", f"reading {reader}.csv", "CSV (*.csv)")
        if name:
            self.report_errors(lambda: write_reading(Path(name), session, reader, self._read(session)))


COLUMNS = ("image", "cell_id", "reader", "cell_type", "first_reading", "model")
"""Of the file of a reading; `cell_type` is what the second reader said."""


def said_before(session: Session) -> dict[str, dict[int, str]]:
    """What the model and the first reader have called the cells, by id."""
    cells = session.analysis.cells
    model = {cell.cell_id: name for cell in cells if (name := said_by_model(cell)) is not None}
    first = {cell.cell_id: cell.cell_type for cell in cells if cell.type_source == "human" and cell.cell_type}
    return {"the model": model, "the first reader": first}


def write_reading(path: Path, session: Session, reader: str, read: dict[int, str]) -> None:
    """Write a reading as CSV, as the tables of a results folder are written; errors as in `storage.write_bytes`."""
    model, first = said_before(session).values()
    lines = [tables.header(COLUMNS)]
    for cell in session.analysis.cells:
        i = cell.cell_id
        values = (name_of(session), i, reader, read.get(i), first.get(i), model.get(i))
        lines.append(tables.row(COLUMNS, dict(zip(COLUMNS, values, strict=True))))
    write_bytes(path.parent, path, b"".join(lines))


class Picture(QLabel):
    """The crop of a cell; a letter names it."""

    def __init__(self, press: Callable[[str], object]) -> None:
        super().__init__("Press 'Read these cells'.")
        self._press = press
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setMinimumHeight(SHOWN_PX)
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
