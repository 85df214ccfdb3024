"""Gallery and differential over a results folder whose images are not all open, in a real window."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from napari.layers import Image
from qtpy.QtCore import QItemSelectionModel, Qt
from qtpy.QtWidgets import QLabel

from napari_wbc._napari import naming, saved
from napari_wbc._napari.differential_widget import FOLDER, OPEN_IMAGES, SLIDE, TICK_MS
from napari_wbc._napari.gallery import RESULTS_FOLDER
from napari_wbc._napari.origin import place_of
from napari_wbc._napari.reopening import reviewed_layers
from napari_wbc._napari.reviews import name_of, session_of
from napari_wbc._napari.saved import Saved
from napari_wbc._napari.status import RESEARCH_USE
from napari_wbc.batch import analyse_folder
from napari_wbc.differential import n_counted
from napari_wbc.errors import ResultsError, UsageError
from napari_wbc.results import iter_records, read_record
from tests.fakes import load_fakes
from tests.smears import write_slides


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Results of two slides of three fields."""
    write_slides(tmp_path / "in")
    analyse_folder(tmp_path / "in", tmp_path / "out", load_fakes())
    return tmp_path / "out"


def reviewed(viewer: Any, folder: Path) -> tuple[Any, Any, Any]:
    """Open a results folder and review its first image: the widgets of review, gallery and differential of the folder."""
    viewer.open(folder, plugin="napari-wbc")
    names = ("Review cells", "Gallery of cells", "Differential")
    widget, gallery, counts = (viewer.window.add_plugin_dock_widget("napari-wbc", name)[1] for name in names)
    widget.job.run_button.click()
    counts.over.setCurrentText(FOLDER)
    return widget, gallery, counts


def gallery_over(viewer: Any, folder: Path, qtbot: Any) -> Any:
    """Open a results folder and its gallery, which shows all of its cells."""
    viewer.open(folder, plugin="napari-wbc")
    gallery = viewer.window.add_plugin_dock_widget("napari-wbc", "Gallery of cells")[1]
    gallery.over.setCurrentText(RESULTS_FOLDER)
    qtbot.waitUntil(lambda: gallery.crops.rowCount() > 3, timeout=30_000)
    return gallery


@pytest.mark.gui
def test_a_whole_results_folder(make_napari_viewer: Callable[..., Any], folder: Path, qtbot: Any) -> None:
    viewer = make_napari_viewer()
    done = [record for record in iter_records(folder) if record.row.status == "done"]
    n_all = sum(len(record.cells) for record in done)
    widget, gallery, counts = reviewed(viewer, folder)
    qtbot.waitUntil(lambda: n_counted(counts.rows) == n_all, timeout=30_000)
    counts.over.setCurrentText(SLIDE)
    n_slide = sum(len(record.cells) for record in done if record.row.slide == done[0].row.slide)
    qtbot.waitUntil(lambda: n_counted(counts.rows) == n_slide, timeout=30_000)
    counts.over.setCurrentText(OPEN_IMAGES)
    qtbot.waitUntil(lambda: n_counted(counts.rows) == len(done[0].cells), timeout=30_000)

    gallery.over.setCurrentText(RESULTS_FOLDER)
    qtbot.waitUntil(lambda: gallery.left.text() == f"{n_all} cells, {n_all} not reviewed", timeout=30_000)
    gallery.view.resize(500, 800)
    gallery.view.grab()
    qtbot.waitUntil(lambda: any(isinstance(key[0].source, Saved) for key in gallery.crops._pixmaps), timeout=30_000)

    row = next(row for row, item in enumerate(gallery.crops.items) if isinstance(item.source, Saved))
    item = gallery.crops.items[row]
    name = item.source.record.image
    gallery.view.setCurrentIndex(gallery.crops.index(row))
    gallery.view.clicked.emit(gallery.crops.index(row))
    assert widget.session.selection.ids == (item.cell_id,)
    assert viewer.layers[0].name == Path(name).stem
    assert len(viewer.layers) == 4
    assert gallery.crops.items[row].source is widget.session
    gallery.view.setFocus()
    qtbot.keyClick(gallery.view, Qt.Key.Key_S)
    assert next(cell for cell in widget.session.analysis.cells if cell.cell_id == item.cell_id).cell_type == "smudge"

    other = next(r for r, it in enumerate(gallery.crops.items) if isinstance(it.source, Saved))
    image, cell_id = gallery.crops.items[other].source.record.image, gallery.crops.items[other].cell_id
    before = read_record(folder, image)

    def said() -> str | None:
        return next(cell.cell_type for cell in read_record(folder, image).cells if cell.cell_id == cell_id)

    gallery.view.setCurrentIndex(gallery.crops.index(other))
    qtbot.keyClick(gallery.view, Qt.Key.Key_S)  # names the cell in the record: opening the image would take a second
    assert said() == "smudge"
    assert read_record(folder, image).edited
    assert viewer.layers[0].name == Path(name).stem
    assert gallery.left.text() == f"{n_all} cells, {n_all - 2} not reviewed"
    qtbot.keyClick(gallery.view, Qt.Key.Key_Z)
    assert read_record(folder, image) == before
    assert gallery.view.currentIndex().row() == other
    qtbot.keyClick(gallery.view, Qt.Key.Key_Z)
    assert widget.session.history.done == []
    assert gallery.left.text() == f"{n_all} cells, {n_all} not reviewed"
    gallery.view.setCurrentIndex(gallery.crops.index(other))
    qtbot.keyClick(gallery.view, Qt.Key.Key_C)
    assert said() == next(cell.cell_type for cell in before.cells if cell.cell_id == cell_id)
    viewer.window.remove_dock_widget(gallery)
    table = folder / "cells.csv"
    qtbot.waitUntil(lambda: ",human,human," in table.read_text() or ",model,human," in table.read_text(), timeout=30_000)


@pytest.mark.gui
def test_the_differential_of_a_folder_follows_at_once(
    make_napari_viewer: Callable[..., Any], folder: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved, "READ_EVERY_S", 3600.0)  # looking at the folder again is not what tells it
    viewer = make_napari_viewer()
    widget, gallery, counts = reviewed(viewer, folder)
    gallery.over.setCurrentText(RESULTS_FOLDER)
    qtbot.waitUntil(lambda: n_counted(counts.rows) == gallery.crops.rowCount() > 3, timeout=30_000)

    def smudges() -> int:
        return next(row.n for row in counts.rows if row.cell_type == "smudge")

    other = next(r for r, it in enumerate(gallery.crops.items) if isinstance(it.source, Saved))
    gallery.view.setCurrentIndex(gallery.crops.index(other))
    qtbot.keyClick(gallery.view, Qt.Key.Key_S)
    counts.refresh()  # its next tick, TICK_MS later
    assert smudges() == 1
    widget.session.name("smudge", [1])
    counts.refresh()
    assert smudges() == 2
    widget.filing.go(1)
    counts.refresh()
    assert smudges() == 2
    assert TICK_MS <= 300


@pytest.mark.gui
def test_closing_the_window_makes_the_tables_of_what_was_named(
    make_napari_viewer: Callable[..., Any], folder: Path, qtbot: Any
) -> None:
    viewer = make_napari_viewer()
    gallery = gallery_over(viewer, folder, qtbot)
    first = viewer.layers[0]
    last = gallery.crops.items[-1]
    other = next(r for r, it in enumerate(gallery.crops.items) if it.source.record.image != place_of(first).image)
    here = next(r for r, it in enumerate(gallery.crops.items) if it.source.record.image == place_of(first).image)
    gallery.view.setCurrentIndex(gallery.crops.index(here))
    qtbot.keyClick(gallery.view, Qt.Key.Key_S)
    assert "its review has begun" in gallery.message.text()
    assert [layer for layer in viewer.layers if isinstance(layer, Image)] == [first]
    assert list(viewer.layers[1].features["cell_type"]).count("smudge") == 1
    now_there = partial(read_record, folder, place_of(first).image)
    assert [cell.cell_type for cell in now_there().cells].count("smudge") == 1
    qtbot.keyClick(gallery.view, Qt.Key.Key_Z)
    assert not [cell for cell in now_there().cells if cell.cell_type == "smudge"]
    qtbot.keyClick(gallery.view, Qt.Key.Key_S)
    assert gallery.crops.items[-1].cell_id == last.cell_id  # in the order as it was
    gallery.view.setCurrentIndex(gallery.crops.index(other))
    qtbot.keyClick(gallery.view, Qt.Key.Key_S)
    table = folder / "cells.csv"
    assert ",smudge," not in table.read_text()
    viewer.close()
    qtbot.waitUntil(lambda: ",smudge," in table.read_text(), timeout=30_000)
    assert table.read_text().count(",smudge,") == 2


@pytest.mark.gui
def test_a_letter_saves_the_reviews_that_it_touches_and_no_others(
    make_napari_viewer: Callable[..., Any], folder: Path, qtbot: Any
) -> None:
    viewer = make_napari_viewer()
    gallery = gallery_over(viewer, folder, qtbot)
    first = place_of(viewer.layers[0]).image
    other = next(item.source.record for item in gallery.crops.items if item.source.record.image != first)
    layers = reviewed_layers(folder, other.image)
    viewer.layers.extend(layers)
    session_of(viewer, layers[1]).name("blast", [1])
    gallery.refresh()
    gallery.view.setCurrentIndex(
        gallery.crops.index(next(r for r, it in enumerate(gallery.crops.items) if name_of(it.source) == first))
    )
    qtbot.keyClick(gallery.view, Qt.Key.Key_S)
    assert [cell.cell_type for cell in read_record(folder, first).cells].count("smudge") == 1
    qtbot.keyClick(gallery.view, Qt.Key.Key_Z)
    assert read_record(folder, other.image) == other
    qtbot.keyClick(gallery.view, Qt.Key.Key_S)
    table = folder / "cells.csv"
    viewer.close()
    qtbot.waitUntil(lambda: ",smudge," in table.read_text(), timeout=30_000)
    assert ",blast," not in table.read_text()


@pytest.mark.gui
def test_what_a_letter_has_named_is_saved_also_where_another_image_cannot_be_named(
    make_napari_viewer: Callable[..., Any], folder: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = make_napari_viewer()
    gallery = gallery_over(viewer, folder, qtbot)
    first = place_of(viewer.layers[0]).image
    here = [name_of(item.source) == first for item in gallery.crops.items]
    row = here.index(True)
    for each in (row, here.index(False, row)):
        gallery.view.selectionModel().select(gallery.crops.index(each), QItemSelectionModel.SelectionFlag.Select)

    def refused(*_: object) -> None:
        raise UsageError("it cannot be named.")

    monkeypatch.setattr(naming, "edit", refused)
    qtbot.keyClick(gallery.view, Qt.Key.Key_S)
    assert "it cannot be named." in gallery.message.text()
    assert [cell.cell_type for cell in read_record(folder, first).cells].count("smudge") == 1


@pytest.mark.gui
def test_an_image_that_is_open_is_taken_up_as_it_is(make_napari_viewer: Callable[..., Any], folder: Path) -> None:
    viewer = make_napari_viewer()
    widget, _, _ = reviewed(viewer, folder)
    first = place_of(widget.session.image).image
    other = next(record.image for record in iter_records(folder) if record.cells and record.image != first)
    second = reviewed_layers(folder, other)
    viewer.layers.extend(second)
    session = session_of(viewer, second[1])
    session.name("blast", [1])
    widget.filing.open_image(folder, other)
    assert widget.session is session
    assert [layer for layer in viewer.layers if isinstance(layer, Image)] == [session.image]
    assert session.analysis.cells[0].cell_type == "blast"


@pytest.mark.gui
def test_a_folder_that_could_not_be_looked_at_is_counted_again(
    make_napari_viewer: Callable[..., Any], folder: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = make_napari_viewer()
    _, _, counts = reviewed(viewer, folder)
    qtbot.waitUntil(lambda: n_counted(counts.rows) > 3, timeout=30_000)
    before = counts.note.text()

    def gone() -> None:
        raise ResultsError("the drive is away.")

    with monkeypatch.context() as patched:
        patched.setattr(counts.folder, "take", gone)
        counts.refresh()
        assert counts.note.text() == "the drive is away."
    counts.refresh()
    assert counts.note.text() == before


@pytest.mark.gui
def test_results_are_for_research_wherever_they_are_read(make_napari_viewer: Callable[..., Any]) -> None:
    viewer = make_napari_viewer()
    for name in ("Gallery of cells", "Differential"):
        widget = viewer.window.add_plugin_dock_widget("napari-wbc", name)[1]
        assert RESEARCH_USE in [label.text() for label in widget.findChildren(QLabel) if not label.isHidden()]
