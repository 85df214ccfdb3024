"""The widget *Second reading*: name the cells again without seeing what they were called, and see how well that agrees."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from napari.layers import Labels
from napari.viewer import Viewer
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QComboBox, QFileDialog, QPushButton, QVBoxLayout, QWidget

from ..crop import crop
from ..errors import UsageError
from ..results.runfile import now, user
from ..review import agreement
from ..review.readings import Reading, export_reading, said_before, write_readings
from . import jobs, keys
from .blind import Reading as BlindReading
from .blind import blind
from .canvas import main_window
from .controls import button, columns, refill, shortened
from .origin import place_of
from .own_types import own_types
from .reading_view import SHOWN_PX, Picture, Result
from .readings import read_by, readers, with_readings
from .reviews import name_of, session_of
from .session import Session
from .tool import ToolWidget, chosen, window_closed

MARGIN = 0.6

MIN_HEIGHT_PX = 340
"""Docks share a side of the window; the picture of a cell and some names fit into this."""


class SecondReading(ToolWidget):
    """One cell after the other in random order, as a picture without its name; meanwhile no name is seen anywhere else."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer, "Read these cells", jobs.load_models)
        self.session: Session | None = None
        self.left: list[int] = []
        self._by = ""
        self._blind: BlindReading | None = None
        self.labels = self.add_choice("Cells", Labels)
        self.reader = QComboBox()
        self.reader.setEditable(True)
        self.reader.setToolTip("Name of the second reader. The list has those whose readings are kept: take one to go on.")
        self._choice_layout.addRow("Reader", self.reader)
        self.labels.changed.connect(self._offer_readers)
        self._offer_readers()
        self.picture, self.result = Picture(self.name), Result()
        self._types, self._buttons = dict[str, str](), columns()
        self._offer_types()
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.addWidget(self.picture)
        layout.addLayout(self._buttons)
        layout.addWidget(self.result)
        tooltip = "Save what the readers and the model said of each cell."
        self.save_button = button("Save the reading as CSV…", tooltip, self.save)
        layout.addWidget(self.save_button)
        self._layout.addWidget(inside)
        self.add_panel(curtain=False)
        self.setMinimumHeight(MIN_HEIGHT_PX)
        self.job.cancel_button.setText("End")
        self.job.cancel_button.setToolTip("End the reading: names are seen again. What is read stays, and can be gone on with.")
        self.job.cancel_button.clicked.connect(self.end)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._look)

    def start(self) -> None:
        """Hide what the cells are called, and show the first that this reader has not read."""
        self._by = self._reader
        self._offer_types()
        session = self.session = session_of(self.viewer, chosen(self.labels))
        session.sync()
        ids = [cell.cell_id for cell in session.analysis.cells]
        read = read_by(session, self._by)
        order = np.random.default_rng().permutation(len(ids))
        self.left = [ids[i] for i in order if ids[i] not in read]
        self._blind = blind.begin(self.viewer)
        for event in (self.viewer.layers.events.inserted, self.viewer.layers.events.removed):
            event.connect(self._on_layers)
        main_window(self).installEventFilter(self)
        self._next()

    def end(self) -> None:
        """End the reading, as far as it has come: names are seen again."""
        reading, self._blind = self._blind, None
        if reading is None:
            return
        for event in (self.viewer.layers.events.inserted, self.viewer.layers.events.removed):
            event.disconnect(self._on_layers)
        blind.end(reading)
        if self.session is not None and self.session.open:
            self.labels.value = self.viewer.layers.selection.active = self.session.labels
        self.picture.hide()
        self.job.status.setText(f"The reading has ended, {len(self.left)} cells are not read.")
        self._enable()

    def _enable(self) -> None:
        """What can be chosen while no reading runs."""
        for control in (self.labels.native, self.reader, self.job.run_button, self.save_button):
            control.setEnabled(self._blind is None)
        self.job.cancel_button.setEnabled(self._blind is not None)

    def _on_layers(self, _: object = None) -> None:
        self._soon.start()  # not within the event: others have not heard of it yet

    def _look(self) -> None:
        """Layers have come or gone: those that tell names are taken away; without its image the reading ends."""
        if self._blind is not None and self.session is not None:
            self._blind.take_away()
            if self.session.image not in self.viewer.layers:
                self.end()

    def event(self, event: QEvent | None) -> bool:
        """A widget that is taken out of its dock ends the reading."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.end()
            self.session = None
        return super().event(event)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """A window that has closed ends the reading; one that asks whether to close, or is minimised, does not."""
        if window_closed(self, watched, event):
            self.end()
        return bool(super().eventFilter(watched, event))

    def name(self, letter: str) -> None:
        """The cell that is shown is of the type of a letter or digit."""
        if self._blind is not None and self.left and letter in self._types:
            self.report_errors(lambda: self._name(self._types[letter]))

    def _name(self, cell_type: str) -> None:
        session = self.session
        assert session is not None
        said = Reading(name_of(session), self.left[0], self._by, cell_type, "")
        place = place_of(session.image)
        if place is not None:
            write_readings(place.folder, place.image, {said.reader: {said.cell_id: cell_type}}, now())
        session.labels.features = with_readings(session.labels.features, [said])
        self.left.pop(0)
        self._next()

    @property
    def _reader(self) -> str:
        reader = self.reader.currentText().strip()
        if not reader:
            raise UsageError("Write the name of the second reader first.")
        return reader

    def _offer_types(self) -> None:
        """A button for each letter and digit; types of the user's own may have come since the last reading."""
        letters, _ = keys.chosen_letters()
        types = {letters[name]: name for name in keys.NAMES} | own_types.by_digit
        if types == self._types:
            return
        self._types = types
        refill(self._buttons, [self._type_button(letter, cell_type) for letter, cell_type in types.items()])

    def _type_button(self, letter: str, cell_type: str) -> QPushButton:
        tooltip = f"This cell is {cell_type}. Key: {letter}, once you have clicked the picture."
        return button(f"{letter} {shortened(cell_type)}", tooltip, partial(self.name, letter))

    def _offer_readers(self, _: object = None) -> None:
        """The readers of the chosen cells, and whoever is logged in."""
        before, labels = self.reader.currentText(), self.labels.value
        known = [] if labels is None else readers(labels.features)
        self.reader.clear()
        self.reader.addItems(list(dict.fromkeys([*known, before or user()])))
        self.reader.setCurrentText(before or user())

    def _next(self) -> None:
        session = self.session
        assert session is not None
        cells = {cell.cell_id: cell for cell in session.analysis.cells}
        self.left = [i for i in self.left if i in cells]
        if self.left:
            self.picture.show_pixels(crop(session.pixels, cells[self.left[0]].box, SHOWN_PX, MARGIN))
            self.picture.show()
            self.result.hide()
            self._enable()
            kept = "" if place_of(session.image) else " They are kept with the image once you save it in Review cells."
            self.job.status.setText(f"{len(self.left)} cells left.{kept}")
            return
        self.end()
        self.job.status.setText("All cells are read.")
        read = read_by(session, self._by)
        others = {other: read_by(session, other) for other in readers(session.labels.features) if other != self._by}
        parts = [
            f"{self._by} against {who}\n{agreement(said, read)}"
            for who, said in {**said_before(session.analysis.cells), **others}.items()
        ]
        self.result.show_text("\n\n".join(parts))

    def save(self) -> None:
        """The reading as a CSV file: a line for each cell."""
        session = self.session
        if session is None:
            self.job.report(UsageError("Press 'Read these cells' first."))
            return
        reader = self._by
        name, _ = QFileDialog.getSaveFileName(self, "Save the reading", f"reading {reader}.csv", "CSV (*.csv)")
        if name:
            read, cells = read_by(session, reader), session.analysis.cells
            self.report_errors(lambda: export_reading(Path(name), name_of(session), cells, reader, read))
