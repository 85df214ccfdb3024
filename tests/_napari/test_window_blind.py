"""While a blind reading runs nothing in the window tells what cells are called, in whatever order things are opened."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QLabel

from napari_wbc._napari.blind import blind
from napari_wbc._napari.curtain import Curtain
from napari_wbc._napari.gallery import RESULTS_FOLDER
from napari_wbc._napari.jobs import KeptModels
from napari_wbc._napari.layers import analysis_layers
from napari_wbc._napari.origin import Place, set_place
from napari_wbc._napari.reopening import reviewed_layers
from napari_wbc._napari.replacing import show_analysis
from napari_wbc._napari.saving import save
from napari_wbc._napari.widgets import Analysed
from napari_wbc.cells import Field
from napari_wbc.errors import UsageError
from napari_wbc.pipeline import Models, analyse
from napari_wbc.results.record import InputFile
from tests.fakes import load_fakes
from tests.smears import smear

pytestmark = pytest.mark.gui
PIXELS = smear(3, n_cells=3, shape=(96, 240))
OTHERS = ("Review cells", "Gallery of cells", "Differential", "Analyse image", "Train a model")


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any]) -> Any:
    """A window with three named cells, saved in `out`."""
    viewer = make_napari_viewer()
    image = viewer.add_image(PIXELS.copy(), rgb=True, name="field")
    show_analysis(viewer.layers, image, analyse(Field(PIXELS, 0.3), load_fakes()))
    return viewer


def add(viewer: Any, name: str) -> Any:
    widget = viewer.window.add_plugin_dock_widget("napari-wbc", name)[1]
    if hasattr(widget, "kept"):
        widget.kept = KeptModels(lambda **_: load_fakes())
    return widget


def seen(widget: Any) -> QImage:
    """What a person sees of a widget."""
    return widget.grab().toImage()


def test_what_is_open_before_and_what_is_opened_meanwhile_tells_nothing(viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    first = {name: add(viewer, name) for name in OTHERS}
    review, gallery = first["Review cells"], first["Gallery of cells"]
    review.job.run_button.click()
    session = review.session
    save(session, tmp_path / "out")
    gallery.over.setCurrentText(RESULTS_FOLDER)
    qtbot.waitUntil(lambda: gallery.crops.rowCount() == 3, timeout=20_000)
    order = list(viewer.layers)
    reading = add(viewer, "Second reading")
    viewer.status = "Cell 1: neutrophil"
    reading.reader.setCurrentText("Bob")
    reading.job.run_button.click()
    assert blind.on
    assert list(viewer.layers) == [session.image]
    assert viewer.status == "Ready"

    widgets = [*first.values(), *(add(viewer, name) for name in OTHERS)]
    for widget in widgets:
        widget.setFixedSize(300, 400)
        seen(widget)  # lays it out
    qtbot.wait(300)
    before = [seen(widget) for widget in widgets]
    session.name("smudge", [1, 2, 3])  # as if the names had been others
    for widget in widgets:
        if hasattr(widget, "refresh"):
            widget.refresh()
    qtbot.wait(600)  # their timers
    assert [seen(widget) == picture for widget, picture in zip(widgets, before, strict=True)] == [True] * len(widgets)
    session.undo()

    said = session.analysis
    gallery.view.setFocus()
    qtbot.keyClick(gallery.view, Qt.Key.Key_A)
    qtbot.mouseClick(review.names.layout().itemAt(0).widget(), Qt.MouseButton.LeftButton)
    {str(key): action for key, action in session.image.keymap.items()}["Shift+A"](session.image)
    assert session.analysis is said

    reading.job.cancel_button.click()
    assert not blind.on
    assert list(viewer.layers) == order
    assert review.session is session
    assert [seen(widget) == picture for widget, picture in zip(widgets[:3], before, strict=False)] == [False] * 3
    {str(key): action for key, action in session.image.keymap.items()}["Shift+A"](session.image)
    gallery.refresh()
    assert review.cell.text().startswith("No cell") or "artefact" in review.cell.text()
    assert gallery.isEnabled()


def test_no_scroll_bar_lies_before_the_text_of_the_curtain(viewer: Any, tmp_path: Path) -> None:
    review = add(viewer, "Review cells")
    review.job.run_button.click()
    save(review.session, tmp_path / "out")
    reading = add(viewer, "Second reading")
    reading.job.run_button.click()
    curtain, bar = review.findChild(Curtain), review.verticalScrollBar()
    assert curtain.geometry() == review.rect()
    assert curtain.margin() > bar.sizeHint().width()
    reading.job.cancel_button.click()


def test_layers_that_come_during_a_reading_are_taken_away_until_it_ends(viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    review = add(viewer, "Review cells")
    review.job.run_button.click()
    save(review.session, tmp_path / "out")
    reading, before, later = add(viewer, "Second reading"), list(viewer.layers), reviewed_layers(tmp_path / "out")
    reading.job.run_button.click()
    for layer in later:
        viewer.layers.append(layer)
    qtbot.waitUntil(lambda: all(isinstance(layer, Image) for layer in viewer.layers), timeout=20_000)
    assert len(viewer.layers) == 2
    reading.job.cancel_button.click()
    assert list(viewer.layers) == [*before, *later]
    assert "3 cells are not read" in reading.job.status.text()


@pytest.mark.parametrize("name", ["Analyse image", "Segment cells", "Classify cells"])
def test_what_is_found_during_a_reading_is_not_shown(viewer: Any, qtbot: Any, name: str) -> None:
    goes_on = threading.Event()

    def load(**_: Any) -> Models:
        goes_on.wait(60)
        return load_fakes()

    widget = viewer.window.add_plugin_dock_widget("napari-wbc", name)[1]
    widget.kept = KeptModels(load)
    widget.job.run_button.click()
    reading = add(viewer, "Second reading")
    reading.job.run_button.click()
    goes_on.set()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=60_000)
    assert widget.job.status.text() == "A blind reading runs: analyse again when it has ended."
    reading.end()
    assert [layer.name for layer in viewer.layers] == ["field", "field cells", "field types", "field boxes"]


def test_a_part_that_is_found_during_a_reading_is_not_shown(viewer: Any) -> None:
    widget, image = add(viewer, "Analyse image"), Image(PIXELS, rgb=True, name="part")
    found = analyse(Field(PIXELS, 0.3), load_fakes())
    reading = blind.begin(viewer)
    with pytest.raises(UsageError, match="A blind reading runs"):
        widget._show_part([Analysed(image, found, load_fakes(), *analysis_layers(image, found))])
    blind.end(reading)
    assert [layer.name for layer in viewer.layers] == ["field", "field cells", "field boxes"]


@pytest.mark.parametrize("how", ["all read", "end", "image closed", "widget closed"])
def test_however_a_reading_ends_all_is_seen_again(viewer: Any, qtbot: Any, how: str) -> None:
    reading, counts = add(viewer, "Second reading"), add(viewer, "Differential")
    image = viewer.layers["field"]
    reading.job.run_button.click()
    assert not reading.job.run_button.isEnabled()
    qtbot.keyClick(reading.picture, Qt.Key.Key_B)
    assert [layer.name for layer in viewer.layers] == ["field"]
    if how == "all read":
        for _ in range(2):
            qtbot.keyClick(reading.picture, Qt.Key.Key_B)
    elif how == "end":
        reading.job.cancel_button.click()
    elif how == "image closed":
        viewer.layers.remove(image)
        qtbot.waitUntil(lambda: not blind.on, timeout=20_000)
    else:
        viewer.window.remove_dock_widget(reading)
    assert not blind.on
    assert {"field cells", "field boxes"} <= {layer.name for layer in viewer.layers}
    assert counts.isEnabled()
    assert not any(label.isVisible() for label in counts.findChildren(QLabel) if "blind" in label.text())


def test_closing_the_window_ends_the_reading(viewer: Any) -> None:
    viewer.show()
    add(viewer, "Second reading").job.run_button.click()
    assert blind.on
    viewer.close()
    assert not blind.on


def test_a_window_that_stays_open_after_all_goes_on_with_the_reading(viewer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer.show()
    reading = add(viewer, "Second reading")
    reading.job.run_button.click()
    with monkeypatch.context() as asked:
        asked.setattr(type(reading.window()), "closeEvent", lambda _, event: event.ignore())
        reading.window().close()
    assert blind.on
    reading.verticalScrollBar().show()
    reading.verticalScrollBar().hide()  # as where the dock becomes tall enough
    assert blind.on
    reading.end()


def test_what_the_review_refuses_meanwhile_it_says(viewer: Any) -> None:
    review = add(viewer, "Review cells")
    review.job.run_button.click()
    reading = add(viewer, "Second reading")
    reading.job.run_button.click()
    with pytest.raises(UsageError, match="blind reading"):
        review._act(lambda session: session.name("smudge", [1]))
    reading.end()
    review._act(lambda session: session.name("smudge", [1]))
    assert review.session.analysis.cells[0].cell_type == "smudge"


def test_the_status_bar_says_nothing_of_a_cell(viewer: Any) -> None:
    y, x = (float(v) for v in viewer.layers["field cells"].features.loc[1, ["centroid_y", "centroid_x"]])
    viewer.layers.selection.active = viewer.layers["field cells"]
    viewer.cursor.position = (y, x)
    viewer.mouse_over_canvas = True
    assert "cell_type" in str(viewer._calc_status_from_cursor())
    reading = add(viewer, "Second reading")
    reading.job.run_button.click()
    assert "cell_type" not in str(viewer._calc_status_from_cursor())
    reading.end()


def test_the_cells_of_a_whole_slide_are_taken_away_too() -> None:
    viewer = ViewerModel()
    others, of_slide = viewer.add_labels(np.zeros((9, 9), int)), Labels(np.zeros((9, 9), int))
    set_place(of_slide, Place(Path("out"), "slide.tif", InputFile(sha256="0" * 64, size=0, mtime_ns=0)))
    viewer.add_layer(of_slide)
    reading = blind.begin(viewer)
    assert list(viewer.layers) == [others]
    blind.end(reading)
    assert list(viewer.layers) == [others, of_slide]
