"""The ten steps of docs/walkthrough.md in a real window, with stand-in networks; the training itself is tested elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_wbc._napari.jobs import KeptModels
from napari_wbc._napari.saving import save
from tests.fakes import load_fakes

pytestmark = pytest.mark.gui


def test_ten_steps(make_napari_viewer: Callable[..., Any], qtbot: Any, tmp_path: Path) -> None:
    viewer = make_napari_viewer()

    def opened(name: str) -> Any:
        widget = viewer.window.add_plugin_dock_widget("napari-wbc", name)[1]
        if hasattr(widget, "kept"):
            widget.kept = KeptModels(lambda **_: load_fakes())
        return widget

    viewer.open_sample("napari-wbc", "drawn_smear")  # 1
    analyse = opened("Analyse image")  # 2
    analyse.job.run_button.click()
    qtbot.waitUntil(lambda: not analyse.job.running, timeout=120_000)
    review = opened("Review cells")  # 3
    review.reader.setText("Ada")
    review.job.run_button.click()
    session = review.session
    canvas = viewer.window._qt_window._qt_viewer.canvas.native
    shift, control = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
    qtbot.keyClick(canvas, Qt.Key.Key_F, shift)  # 4
    assert review.cell.text().startswith("Cell 1: ")
    n = len(session.analysis.cells)
    qtbot.keyClick(canvas, Qt.Key.Key_X, shift)  # 5
    qtbot.waitUntil(lambda: not session.waiting and not review.job.running, timeout=120_000)
    assert len(session.analysis.cells) == n + 1
    qtbot.keyClick(canvas, Qt.Key.Key_Z, control)
    qtbot.keyClick(canvas, Qt.Key.Key_M, shift)  # 6
    assert session.analysis.cells[0].cell_type == "monocyte"
    qtbot.keyClick(canvas, Qt.Key.Key_C, shift)
    assert session.selection.ids == (2,)
    gallery = opened("Gallery of cells")  # 7
    gallery.refresh()
    qtbot.keyClick(gallery.view, Qt.Key.Key_Home)
    for _ in range(n):
        qtbot.keyClick(gallery.view, Qt.Key.Key_N)
    counts = opened("Differential")  # 8
    counts.wbc.setValue(8)
    counts.copy()
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    assert f"{n} cells counted" in clipboard.text()
    assert "8.00" in clipboard.text()
    review.files.vouch.click()  # 9
    save(session, tmp_path / "out")
    viewer.layers.clear()
    viewer.open(tmp_path / "out", plugin="napari-wbc")
    assert [layer.name for layer in viewer.layers] == ["Drawn smear", "Drawn smear cells", "Drawn smear boxes"]
    assert set(viewer.layers[1].features["cell_type"][1:]) == {"neutrophil"}
    train = opened("Train a model")  # 10
    train.add(tmp_path / "out")
    qtbot.waitUntil(lambda: not train.job.running, timeout=30_000)
    assert train.found.text() == f"Cells named by a person: {n} neutrophil.\nImages that a person vouches for: 1."
    train.job.run_button.click()
    assert "name the model file" in train.job.status.text()
    train.model.setText(str(tmp_path / "mine.safetensors"))
    train.use.click()
    assert "no such model file" in train.job.status.text()
    (tmp_path / "mine.safetensors").touch()
    train.use.click()
    assert review.models.models["classifier"].text() == str(tmp_path / "mine.safetensors")
    assert review.models.models["segmenter"].text() == "default"
