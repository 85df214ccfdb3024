"""A blind second reading in a real window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_wbc._napari.own_types import own_types
from napari_wbc._napari.readings import read_by
from napari_wbc._napari.replacing import show_analysis
from napari_wbc._napari.reviews import session_of
from napari_wbc._napari.saving import save
from napari_wbc.cells import Field
from napari_wbc.pipeline import analyse
from napari_wbc.results import tables
from napari_wbc.review import said_by_model
from napari_wbc.review.readings import read_readings, readings_path
from tests.fakes import load_fakes
from tests.smears import smear

pytestmark = pytest.mark.gui


@pytest.fixture
def session(make_napari_viewer: Callable[..., Any]) -> Any:
    """The review of three cells in a window."""
    viewer = make_napari_viewer()
    pixels = smear(3, n_cells=3, shape=(96, 240))
    image = viewer.add_image(pixels, rgb=True, name="field")
    return session_of(viewer, show_analysis(viewer.layers, image, analyse(Field(pixels, 0.3), load_fakes())))


def test_a_second_reading_is_blind_kept_and_compared(
    session: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer, image, labels = session.viewer, session.image, session.labels
    session.name("basophil", [1, 2])
    before = session.analysis
    _, widget = viewer.window.add_plugin_dock_widget("napari-wbc", "Second reading")
    widget.reader.setCurrentText("Bob")
    widget.job.run_button.click()
    assert list(viewer.layers) == [image]
    assert widget.job.status.text().startswith("3 cells left.")
    for _ in range(3):
        qtbot.keyClick(widget.picture, Qt.Key.Key_B)
    assert widget.job.status.text() == "All cells are read."
    assert session.boxes in viewer.layers
    assert "Bob against the first reader\nSame: 2/2" in widget.result.toPlainText()
    session.sync()
    assert session.analysis is before  # the reading changes no type
    assert list(labels.features["read by Bob"][1:]) == ["basophil"] * 3
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "bob.csv"), ""))
    widget.save()
    rows = list(tables.read((tmp_path / "bob.csv").read_bytes()))
    assert [(row["cell_id"], row["cell_type"], row["first_reading"]) for row in rows] == [
        ("1", "basophil", "basophil"),
        ("2", "basophil", "basophil"),
        ("3", "basophil", None),
    ]
    assert {(row["image"], row["reader"]) for row in rows} == {("field", "Bob")}
    assert [row["model"] for row in rows] == [said_by_model(cell) for cell in before.cells]
    session.name("smudge", [3])
    assert list(labels.features["read by Bob"][1:]) == ["basophil"] * 3


def test_types_of_ones_own_that_came_since_can_be_read(session: Any, qtbot: Any) -> None:
    _, widget = session.viewer.window.add_plugin_dock_widget("napari-wbc", "Second reading")
    for name in ("blast", "plasmacytoid dendritic cell"):
        own_types.add(name)
    widget.reader.setCurrentText("Bob")
    widget.job.run_button.click()
    shown = {button.text(): button.toolTip() for button in widget.findChildren(QPushButton) if not button.isHidden()}
    assert {"N neutrophil", "1 blast", "2 plasmacytoi…"} <= set(shown)
    assert shown["2 plasmacytoi…"].startswith("This cell is plasmacytoid dendritic cell.")
    qtbot.keyClick(widget.picture, Qt.Key.Key_1)
    assert list(read_by(session, "Bob").values()) == ["blast"]
    widget.job.cancel_button.click()


def test_a_cell_whose_reading_could_not_be_kept_is_shown_until_it_is(
    session: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(session, tmp_path / "out")
    _, widget = session.viewer.window.add_plugin_dock_widget("napari-wbc", "Second reading")
    widget.reader.setCurrentText("Bob")
    widget.job.run_button.click()
    shown, order = widget.picture.pixmap().toImage(), list(widget.left)
    path = readings_path(tmp_path / "out", "field.png")
    path.parent.mkdir()
    path.write_text("cell_id\none\n")
    qtbot.keyClick(widget.picture, Qt.Key.Key_B)
    assert "Restore the file, or remove it" in widget.job.status.text()
    assert widget.left == order
    assert widget.picture.pixmap().toImage() == shown
    path.unlink()
    for key in (Qt.Key.Key_M, Qt.Key.Key_L, Qt.Key.Key_E):
        qtbot.keyClick(widget.picture, key)
    said = {reading.cell_id: reading.cell_type for reading in read_readings(tmp_path / "out", "field.png")}
    assert said == dict(zip(order, ("monocyte", "lymphocyte", "eosinophil"), strict=True))
    assert read_by(widget.session, "Bob") == said
