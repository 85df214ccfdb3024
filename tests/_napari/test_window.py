"""The widgets in a real window."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels
from napari.utils.notifications import NotificationSeverity, notification_manager
from PIL import Image as Pillow
from qtpy.QtWidgets import QLabel
from superqt.utils import WorkerBase

from napari_wbc._napari.calm import calm
from napari_wbc._napari.inputs import in_view, read_image
from napari_wbc._napari.jobs import KeptModels
from napari_wbc._napari.origin import NOBODY, MadeBy, made_by
from napari_wbc._napari.tool import LINES_PX
from napari_wbc._napari.training_widget import Curve
from napari_wbc._napari.widgets import ALL_IMAGES, IN_VIEW
from napari_wbc._napari.worker import JobPanel
from napari_wbc.cells import Field, Probabilities, RgbImage
from napari_wbc.config import TYPE_COLOURS, Settings
from napari_wbc.errors import CheckpointError, UsageError
from napari_wbc.pipeline import Models, Step, Steps, analyse
from tests._napari.seen import analysis_in
from tests.fakes import FakeClassifier, FakeSegmenter, load_fakes

pytestmark = pytest.mark.gui
DATA = Path(os.environ.get("NAPARI_WBC_DATA", Path(__file__).parents[3] / "shared" / "data"))
Opener = Callable[..., Any]


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any]) -> Any:
    return make_napari_viewer()


@pytest.fixture
def dock(viewer: Any) -> Opener:
    """A function that opens a widget of the manifest with stand-in networks."""

    def opened(name: str, load: Callable[..., Models] = lambda **_: load_fakes()) -> Any:
        _, widget = viewer.window.add_plugin_dock_widget("napari-wbc", name)
        widget.kept = KeptModels(load)
        return widget

    return opened


@pytest.fixture
def run(qtbot: Any) -> Callable[[Any], None]:
    """A function that presses Run and waits for the end."""

    def ran(widget: Any) -> None:
        widget.job.run_button.click()
        qtbot.waitUntil(lambda: not widget.job.running, timeout=60_000)

    return ran


def rows(layer: Labels) -> list[dict[str, Any]]:
    return [cell.as_row() for cell in analysis_in(layer).cells]


def check_equals_the_pipeline(viewer: Any, image: Image) -> None:
    expected = analyse(read_image(image)(), load_fakes())
    assert len(expected.cells) > 0
    labels, boxes = viewer.layers[f"{image.name} cells"], viewer.layers[f"{image.name} boxes"]
    np.testing.assert_array_equal(labels.data, expected.labels)
    assert rows(labels) == [cell.as_row() for cell in expected.cells]
    assert list(boxes.features["cell_id"]) == [cell.cell_id for cell in expected.cells]
    assert list(boxes.text.values) == [cell.cell_type for cell in expected.cells]
    for row, colour, cell in zip(boxes.data, boxes.edge_color, expected.cells, strict=True):
        y0, x0, y1, x1 = cell.box
        np.testing.assert_array_equal(
            row, [[y0 - 0.5, x0 - 0.5], [y0 - 0.5, x1 - 0.5], [y1 - 0.5, x1 - 0.5], [y1 - 0.5, x0 - 0.5]]
        )
        assert tuple(round(float(c) * 255) for c in colour[:3]) == tuple(bytes.fromhex(TYPE_COLOURS[cell.cell_type or ""][1:]))


def test_analyse_the_sample(viewer: Any, dock: Opener, run: Opener) -> None:
    (image,) = viewer.open_sample("napari-wbc", "drawn_smear")
    widget = dock("Analyse image")
    run(widget)
    check_equals_the_pipeline(viewer, image)
    status = widget.job.status.text()
    assert f"{len(viewer.layers['Drawn smear boxes'].data)} white blood cells" in status
    assert "fake segmenter on cpu" in status
    assert "(stated by the image)" in status
    run(widget)
    assert len(viewer.layers) == 3


def test_analyse_a_real_field(viewer: Any, dock: Opener, run: Opener) -> None:
    files = sorted((DATA / "bccd" / "images").glob("*.jpg"))
    if not files:
        pytest.skip(f"no real fields under {DATA}; set NAPARI_WBC_DATA")
    (image,) = viewer.open(files[0], plugin="napari-wbc")
    run(dock("Analyse image"))
    check_equals_the_pipeline(viewer, image)


def test_segment_crop_classify_is_analyse(viewer: Any, dock: Opener, run: Opener) -> None:
    (image,) = viewer.open_sample("napari-wbc", "drawn_smear")
    run(dock("Segment cells"))
    dock("Crop boxes").job.run_button.click()
    assert [layer.name for layer in viewer.layers] == ["Drawn smear", "Drawn smear cells", "Drawn smear boxes"]
    assert viewer.layers[2].text.values[0] == "1"
    run(dock("Classify cells"))
    check_equals_the_pipeline(viewer, image)
    widget = dock("Segment cells")
    widget.basic.editors["um_per_px"].setValue(0.12)
    run(widget)
    run(dock("Classify cells"))
    assert made_by(viewer.layers["Drawn smear cells"]) == MadeBy.of(load_fakes(), Settings(um_per_px=0.12))


def test_no_segmenter_is_said_to_have_made_what_a_person_drew(viewer: Any, dock: Opener, run: Opener) -> None:
    (image,) = viewer.open_sample("napari-wbc", "drawn_smear")
    drawn = viewer.add_labels(analyse(read_image(image)(), load_fakes()).labels.copy())
    widget = dock("Classify cells")
    run(widget)
    models = load_fakes()
    assert made_by(drawn) == MadeBy(NOBODY, MadeBy.of(models, Settings()).classifier, Settings(), "cpu")
    assert "Outlines:" not in widget.job.status.text()
    assert "Types: fake classifier on cpu" in widget.job.status.text()


def test_a_dock_is_as_wide_as_what_is_inside_and_a_scroll_bar(make_napari_viewer: Opener, qtbot: Any) -> None:
    viewer = make_napari_viewer(show=True)
    narrow = QLabel("narrow")
    dock = viewer.window.add_dock_widget(narrow)
    qtbot.waitUntil(narrow.isVisible, timeout=10_000)
    viewer.window.remove_dock_widget(dock)  # Qt leaves the side of the window as wide as this was
    _, widget = viewer.window.add_plugin_dock_widget("napari-wbc", "Review cells")
    qtbot.waitUntil(lambda: widget.verticalScrollBar().isVisible(), timeout=10_000)
    inside, bar = widget.widget().sizeHint().width(), widget.verticalScrollBar().sizeHint().width()
    assert widget.sizeHint().width() == inside + bar + LINES_PX
    qtbot.waitUntil(lambda: widget.viewport().width() >= inside, timeout=10_000)
    assert not widget.horizontalScrollBar().isVisible()


def test_settings_of_the_form_are_used(viewer: Any, dock: Opener, run: Opener) -> None:
    (image,) = viewer.open_sample("napari-wbc", "drawn_smear")
    widget = dock("Analyse image")
    assert widget.settings() == Settings()
    widget.basic.editors["um_per_px"].setValue(0.12)
    widget.advanced.editors["min_area_px"].setValue(5000)
    settings = Settings(um_per_px=0.12, min_area_px=5000)
    assert widget.settings() == settings
    run(widget)
    expected = analyse(read_image(image)(), load_fakes(), settings)
    np.testing.assert_array_equal(viewer.layers["Drawn smear cells"].data, expected.labels)
    assert "0.12 µm (set by you)" in widget.job.status.text()


def test_all_open_images_are_analysed(viewer: Any, dock: Opener, run: Opener) -> None:
    images = [viewer.open_sample("napari-wbc", "drawn_smear")[0] for _ in range(2)]
    widget = dock("Analyse image")
    widget.over.setCurrentText(ALL_IMAGES)
    run(widget)
    for image in images:
        check_equals_the_pipeline(viewer, image)
        assert f"{image.name}: " in widget.job.status.text()


def test_an_image_that_cannot_be_analysed_does_not_lose_the_others(viewer: Any, dock: Opener, run: Opener) -> None:
    first = viewer.open_sample("napari-wbc", "drawn_smear")[0]
    viewer.add_image(np.full((64, 64), np.nan), name="empty", contrast_limits=(0, 1))
    viewer.add_image(np.zeros((3, 64, 64), np.uint8), name="stack")
    last = viewer.open_sample("napari-wbc", "drawn_smear")[0]
    widget = dock("Analyse image")
    widget.over.setCurrentText(ALL_IMAGES)
    run(widget)
    for image in (first, last):
        check_equals_the_pipeline(viewer, image)
    said = widget.job.status.text().split("\n\n")
    assert [text.split(":")[0] for text in said] == [first.name, "empty", "stack", last.name]
    assert "Layer 'empty'" in said[1]
    assert "3 dimensions" in said[2]


def test_what_is_in_view_is_analysed(viewer: Any, dock: Opener, run: Opener, qtbot: Any) -> None:
    (image,) = viewer.open_sample("napari-wbc", "drawn_smear")
    viewer.show()
    camera = viewer.scene.camera
    camera.zoom *= 3
    camera.center = (0, 120, 160)
    qtbot.wait(200)
    part = in_view(image)
    assert 0 < part.height < image.data.shape[0]
    widget = dock("Analyse image")
    widget.over.setCurrentText(IN_VIEW)
    run(widget)
    found = viewer.layers["Drawn smear cells"].data
    expected = analyse(Field(read_image(image)().pixels[part.slices], 0.1), load_fakes())
    np.testing.assert_array_equal(found[part.slices], expected.labels)
    assert np.count_nonzero(found) == np.count_nonzero(expected.labels)
    camera.center = (0, 50_000, 50_000)
    qtbot.wait(200)
    run(widget)
    assert "Nothing of layer 'Drawn smear' is in view" in widget.job.status.text()


@pytest.mark.parametrize("name", sorted(Settings.model_fields.keys() - {"max_megapixels"}))
def test_a_setting_has_a_label_a_range_and_a_tooltip(dock: Opener, name: str) -> None:
    widget = dock("Analyse image")
    editor = (widget.basic.editors | widget.advanced.editors)[name]
    assert editor.toolTip() == Settings.model_fields[name].description
    assert editor.accessibleName()
    schema = Settings.model_json_schema()["properties"][name]
    bounds: dict[str, Any] = next((part for part in schema.get("anyOf", [schema]) if "maximum" in part), {})
    if bounds:
        assert editor.maximum() == bounds["maximum"]
        assert editor.minimum() == bounds.get("minimum", bounds.get("exclusiveMinimum"))


class SlowSegmenter(FakeSegmenter):
    """Takes a while for each tile."""

    def __init__(self) -> None:
        self.tiles = 0

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        self.tiles += 1
        time.sleep(0.2)
        return [np.zeros((2, *image.shape[:2]), np.float32) for image in images]


def big_image(viewer: Any) -> Image:
    image: Image = viewer.add_image(
        np.full((4000, 5000, 3), 230, np.uint8), rgb=True, name="big", metadata={"napari_wbc": {"um_per_px": 0.17}}
    )
    return image


def test_cancel_works_at_the_next_tile_and_the_window_answers(viewer: Any, dock: Opener, qtbot: Any) -> None:
    big_image(viewer)
    slow = SlowSegmenter()
    widget = dock("Analyse image", lambda **_: Models(slow, FakeClassifier()))
    widget.job.run_button.click()
    assert widget.job.progress.isHidden()  # yet: a quick job shows none
    qtbot.waitUntil(lambda: slow.tiles >= 3 and not widget.job.progress.isHidden(), timeout=20_000)
    assert not widget.job.run_button.isEnabled()
    assert widget.job.progress.format() == "segment: %v of %m"
    widget.job.cancel_button.click()
    assert widget.job.progress.isHidden()
    begun = slow.tiles
    assert widget.job.status.text() == "Cancelled"
    qtbot.waitUntil(lambda: not widget.job.running, timeout=20_000)
    assert slow.tiles <= begun + 1
    assert widget.job.status.text() == "Cancelled"
    assert widget.job.run_button.isEnabled()
    assert len(viewer.layers) == 1
    tiles = slow.tiles
    qtbot.wait(500)
    assert slow.tiles == tiles


@pytest.mark.parametrize("ending", ["dock", "image"])
def test_what_is_closed_meanwhile_gets_no_result(viewer: Any, dock: Opener, qtbot: Any, ending: str) -> None:
    image = viewer.add_image(np.full((50, 60, 3), 230, np.uint8), rgb=True, name="small")
    started, go = threading.Event(), threading.Event()

    def load(**_: str) -> Models:
        started.set()
        assert go.wait(20)
        return load_fakes()

    widget = dock("Analyse image", load)
    widget.job.run_button.click()
    qtbot.waitUntil(started.is_set, timeout=20_000)
    if ending == "image":
        viewer.layers.remove(image)
    else:
        viewer.window.remove_dock_widget(widget)
    go.set()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=20_000)
    assert len(viewer.layers) == (0 if ending == "image" else 1)
    assert widget.job.status.text() == (
        "Cancelled" if ending == "dock" else "Layer 'small' was closed while it was analysed; the result is not shown."
    )


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            CheckpointError("wbc.safetensors: the file is damaged. Download it again."),
            "wbc.safetensors: the file is damaged. Download it again.",
        ),
        (
            RuntimeError("mat1 and mat2 do not fit"),
            "Unexpected error, please report it: RuntimeError: mat1 and mat2 do not fit",
        ),
    ],
)
def test_an_error_is_one_sentence(viewer: Any, dock: Opener, run: Opener, caplog: Any, error: Exception, shown: str) -> None:
    viewer.add_image(np.full((50, 60, 3), 230, np.uint8), rgb=True)

    def load(**_: str) -> Models:
        raise error

    widget = dock("Analyse image", load)
    before = len(notification_manager.records)
    with caplog.at_level(logging.ERROR, logger="napari_wbc"):
        run(widget)
    notes = list(notification_manager.records)[before:]
    assert [(note.severity, note.message) for note in notes] == [(NotificationSeverity.ERROR, shown)]
    assert widget.job.status.text() == shown
    assert widget.job.run_button.isEnabled()
    assert ("Traceback" in caplog.text) == isinstance(error, RuntimeError)


def test_without_an_image_it_says_what_to_do(dock: Opener, run: Opener) -> None:
    widget = dock("Analyse image")
    run(widget)
    assert "Open an image first" in widget.job.status.text()


def test_the_choice_follows_the_layers(viewer: Any, dock: Opener) -> None:
    first = viewer.add_image(np.zeros((9, 9, 3), np.uint8), rgb=True, name="first")
    second = viewer.add_image(np.zeros((9, 9, 3), np.uint8), rgb=True, name="second")
    viewer.layers.selection.active = second
    widget = dock("Analyse image")
    assert widget.image.value is second
    third = viewer.add_image(np.zeros((9, 9, 3), np.uint8), rgb=True, name="third")
    viewer.add_labels(np.zeros((9, 9), int))
    assert list(widget.image.choices) == [first, second, third]
    assert widget.image.value is second
    viewer.layers.remove(second)
    assert widget.image.value is first


def test_a_closed_widget_is_forgotten(viewer: Any, dock: Opener, run: Opener, qtbot: Any) -> None:
    viewer.open_sample("napari-wbc", "drawn_smear")
    widget = dock("Analyse image")
    run(widget)
    forgotten = weakref.ref(widget)
    viewer.window.remove_dock_widget(widget)
    del widget
    qtbot.wait(100)
    gc.collect()
    assert forgotten() is None


def test_closing_the_window_ends_the_job(viewer: Any, dock: Opener, qtbot: Any) -> None:
    big_image(viewer)
    slow = SlowSegmenter()
    widget = dock("Analyse image", lambda **_: Models(slow, FakeClassifier()))
    widget.job.run_button.click()
    qtbot.waitUntil(lambda: slow.tiles >= 2, timeout=20_000)
    viewer.close()
    qtbot.waitUntil(lambda: not WorkerBase._worker_set, timeout=20_000)
    assert slow.tiles < 10


def test_a_cancelled_job_is_closed_at_its_next_step(qtbot: Any) -> None:
    panel = JobPanel("Run")
    qtbot.addWidget(panel)
    closed, go = threading.Event(), threading.Event()

    def steps() -> Steps[int]:
        try:
            for i in range(1000):
                yield Step("count", i, 1000)
                assert go.wait(20)
        finally:
            closed.set()
        return 1

    shown: list[int] = []

    def show(result: int) -> str:
        shown.append(result)
        return "shown"

    panel.start(steps(), show)
    qtbot.waitUntil(lambda: panel.progress.format() == "count: %v of %m", timeout=20_000)
    panel.cancel_button.click()
    go.set()
    qtbot.waitUntil(lambda: not panel.running, timeout=20_000)
    assert closed.is_set()
    assert shown == []


@pytest.mark.parametrize("ending", ["done", "error", "cancel", "closed"])
def test_garbage_is_collected_again_however_a_job_ends(qtbot: Any, ending: str) -> None:
    panel, go = JobPanel("Run"), threading.Event()

    def steps() -> Steps[int]:
        with calm():
            yield Step("load", 0, 1)
        assert go.wait(20)
        yield Step("work", 0, 1)
        if ending == "error":
            raise UsageError("Wrong.")
        return 1

    panel.start(steps(), lambda _: "")
    qtbot.waitUntil(lambda: gc.get_freeze_count() > 0, timeout=20_000)
    if ending == "cancel":
        panel.cancel()
    elif ending == "closed":
        panel.deleteLater()
    go.set()
    qtbot.waitUntil(lambda: not WorkerBase._worker_set, timeout=20_000)
    qtbot.waitUntil(lambda: gc.get_freeze_count() == 0, timeout=20_000)
    if ending != "closed":
        panel.deleteLater()


def test_the_curve_of_a_training_is_as_wide_as_the_dock(qtbot: Any, tmp_path: Path) -> None:
    curve = Curve()
    qtbot.addWidget(curve)
    Pillow.new("RGB", (800, 400)).save(tmp_path / "curve.png")
    curve.setFixedWidth(250)
    curve.show_file(tmp_path / "missing.png")
    assert curve.pixmap().isNull()
    curve.show_file(tmp_path / "curve.png")
    assert (curve.pixmap().width(), curve.pixmap().height()) == (250, 125)
