"""A results folder that holds a slide: it opens, its cells are named and saved, and it is never in memory whole."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import Qt

from napari_wbc._napari import inputs, jobs, saved, slide_layer, widgets
from napari_wbc._napari.crops import INSIDE_PX, MARGIN
from napari_wbc._napari.differential_widget import slide as slide_of_source
from napari_wbc._napari.features import colour_of
from napari_wbc._napari.gallery import OPEN_IMAGES, RESULTS_FOLDER
from napari_wbc._napari.reader import get_reader
from napari_wbc._napari.reopening import neighbour, reviewed_layers
from napari_wbc._napari.reviews import name_of, results_folder, session_of
from napari_wbc._napari.saved import Folder, read_saved
from napari_wbc._napari.slide_layer import part_layer, renew_types, shows_slide
from napari_wbc._napari.widgets import IN_VIEW
from napari_wbc.cells import Box, CellTable
from napari_wbc.crop import crop
from napari_wbc.errors import ImageTooLargeError, ResultsError, UsageError
from napari_wbc.pipeline import finish
from napari_wbc.pyramids import Pyramid
from napari_wbc.results import pixels, read_labels, read_record
from napari_wbc.results.storage import file_sha256
from tests.fakes import load_fakes
from tests.runs import go
from tests.smears import write_smear
from tests.test_slides import SETTINGS, crowded, write

SLIDE = "s1/whole.tif"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Results of a slide."""
    (tmp_path / "in" / "s1").mkdir(parents=True)
    write(tmp_path / "in" / SLIDE, crowded())
    go(tmp_path / "in", tmp_path / "out", settings=SETTINGS)
    return tmp_path / "out"


@pytest.fixture
def slide(folder: Path) -> Image:
    data = slide_layer.slide_layer(folder.parent / "in" / SLIDE)
    layer = Layer.create(*data)
    assert isinstance(layer, Image)
    return layer


def test_slide_and_cells_open_as_layers_of_which_little_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, read = [0], Pyramid.read
    monkeypatch.setattr(
        Pyramid, "read", lambda self, box, level=0: sizes.append(box.height * box.width) or read(self, box, level)
    )
    reader = get_reader(str(folder))
    assert reader is not None
    image, labels = (Layer.create(*data) for data in reader(str(folder)))
    assert isinstance(image, Image)
    assert isinstance(labels, Labels)
    assert (image.multiscale, labels.multiscale, labels.editable) == (True, True, False)
    assert (labels.name, labels.data[0].shape) == ("whole cells", image.data[0].shape[:2])
    expected = read_labels(folder, SLIDE)
    np.testing.assert_array_equal(np.asarray(labels.data[0][200:700, 100:650]), expected[200:700, 100:650])
    np.testing.assert_array_equal(np.asarray(labels.data[1]), expected[::2, ::2])
    record = read_record(folder, SLIDE)
    assert labels.features["cell_type"].iloc[record.cells[4].cell_id] == record.cells[4].cell_type
    assert max(sizes) <= 512**2


def test_a_slide_under_review_is_a_sentence_and_going_on_passes_it_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = ViewerModel()
    viewer.layers.extend(reviewed_layers(folder))
    with pytest.raises(UsageError, match="Gallery of cells"):
        session_of(viewer, viewer.layers[1])
    monkeypatch.setattr(inputs, "MAX_MEGAPIXELS", 0.5)
    with pytest.raises(UsageError, match="Gallery of cells"):
        inputs.read_labels(viewer.layers[1])
    assert results_folder(viewer) == folder
    assert neighbour(folder) == SLIDE
    for name in ("a.png", "z.png"):
        write_smear(folder.parent / "in" / name)
    go(folder.parent / "in", folder, settings=SETTINGS)
    assert (neighbour(folder), neighbour(folder, "a.png")) == ("a.png", "z.png")
    with pytest.raises(UsageError, match="no next image"):
        neighbour(folder, "z.png")


def test_crops_of_a_slide_are_those_of_the_whole_picture(folder: Path) -> None:
    saved = read_saved(folder, {})[SLIDE]
    for cell in saved.cells[::9]:
        found = Folder().cut(saved, cell, INSIDE_PX, MARGIN).result()
        np.testing.assert_array_equal(found, crop(crowded(), cell.box, INSIDE_PX, MARGIN))


def test_a_moved_slide_is_read_through_once_for_all_its_crops(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(folder.parent / "in" / SLIDE, ns=(0, 0))  # as of a copy
    hashed: list[Path] = []
    monkeypatch.setattr(pixels, "file_sha256", lambda path: hashed.append(path) or file_sha256(path))
    saved, shown = read_saved(folder, {})[SLIDE], Folder()
    for crop_ in [shown.cut(saved, cell, INSIDE_PX, MARGIN) for cell in saved.cells[::9]]:
        assert crop_.result().any()
    assert hashed == [folder.parent / "in" / SLIDE]


def test_a_slide_that_was_not_found_is_looked_for_again(folder: Path) -> None:
    saved, shown = read_saved(folder, {})[SLIDE], Folder()
    (folder.parent / "in").rename(folder.parent / "away")
    with pytest.raises(ResultsError, match="not found"):
        shown.find(saved).result()
    (folder.parent / "away").rename(folder.parent / "in")
    assert shown.find(saved).result() == folder.parent / "in" / SLIDE


def test_a_slide_that_another_file_has_replaced_is_cut_no_more(folder: Path) -> None:
    saved, shown = read_saved(folder, {})[SLIDE], Folder()
    cell, path = saved.cells[0], folder.parent / "in" / SLIDE
    assert shown.cut(saved, cell, INSIDE_PX, MARGIN).result().any()
    path.rename(path.with_name("away.tif"))
    write(path, crowded()[::-1])
    with pytest.raises(ResultsError, match="another file"):
        shown.cut(saved, cell, INSIDE_PX, MARGIN).result()
    path.unlink()
    with pytest.raises(ResultsError, match="no file"):
        shown.find(saved).result()
    path.with_name("away.tif").rename(path)
    assert shown.cut(saved, cell, INSIDE_PX, MARGIN).result().any()


def test_a_slide_analysed_anew_is_looked_for_anew(folder: Path) -> None:
    before, shown = read_saved(folder, {})[SLIDE], Folder()
    assert shown.find(before).result() == folder.parent / "in" / SLIDE
    row = before.record.row.model_copy(update={"sha256": "0" * 64})
    source = before.record.hashes.input.model_copy(update={"mtime_ns": 0})
    hashes = before.record.hashes.model_copy(update={"input": source})
    record = before.record.model_copy(update={"row": row, "hashes": hashes})
    with pytest.raises(ResultsError, match="another file"):
        shown.find(dataclasses.replace(before, record=record)).result()


def test_a_whole_slide_is_its_own_slide_as_in_the_tables(folder: Path) -> None:
    assert slide_of_source(read_saved(folder, {})[SLIDE]) == SLIDE


def test_types_that_were_named_are_shown_in_the_slide(folder: Path) -> None:
    viewer = ViewerModel()
    viewer.layers.extend(reviewed_layers(folder))
    labels = shows_slide(viewer, folder, SLIDE)
    assert labels is viewer.layers[1]
    assert shows_slide(viewer, folder, "other.tif") is None
    record = read_record(folder, SLIDE)
    first, *others = record.cells
    renew_types(labels, CellTable((dataclasses.replace(first, cell_type="monocyte"), *others)))
    assert labels.features["cell_type"].iloc[first.cell_id] == "monocyte"
    expected = np.array([int(colour_of("monocyte")[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    assert labels.get_color(first.cell_id)[:3] == pytest.approx(expected, abs=0.01)


def test_a_part_has_the_cells_that_the_run_found_there(folder: Path, slide: Image) -> None:
    part = Box(150, 90, 800, 600)
    image = part_layer(slide, part)
    np.testing.assert_array_equal(image.data, crowded()[part.slices])
    assert tuple(image.translate) == (150, 90)
    kept = jobs.KeptModels(lambda **_: load_fakes())
    found, _ = finish(jobs.analyse(kept, jobs.ModelChoice(), inputs.read_image(image), SETTINGS))
    here = {cell.box: cell for cell in found.cells if not cell.touches_border}
    known = [cell for cell in read_record(folder, SLIDE).cells if _inside(cell.box, part)]
    assert len(known) > 25
    for cell in known:
        same = here.pop(Box(cell.box.y0 - 150, cell.box.x0 - 90, cell.box.y1 - 150, cell.box.x1 - 90))
        assert (same.area_px, same.cell_type) == (cell.area_px, cell.cell_type)
    assert not here


def _inside(box: Box, part: Box) -> bool:
    return box.y0 > part.y0 and box.x0 > part.x0 and box.y1 < part.y1 and box.x1 < part.x1


def test_a_part_has_the_pixel_size_that_the_user_stated_for_the_run(folder: Path) -> None:
    image = reviewed_layers(folder, SLIDE)[0]
    assert isinstance(image, Image)
    assert inputs.read_image(part_layer(image, Box(150, 90, 250, 190)))().um_per_px == SETTINGS.um_per_px


def test_a_part_that_is_too_large_is_a_sentence(slide: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MAX_MEGAPIXELS", 0.1)
    assert inputs.is_large(slide)
    with pytest.raises(ImageTooLargeError, match=r"What is in view of layer 'whole' has 0 megapixels.*Zoom in"):
        part_layer(slide, Box(0, 0, 400, 400))


@pytest.mark.gui
def test_the_window_goes_on_while_the_file_of_a_slide_is_looked_for(
    make_napari_viewer: Callable[..., Any], folder: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, threads, find = threading.Event(), [], saved.find_slide

    def slow(*args: Any) -> Path:
        threads.append(threading.current_thread())
        assert found.wait(60)
        return find(*args)

    monkeypatch.setattr(saved, "find_slide", slow)
    write_smear(folder.parent / "in" / "a.png")
    go(folder.parent / "in", folder, settings=SETTINGS)
    viewer = make_napari_viewer()
    viewer.open(folder, plugin="napari-wbc")  # the field
    gallery = viewer.window.add_plugin_dock_widget("napari-wbc", "Gallery of cells")[1]
    gallery.over.setCurrentText(RESULTS_FOLDER)
    record = read_record(folder, SLIDE)
    qtbot.waitUntil(lambda: gallery.crops.rowCount() > len(record.cells), timeout=30_000)
    row = next(row for row, item in enumerate(gallery.crops.items) if item.source.record.image == SLIDE)
    cell = next(cell for cell in record.cells if cell.cell_id == gallery.crops.items[row].cell_id)
    before, keys = list(viewer.layers), gallery.message.text()
    gallery.view.clicked.emit(gallery.crops.index(row))
    assert list(viewer.layers) == before
    assert SLIDE in gallery.message.text()
    found.set()
    qtbot.waitUntil(lambda: shows_slide(viewer, folder, SLIDE) is not None, timeout=30_000)
    camera = viewer.scene.camera
    assert camera.center[-2:] == pytest.approx((cell.centroid_y, cell.centroid_x))
    assert gallery.message.text() == keys
    assert len(threads) == 1
    assert threading.main_thread() not in threads


@pytest.mark.gui
def test_whoever_goes_on_to_something_else_is_not_taken_to_a_slide(
    make_napari_viewer: Callable[..., Any], folder: Path, qtbot: Any
) -> None:
    write_smear(folder.parent / "in" / "a.png")
    go(folder.parent / "in", folder, settings=SETTINGS)
    viewer = make_napari_viewer()
    viewer.open(folder, plugin="napari-wbc")  # the field
    gallery = viewer.window.add_plugin_dock_widget("napari-wbc", "Gallery of cells")[1]
    gallery._timer.stop()
    gallery.over.setCurrentText(RESULTS_FOLDER)
    n = len(read_record(folder, SLIDE).cells)

    def filled() -> bool:
        gallery.refresh()
        return bool(gallery.crops.rowCount() > n)

    def row_of(image: str) -> int:
        return next(row for row, item in enumerate(gallery.crops.items) if name_of(item.source) == image)

    def click(image: str) -> None:
        gallery.view.clicked.emit(gallery.crops.index(row_of(image)))

    def name() -> None:
        gallery.view.setCurrentIndex(gallery.crops.index(row_of("a.png")))
        qtbot.keyClick(gallery.view, Qt.Key.Key_N)

    qtbot.waitUntil(filled, timeout=30_000)
    keys, field = gallery.message.text(), viewer.layers[0]
    choose = viewer.layers.selection
    for turn_away in (
        lambda: click("a.png"),
        name,
        lambda: qtbot.keyClick(gallery.view, Qt.Key.Key_Z),
        lambda: gallery.over.setCurrentText(OPEN_IMAGES),
        lambda: setattr(choose, "active", field),
    ):
        gallery.over.setCurrentText(RESULTS_FOLDER)
        qtbot.waitUntil(filled, timeout=30_000)
        choose.active = viewer.layers[1]
        click(SLIDE)
        assert f"{SLIDE} is looked for" in gallery.message.text()
        gallery.folder.find(gallery.folder.images[SLIDE]).result()
        turn_away()
        before = list(viewer.layers)
        gallery._tick()
        assert list(viewer.layers) == before
        assert "is looked for" not in gallery.message.text()
    assert "Click its cell again" in gallery.message.text()
    click(SLIDE)
    qtbot.waitUntil(lambda: gallery._tick() or shows_slide(viewer, folder, SLIDE) is not None, timeout=30_000)
    assert gallery.message.text() == keys


@pytest.mark.gui
def test_a_slide_in_a_window(
    make_napari_viewer: Callable[..., Any], folder: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(widgets, "is_large", lambda _: True)
    viewer = make_napari_viewer(show=True)
    viewer.open(folder, plugin="napari-wbc")
    record = read_record(folder, SLIDE)
    gallery = viewer.window.add_plugin_dock_widget("napari-wbc", "Gallery of cells")[1]
    assert "choose 'folder'" in gallery.left.text()
    gallery.over.setCurrentText(RESULTS_FOLDER)
    n = len(record.cells)
    qtbot.waitUntil(lambda: gallery.left.text() == f"{n} cells, {n} not reviewed", timeout=30_000)
    gallery.view.resize(500, 800)
    gallery.view.grab()
    qtbot.waitUntil(lambda: len(gallery.crops._pixmaps) > 5, timeout=30_000)

    item = gallery.crops.items[3]
    gallery.view.setCurrentIndex(gallery.crops.index(3))
    gallery.view.clicked.emit(gallery.crops.index(3))
    cell = next(cell for cell in record.cells if cell.cell_id == item.cell_id)
    camera = viewer.scene.camera
    assert camera.center[-2:] == pytest.approx((cell.centroid_y, cell.centroid_x))
    qtbot.keyClick(gallery.view, Qt.Key.Key_N)
    saved = {cell.cell_id: cell for cell in read_record(folder, SLIDE).cells}[item.cell_id]
    assert (saved.cell_type, saved.type_source, saved.reviewed_by is not None) == ("neutrophil", "human", True)
    assert viewer.layers[1].features["cell_type"].iloc[item.cell_id] == "neutrophil"
    assert read_record(folder, SLIDE).hashes.labels == record.hashes.labels

    widget = viewer.window.add_plugin_dock_widget("napari-wbc", "Analyse image")[1]
    widget.kept = jobs.KeptModels(lambda **_: load_fakes())
    widget.image.value = viewer.layers[0]
    widget.over.setCurrentText(IN_VIEW)
    widget.job.run_button.click()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=60_000)
    assert [type(layer).__name__ for layer in viewer.layers] == ["Image", "Labels", "Image", "Labels", "Shapes"], (
        widget.job.status.text()
    )
    part = viewer.layers[2]
    y0, x0 = (int(v) for v in part.translate)
    np.testing.assert_array_equal(part.data, crowded()[y0 : y0 + part.data.shape[0], x0 : x0 + part.data.shape[1]])
    assert session_of(viewer, viewer.layers[3]).analysis.cells
