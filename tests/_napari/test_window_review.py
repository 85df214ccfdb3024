"""The widgets of a review in a real window: name, correct, count, gallery, save."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QPushButton

from napari_wbc._napari import autosave
from napari_wbc._napari.counts_table import HEAD, MIN_NAME_PX, CountsTable
from napari_wbc._napari.jobs import KeptModels
from napari_wbc._napari.replacing import show_analysis
from napari_wbc._napari.saving import save
from napari_wbc._napari.status import describe_cell
from napari_wbc.cells import Analysis, Field, RgbImage
from napari_wbc.differential import differential
from napari_wbc.pipeline import analyse
from napari_wbc.results import read_record
from tests._napari.mouse import drag
from tests.fakes import load_fakes
from tests.smears import smear

pytestmark = pytest.mark.gui
PIXELS = smear(3, n_cells=3, shape=(96, 240))


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any]) -> Any:
    return make_napari_viewer()


def show(viewer: Any, pixels: RgbImage = PIXELS, name: str = "field") -> Analysis:
    image = viewer.add_image(pixels.copy(), rgb=True, name=name)
    found = analyse(Field(pixels, 0.3), load_fakes())
    show_analysis(viewer.layers, image, found)
    return found


def review(viewer: Any) -> Any:
    _, widget = viewer.window.add_plugin_dock_widget("napari-wbc", "Review cells")
    widget.kept = KeptModels(lambda **_: load_fakes())
    widget.job.run_button.click()
    assert widget.session is not None, widget.job.status.text()
    return widget


def add(viewer: Any, name: str) -> Any:
    return viewer.window.add_plugin_dock_widget("napari-wbc", name)[1]


@pytest.fixture
def shown_viewer(make_napari_viewer: Callable[..., Any]) -> Any:
    """On the screen, as the mouse needs it."""
    return make_napari_viewer(show=True)


def test_the_mouse_draws_paints_and_selects(shown_viewer: Any, qtbot: Any) -> None:
    viewer = shown_viewer
    show(viewer)
    widget = review(viewer)
    session = widget.session
    QApplication.processEvents()
    key = {str(k): f for k, f in session.labels.keymap.items()}

    key["Shift+F"](session.labels)  # what is selected already must not be drawn with it
    key["Shift+W"](session.labels)
    widget._timer.stop()
    drag(viewer, session.boxes, [(2, 2), (20, 20)])
    drawn = np.ptp(session.boxes.data[-1], axis=0)
    np.testing.assert_allclose(drawn, (18, 18), atol=1)
    widget._timer.start(20)
    qtbot.waitUntil(lambda: len(session.analysis.cells) == 4 and not session.waiting, timeout=60_000)
    assert session.boxes.features["cell_id"].tolist() == [1, 2, 3, 4]

    session.boxes.mode = "select"
    drag(viewer, session.boxes, [(-3, -3), (99, 243)])
    qtbot.waitUntil(lambda: set(session.selection.ids) >= {1, 2, 3}, timeout=10_000)

    box = session.analysis.cells[0].box
    viewer.layers.selection.active = session.labels
    session.labels.selected_label, session.labels.brush_size, session.labels.mode = 1, 4, "paint"
    drag(viewer, session.labels, [(box.y0 - 2, box.x0 + 2), (box.y0 - 2, box.x1 - 2)])
    qtbot.waitUntil(lambda: session.analysis.cells[0].outline_source == "human" and not session.waiting, timeout=60_000)
    assert session.analysis.cells[0].box.y0 < box.y0


def test_texts_of_a_dropped_folder_are_shown_where_they_can_be_read(
    make_napari_viewer: Callable[..., Any], viewer: Any, tmp_path: Path
) -> None:
    show(viewer)
    save(review(viewer).session, tmp_path / "out")
    other, current = make_napari_viewer(), make_napari_viewer()

    def shown(in_viewer: Any) -> list[bool]:
        boxes = in_viewer.layers["field boxes"]
        found = []
        for screen_px_per_px in (0.1, 5, 0.1):
            boxes.scale_factor = abs(boxes.scale[-1]) / screen_px_per_px
            found.append(bool(boxes.text.visible))
        return found

    for in_viewer in (current, other):
        in_viewer.open(tmp_path / "out", plugin="napari-wbc")
    assert shown(current) == [False, True, False]
    assert shown(other) == [True, True, True]  # a reader does not know into which viewer it reads
    add(other, "Differential")
    assert shown(other) == [False, True, False]


def test_name_split_undo_and_draw(viewer: Any, qtbot: Any) -> None:
    found = show(viewer)
    widget = review(viewer)
    session = widget.session
    counts = add(viewer, "Differential")
    key = {str(k): f for k, f in session.labels.keymap.items()}
    key["Shift+F"](session.labels)
    key["Shift+N"](session.labels)
    assert session.analysis.cells[0].cell_type == "neutrophil"
    assert "Cell 1: neutrophil" in widget.cell.text()
    assert widget.progress.text() == "1 of 3 cells reviewed, not saved"
    qtbot.waitUntil(lambda: any(row.cell_type == "neutrophil" and row.n == 1 for row in counts.rows), timeout=20_000)

    key["Shift+F"](session.labels)
    key["Shift+X"](session.labels)
    assert session.waiting == {2, 4}
    qtbot.waitUntil(lambda: not session.waiting and not widget.job.running, timeout=60_000)
    assert all(cell.p is not None for cell in session.analysis.cells)
    key["Ctrl+Z"](session.labels)
    key["Ctrl+Z"](session.labels)
    assert session.analysis.cells == found.cells

    session.boxes.add_rectangles(np.array([[2, 2], [2, 20], [20, 20], [20, 2]]))
    qtbot.waitUntil(lambda: len(session.analysis.cells) == 4 and not session.waiting, timeout=60_000)
    new = session.analysis.cells[3]
    assert (new.outline_source, new.type_source) == ("human", "model")
    assert new.cell_type is not None
    assert len(session.boxes.data) == 4


def test_types_of_ones_own_have_digits(viewer: Any, qtbot: Any) -> None:
    show(viewer)
    widget = review(viewer)
    session, gallery = widget.session, add(viewer, "Gallery of cells")
    key = {str(k): f for k, f in session.labels.keymap.items()}
    key["Ctrl+1"](session.labels)
    assert "No type of your own has the key 1 yet" in widget.job.status.text()
    for i, name in enumerate(("blast", "smudge", "band"), start=1):  # a smudge has a letter
        session.selection.select([i])
        widget.names.own.setText(name)
        qtbot.keyClick(widget.names.own, Qt.Key.Key_Return)
    key["Ctrl+2"](session.labels)
    assert [cell.cell_type for cell in session.analysis.cells] == ["blast", "smudge", "band"]
    session.selection.select([2])
    key["Ctrl+1"](session.labels)
    assert [cell.cell_type for cell in session.analysis.cells] == ["blast", "blast", "band"]
    gallery._tick()
    assert ", 1 blast, 2 band" in gallery.message.text()
    gallery.view.setCurrentIndex(gallery.crops.index(gallery.crops.row_of(session, 1)))
    qtbot.keyClick(gallery.view, Qt.Key.Key_2)
    assert session.analysis.cells[0].cell_type == "band"
    before = session.analysis
    qtbot.keyClick(gallery.view, Qt.Key.Key_3)
    assert session.analysis is before
    shown = [button.text() for button in widget.names.findChildren(QPushButton)]
    assert shown.count("1 blast") == shown.count("2 band") == 1
    again = add(viewer, "Second reading")  # opened later, it has them too
    assert (again._types["1"], again._types["2"]) == ("blast", "band")


def test_a_narrow_differential_shows_all_but_the_intervals(viewer: Any, qtbot: Any, tmp_path: Path, monkeypatch: Any) -> None:
    show(viewer)
    session = review(viewer).session
    session.name("plasmacytoid dendritic cell", [1])
    counts = add(viewer, "Differential")
    table = counts.table
    for width, intervals in ((300, False), (600, True)):
        counts.setFixedSize(width, 500)
        counts.grab()
        assert not table.isColumnHidden(HEAD.index("unseen"))
        assert table.isColumnHidden(HEAD.index("95 % interval")) != intervals
        assert table.horizontalHeader().length() <= table.viewport().width() <= width
        assert table.columnWidth(0) >= MIN_NAME_PX
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "no" / "x.csv"), ""))
    (tmp_path / "no").touch()  # a file, where a folder should be
    counts.save()
    assert counts.note.text().startswith("Cannot write")


def test_a_share_that_reads_the_same_has_the_interval_of_its_cells_now(qtbot: Any) -> None:
    table = CountsTable()
    qtbot.addWidget(table)
    share = HEAD.index("%")
    for of, interval in ((5, "0.5 - 71.6"), (50, "10.0 - 33.7")):  # scipy.stats.binomtest(n, of).proportion_ci()
        table.show_rows(differential({("s", "basophil", False): of // 5, ("s", "monocyte", False): of - of // 5})[:5], None)
        assert (table.item(0, share).text(), table.item(0, share).toolTip()) == ("20.0", interval)
        assert table.item(0, 0).toolTip() == "basophil"


def test_every_control_has_a_tooltip(viewer: Any) -> None:
    from qtpy.QtWidgets import QAbstractButton, QComboBox, QLineEdit

    show(viewer)
    for widget in (review(viewer), add(viewer, "Differential"), add(viewer, "Gallery of cells")):
        for kind in (QAbstractButton, QComboBox, QLineEdit):
            for control in widget.findChildren(kind):
                if control.objectName().startswith("qt_") or not control.isVisibleTo(widget):
                    continue
                assert control.toolTip() or control.parent().toolTip() or isinstance(control.parent(), QComboBox), (
                    type(control).__name__,
                    getattr(control, "text", str)(),
                )


def test_two_hundred_crops_by_keyboard_alone(viewer: Any, qtbot: Any) -> None:
    pixels = np.full((400, 800, 3), (235, 225, 230), np.uint8)
    rows, columns = np.mgrid[:400, :800]
    pixels[((rows % 40) - 20) ** 2 + ((columns % 40) - 20) ** 2 < 14**2] = (120, 50, 180)
    found = show(viewer, pixels)
    assert len(found.cells) == 200
    session = review(viewer).session
    gallery = add(viewer, "Gallery of cells")
    gallery.refresh()
    assert gallery.left.text() == "200 cells, 200 not reviewed"
    gallery.view.setFocus()
    qtbot.keyClick(gallery.view, Qt.Key.Key_Home)
    for _ in range(200):
        qtbot.keyClick(gallery.view, Qt.Key.Key_N)
    assert {cell.cell_type for cell in session.analysis.cells} == {"neutrophil"}
    assert len(session.history.done) == 200
    assert gallery.left.text() == "200 cells, 0 not reviewed"
    for _ in range(200):
        qtbot.keyClick(gallery.view, Qt.Key.Key_Z)
    assert session.analysis.cells == found.cells


def test_a_crop_and_its_cell_are_selected_together(viewer: Any, qtbot: Any) -> None:
    show(viewer)
    session = review(viewer).session
    gallery = add(viewer, "Gallery of cells")
    gallery.refresh()
    gallery.view.setCurrentIndex(gallery.crops.index(gallery.crops.row_of(session, 3)))
    assert session.selection.ids == (3,)
    session.selection.select([1])
    gallery.refresh()
    assert [item.cell_id for item in gallery._chosen()] == [1]


def test_ten_thousand_crops_are_cut_when_seen(viewer: Any, qtbot: Any) -> None:
    pixels = np.full((2000, 2000, 3), (235, 225, 230), np.uint8)
    labels = np.zeros((2000, 2000), np.int32)
    for i in range(10_000):
        y, x = divmod(i, 100)
        labels[20 * y + 3 : 20 * y + 17, 20 * x + 3 : 20 * x + 17] = i + 1
    from napari_wbc._napari.crops import BY_DOUBT, Crops
    from napari_wbc.cells import CellTable, Scale
    from napari_wbc.measure import measure

    class Open:
        analysis = Analysis(labels, CellTable(measure(pixels, labels, {}, None).cells), Scale(None, 1, "assumed"))

    Open.pixels = pixels  # type: ignore[attr-defined]
    gallery = add(viewer, "Gallery of cells")
    gallery._timer.stop()
    crops = gallery.crops
    assert isinstance(crops, Crops)
    crops.fill([Open()], BY_DOUBT)  # type: ignore[list-item]
    assert crops.rowCount() == 10_000
    gallery.view.resize(500, 800)
    gallery.view.grab()
    seen = len(crops._pixmaps)
    assert 0 < seen < 200
    gallery.view.scrollToBottom()
    gallery.view.grab()
    assert seen < len(crops._pixmaps) < 400


def test_save_next_and_previous(viewer: Any, tmp_path: Path, qtbot: Any) -> None:
    for name in ("one", "two"):
        show(viewer, smear(len(name) + ord(name[0]), n_cells=2, shape=(96, 200)), name)
        widget = review(viewer)
        save(widget.session, tmp_path / "out")
        viewer.window.remove_dock_widget(widget)
        viewer.layers.clear()
    viewer.open(tmp_path / "out", plugin="napari-wbc")
    assert [layer.name for layer in viewer.layers] == ["one", "one cells", "one boxes"]
    widget = review(viewer)
    widget.session.name("smudge", [1])
    widget.filing.go(1)
    assert [layer.name for layer in viewer.layers] == ["two", "two cells", "two types", "two boxes"]
    assert not (tmp_path / "out" / "cells.csv").exists()  # the tables of a folder of thousands do not hold up the person
    assert read_record(tmp_path / "out", "one.png").cells[0].cell_type == "smudge"
    widget.filing.go(1)
    assert "no next image" in widget.job.status.text()
    widget.filing.go(-1)
    assert widget.session.analysis.cells[0].cell_type == "smudge"
    assert not list((tmp_path / "autosave").glob("*/note.json"))
    viewer.window.remove_dock_widget(widget)
    table = tmp_path / "out" / "cells.csv"
    qtbot.waitUntil(lambda: table.exists() and "smudge" in table.read_text(), timeout=30_000)


def test_a_drawn_box_is_not_left_behind(viewer: Any, tmp_path: Path, qtbot: Any) -> None:
    show(viewer)
    widget = review(viewer)
    save(widget.session, tmp_path / "out")
    goes_on = threading.Event()

    def load(**_: object) -> Any:
        goes_on.wait(30)
        return load_fakes()

    widget.kept = KeptModels(load)
    widget._timer.stop()
    corners = np.array([[2, 2], [2, 20], [20, 20], [20, 2]])
    refused = "A drawn box is being outlined: wait, or press Cancel."
    for drawn in (corners, corners + 20):
        widget.session.boxes.add_rectangles(drawn)
    for _ in range(3):  # both wait; one is outlined and one waits
        widget.filing.open_image(tmp_path / "out", "other.png")
        assert widget.job.status.text() == refused
        widget._tick()
    widget.job.cancel_button.click()
    assert "the drawn box was dropped" in widget.job.status.text()
    goes_on.set()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=30_000)
    goes_on.clear()
    widget.kept = KeptModels(load)
    widget._tick()  # takes the other
    widget.filing.open_image(tmp_path / "out", "other.png")
    assert widget.job.status.text() == refused
    goes_on.set()
    qtbot.waitUntil(lambda: len(widget.session.analysis.cells) == 4 and not widget.job.running, timeout=30_000)
    assert not widget.is_outlining
    goes_on.clear()
    widget.kept = KeptModels(load)
    widget._tick()  # has the new cell classified
    assert widget.job.running
    assert not widget.is_outlining
    goes_on.set()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=30_000)


def test_a_review_that_ends_with_its_layers_says_so(viewer: Any, qtbot: Any) -> None:
    show(viewer)
    widget = review(viewer)
    widget.files.vouch.click()
    widget.session.selection.select([1])
    viewer.layers.remove(widget.session.types)
    qtbot.waitUntil(lambda: widget.session is None, timeout=20_000)
    assert widget.job.status.text().startswith("The review has ended")
    assert (widget.cell.text(), widget.progress.text()) == (describe_cell(None), "")
    assert not widget.files.vouch.isChecked()


def test_what_goes_wrong_with_the_tables_is_shown(viewer: Any, tmp_path: Path, qtbot: Any) -> None:
    show(viewer)
    widget = review(viewer)
    save(widget.session, tmp_path / "out")
    (tmp_path / "out" / "records" / "other.png.json").write_text("{")
    widget.filing.save()
    assert widget.job.status.text().startswith("Saved field.png")
    qtbot.waitUntil(lambda: "other.png.json cannot be read" in widget.job.status.text(), timeout=30_000)


def test_unsaved_work_is_offered_again(viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    show(viewer)
    widget = review(viewer)
    widget.session.name("smudge", [1])
    qtbot.waitUntil(lambda: bool(list(autosave.folder_of_kept().glob("*/note.json"))), timeout=30_000)
    viewer.window.remove_dock_widget(widget)
    viewer.layers.clear()
    monkeypatch.setattr(autosave, "_owned", lambda note: False)
    again = add(viewer, "Review cells")
    assert again.offer.choice.count() == 1
    again.offer.take(again.filing.restore)
    assert again.session.analysis.cells[0].cell_type == "smudge"
    assert again.session.unsaved
    assert len(list(autosave.folder_of_kept().glob("*/note.json"))) == 1


def test_work_that_cannot_be_restored_is_still_offered(viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    show(viewer)
    widget = review(viewer)
    widget.session.name("smudge", [1])
    widget.keep()
    viewer.window.remove_dock_widget(widget)
    (pixels,) = autosave.folder_of_kept().glob("*/images/field.png")
    pixels.rename(pixels.with_name("away.png"))
    monkeypatch.setattr(autosave, "_owned", lambda note: False)
    again = add(viewer, "Review cells")
    again.offer.take(again.filing.restore)
    assert "were not found" in again.job.status.text()
    assert again.offer.choice.count() == len(again.offer.kept) == 1
    pixels.with_name("away.png").rename(pixels)
    again.offer.take(again.filing.restore)
    assert again.session.analysis.cells[0].cell_type == "smudge"
    assert again.offer.choice.count() == len(again.offer.kept) == 0


def test_the_reader_is_who_is_written_there(viewer: Any, qtbot: Any) -> None:
    show(viewer)
    widget, gallery = review(viewer), add(viewer, "Gallery of cells")
    gallery.refresh()
    widget.reader.clear()
    qtbot.keyClicks(widget.reader, "Dr X")
    qtbot.keyClick(widget.reader, Qt.Key.Key_Return)
    gallery.view.setCurrentIndex(gallery.crops.index(gallery.crops.row_of(widget.session, 1)))
    qtbot.keyClick(gallery.view, Qt.Key.Key_N)
    widget.session.labels.features.loc[2, "cell_type"] = "blast"
    widget.session.sync()
    assert [cell.reviewed_by for cell in widget.session.analysis.cells] == ["Dr X", "Dr X", None]


def test_nobody_vouches_without_a_review(viewer: Any, qtbot: Any) -> None:
    show(viewer)
    widget = review(viewer)
    vouch = widget.files.vouch
    for vouched in (True, False):
        vouch.click()
        assert (vouch.isChecked(), widget.session.vouched is not None) == (vouched, vouched)
    show_analysis(viewer.layers, viewer.layers["field"], analyse(Field(PIXELS, 0.3), load_fakes()))
    qtbot.waitUntil(lambda: widget.session is None, timeout=20_000)  # its layers have left
    vouch.click()
    assert not vouch.isChecked()
    assert "Review these cells" in widget.job.status.text()


def test_a_window_that_is_not_closed_after_all_keeps_its_review(viewer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer.show()
    show(viewer)
    widget, window = review(viewer), viewer.window._qt_window
    with monkeypatch.context() as patched:
        patched.setattr(type(window), "closeEvent", lambda _, event: event.ignore())  # as if the person had said no
        window.close()
    assert window.isVisible()
    widget.verticalScrollBar().show()
    widget.verticalScrollBar().hide()  # as where the dock becomes tall enough
    for floating in (True, False):
        widget.parent().setFloating(floating)
    assert widget.session is not None
    viewer.close()
    assert widget.session is None


def test_closing_the_window_keeps_what_is_not_saved(viewer: Any, qtbot: Any) -> None:
    viewer.show()
    show(viewer)
    widget = review(viewer)
    widget._timer.stop()  # as if the window were closed before the next autosave
    widget.session.name("smudge", [1])
    viewer.close()
    qtbot.waitUntil(lambda: bool(list(autosave.folder_of_kept().glob("*/note.json"))), timeout=30_000)


def test_opened_and_closed_twenty_times_leaves_nothing(viewer: Any, qtbot: Any) -> None:
    show(viewer)
    labels = viewer.layers["field cells"]
    names = ("Differential", "Gallery of cells", "Second reading", "Train a model")
    bound, forgotten = dict(labels.keymap), []

    def left() -> tuple[int, ...]:
        """Timers, widgets, threads of ours, and listeners that are still there."""
        qtbot.wait(50)
        gc.collect()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        ours = [thread for thread in threading.enumerate() if thread.name.startswith("wbc-")]
        timers = viewer.window._qt_window.findChildren(QTimer)
        return len(timers), len(QApplication.allWidgets()), len(ours), len(labels.events.paint.callbacks)

    counts = []
    for _ in range(20):
        widgets = [review(viewer), *(add(viewer, name) for name in names)]
        forgotten += [weakref.ref(widget) for widget in widgets]
        while widgets:
            viewer.window.remove_dock_widget(widgets.pop())
        counts.append(left())
    assert [ref() for ref in forgotten] == [None] * len(forgotten)
    assert counts[1:] == [counts[1]] * 19  # what stays of the first is napari's, and the review in the layers
    assert counts[1][2] == 0
    assert dict(labels.keymap) == bound


def test_an_image_that_is_closed_is_forgotten_with_its_review(viewer: Any, qtbot: Any) -> None:
    """The gallery keeps neither the crops of a closed review nor what its letters did there."""
    show(viewer)
    widget, gallery, counts = review(viewer), add(viewer, "Gallery of cells"), add(viewer, "Differential")
    gallery.refresh()
    gallery.view.grab()
    gallery.view.setFocus()
    for key in (Qt.Key.Key_Home, Qt.Key.Key_N):
        qtbot.keyClick(gallery.view, key)
    forgotten = [weakref.ref(widget.session), *(weakref.ref(layer) for layer in viewer.layers)]
    assert len(forgotten) == 5
    viewer.layers.clear()
    qtbot.waitUntil(lambda: widget.session is None, timeout=20_000)
    gallery.refresh()
    counts.refresh()
    qtbot.wait(100)
    gc.collect()
    assert [ref() for ref in forgotten] == [None] * 5
    assert gallery.view.model().rowCount() == 0
    qtbot.keyClick(gallery.view, Qt.Key.Key_Z)  # nothing is left to undo
