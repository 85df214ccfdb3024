"""Gallery and differential over a results folder whose images are not all open, in a real window."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import Qt

from napari_wbc._napari import autosave, saved
from napari_wbc._napari.differential_widget import FOLDER, OPEN_IMAGES, SLIDE, TICK_MS
from napari_wbc._napari.gallery import RESULTS_FOLDER
from napari_wbc._napari.keys import DEFAULTS
from napari_wbc._napari.naming import Naming
from napari_wbc._napari.reviews import Item
from napari_wbc._napari.saved import Folder, Saved, read_saved
from napari_wbc.batch import analyse_folder
from napari_wbc.differential import n_counted
from napari_wbc.errors import StorageError, UsageError
from napari_wbc.results import iter_records, read_record
from napari_wbc.review import rename
from tests.fakes import load_fakes
from tests.smears import write_slides


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Results of two slides of three fields."""
    write_slides(tmp_path / "in")
    analyse_folder(tmp_path / "in", tmp_path / "out", load_fakes())
    return tmp_path / "out"


def test_records_that_are_the_same_are_not_read_again(folder: Path) -> None:
    first = read_saved(folder, {})
    assert list(first) == [record.image for record in iter_records(folder) if record.row.status == "done"]
    name = next(iter(first))
    path = folder / "records" / f"{name}.json"
    path.write_bytes(path.read_bytes() + b"\n")
    again = read_saved(folder, first)
    assert again[name] is not first[name]
    assert all(again[other] is first[other] for other in first if other != name)


@pytest.mark.gui
def reviewed(viewer: Any, folder: Path) -> tuple[Any, Any, Any]:
    """Open a results folder and review its first image: the widgets of review, gallery and differential of the folder."""
    viewer.open(folder, plugin="napari-wbc")
    names = ("Review cells", "Gallery of cells", "Differential")
    widget, gallery, counts = (viewer.window.add_plugin_dock_widget("napari-wbc", name)[1] for name in names)
    widget.job.run_button.click()
    counts.over.setCurrentText(FOLDER)
    return widget, gallery, counts


def test_a_whole_results_folder(
    make_napari_viewer: Callable[..., Any], folder: Path, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autosave, "folder_of_kept", lambda: tmp_path / "autosave")
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
    make_napari_viewer: Callable[..., Any], folder: Path, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autosave, "folder_of_kept", lambda: tmp_path / "autosave")
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


def test_a_naming_that_cannot_be_written_is_not_done_and_its_undo_can_be_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, letters = Folder(), {**DEFAULTS}
    mine.ask(folder)
    while not mine.take():
        time.sleep(0.01)
    naming, image = Naming(mine, letters), next(iter(mine.images))
    before = read_record(folder, image)

    def full(*_: object) -> None:
        raise StorageError("Cannot write: the disk is full.")

    with monkeypatch.context() as no_room:
        no_room.setattr(saved, "commit", full)
        with pytest.raises(StorageError):
            naming.do("S", [Item(mine.images[image], 1)], "Ada")
    assert naming.undo() == ({}, None)
    naming.do("S", [Item(mine.images[image], 1)], "Ada")
    with monkeypatch.context() as no_room:
        no_room.setattr(saved, "commit", full)
        with pytest.raises(StorageError):
            naming.undo()
    naming.undo()
    assert read_record(folder, image) == before


def test_an_edit_of_a_record_is_undone_only_if_nobody_else_changed_it(folder: Path) -> None:
    mine = Folder()
    mine.ask(folder)
    while not mine.take():
        time.sleep(0.01)
    found = mine.images
    image = next(iter(found))
    change = partial(rename, ids=[1], cell_type="blast", by="Ada", at="2026-01-01T00:00:00Z")
    after = mine.edit(found[image], change)
    assert (after.cells[0].cell_type, after.cells[0].reviewed_by) == ("blast", "Ada")
    assert mine.images[image] is after
    assert mine.undo(image).record == found[image].record
    mine.edit(found[image], change)
    Folder().edit(found[image], partial(rename, ids=[1], cell_type="smudge", by="Bob", at="2026-01-02T00:00:00Z"))
    with pytest.raises(UsageError, match="changed elsewhere"):
        mine.undo(image)
    assert read_record(folder, image).cells[0].cell_type == "smudge"
