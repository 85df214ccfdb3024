"""*Train a model* in a real window."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from napari_wbc._napari import jobs, training_widget
from napari_wbc.pipeline import Step, Steps
from napari_wbc.results.summary import Learnable

pytestmark = pytest.mark.gui


@pytest.fixture
def widget(make_napari_viewer: Callable[..., Any]) -> Any:
    return make_napari_viewer().window.add_plugin_dock_widget("napari-wbc", "Train a model")[1]


def test_folders_are_counted_beside_the_window(
    widget: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, threads = threading.Event(), []

    def slow(folders: list[Path]) -> Learnable:
        threads.append(threading.current_thread())
        assert go.wait(60)
        return Learnable({"blast": len(folders)}, 0)

    monkeypatch.setattr(training_widget, "learnable", slow)
    widget.add(tmp_path / "a")
    widget.add(tmp_path / "b")
    assert widget.job.status.text().startswith("Wait for what runs here")
    go.set()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=60_000)
    widget.add(tmp_path / "b")
    qtbot.waitUntil(lambda: not widget.job.running, timeout=60_000)
    assert widget.data() == (tmp_path / "a", tmp_path / "b")
    assert widget.found.text().startswith("Cells named by a person: 2 blast.")
    assert threading.main_thread() not in threads


@pytest.mark.parametrize("stop", ["empty", "cancel"])
def test_a_folder_is_not_added_when_its_counting_is_stopped(
    widget: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    go = threading.Event()
    monkeypatch.setattr(training_widget, "learnable", lambda folders: Learnable({"blast": len(folders)}, int(not go.wait(60))))
    widget.folders.addItem(str(tmp_path / "a"))
    widget.found.setText("what a has")
    widget.add(tmp_path / "b")
    if stop == "empty":
        widget.empty()
    else:
        widget.job.cancel_button.click()
    go.set()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=60_000)
    assert widget.job.status.text() == f"{tmp_path / 'b'} is not added."
    assert widget.data() == (() if stop == "empty" else (tmp_path / "a",))
    assert widget.found.text() == ("No folder yet." if stop == "empty" else "what a has")


def test_emptying_the_list_stops_no_training(widget: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    def trained(*_: object) -> Steps[str]:
        yield Step("train", 0, 1)
        assert go.wait(60)
        return "trained"

    monkeypatch.setattr(jobs, "train", trained)
    monkeypatch.setattr(training_widget, "learnable", lambda folders: Learnable({}, 0))
    widget.add(tmp_path)
    qtbot.waitUntil(lambda: not widget.job.running, timeout=60_000)
    widget.model.setText(str(tmp_path / "mine.safetensors"))
    widget.job.run_button.click()
    widget.empty()
    go.set()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=60_000)
    assert widget.job.status.text() == "trained"


def test_the_name_of_the_model_file_may_be_changed_while_it_is_trained(
    widget: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(*_: object) -> Steps[str]:
        yield Step("train", 0, 1)
        return "trained"

    monkeypatch.setattr(jobs, "train", trained)
    widget.folders.addItem(str(tmp_path))
    widget.model.setText(str(tmp_path / "mine.safetensors"))
    widget.job.run_button.click()
    widget.model.clear()
    widget._show_curve()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=60_000)
    assert widget.job.status.text() == "trained"
