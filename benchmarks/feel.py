"""How the review feels: milliseconds that a person waits, in a real window, with stand-in networks.

    xvfb-run -s "-screen 0 1400x900x24" python benchmarks/feel.py

Prints one line for each row of the table: a type key pressed among 500 cells, one painted cell of 300, a widget opened; and,
with the bundled models, one field from click to boxes. With `--stall`: the longest stalls of the window while these models
analyse 20 megapixels (minutes).
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer

from napari_wbc._napari.origin import origin
from napari_wbc._napari.replacing import show_analysis
from napari_wbc._napari.samples import drawn_smear
from napari_wbc.cells import Analysis, CellTable, RgbImage, Scale
from napari_wbc.config import CELL_TYPES
from napari_wbc.measure import measure
from napari_wbc.pipeline import Models
from napari_wbc.synthetic import draw_field

PITCH_PX, RADIUS_PX = 60, 22
BEAT_MS, ASK_MS = 10, 2


def field(n_cells: int) -> tuple[RgbImage, Analysis]:
    """Discs in rows of 25, measured and named."""
    shape = (PITCH_PX * (n_cells // 25), PITCH_PX * 25)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    half = PITCH_PX // 2
    disc = (rows % PITCH_PX - half) ** 2 + (columns % PITCH_PX - half) ** 2 < RADIUS_PX**2
    labels = np.where(disc, rows // PITCH_PX * 25 + columns // PITCH_PX + 1, 0).astype(np.int32)
    labels.flags.writeable = False
    pixels = np.where(disc[..., None], (120, 50, 180), (235, 225, 230)).astype(np.uint8)
    cells = CellTable(tuple(measure(pixels, labels, {}, 0.2)))
    said = {"p": (0.2,) * 5, "margin": 0.0, "none_of_five_score": 0.0, "segmentation_score": 0.9}
    named = [dataclasses.replace(cell, cell_type=CELL_TYPES[cell.cell_id % 5], **said) for cell in cells]  # type: ignore[arg-type]
    return pixels, Analysis(labels, CellTable(tuple(named)), Scale(0.2, 1.0, "file"))


def wait(until: Callable[[], bool], seconds: float = 60) -> None:
    """Let the window work, as it does for a person, until something is so; it is asked every few milliseconds."""
    end = time.perf_counter() + seconds
    loop, timer = QEventLoop(), QTimer()
    timer.timeout.connect(lambda: loop.quit() if until() or time.perf_counter() > end else None)
    timer.start(ASK_MS)
    loop.exec()


def opened(n_cells: int, load: Callable[..., Models]) -> tuple[Any, Any, float]:
    """A window with a review of so many cells, its widget, and the seconds that the widget took to open."""
    viewer = napari.Viewer(show=True)
    pixels, analysis = field(n_cells)
    image = viewer.add_image(pixels, rgb=True, name="field")
    labels = show_analysis(viewer.layers, image, analysis)
    assert origin(labels) is not None
    start = time.perf_counter()
    _, widget = viewer.window.add_plugin_dock_widget("napari-wbc", "Review cells")
    took = time.perf_counter() - start
    widget.kept._load = load
    for name in ("Differential", "Gallery of cells"):
        viewer.window.add_plugin_dock_widget("napari-wbc", name)
    widget.job.run_button.click()
    wait(lambda: False, 2)
    return viewer, widget, took


def key(widget: Any, letter: str) -> float:
    """Milliseconds of processor time that the handler of a key takes."""
    labels = widget.session.labels
    action = next(action for bound, action in labels.keymap.items() if str(bound) == f"Shift+{letter}")
    start = time.thread_time()
    action(labels)
    return 1000 * (time.thread_time() - start)


def main(load: Callable[..., Models]) -> dict[str, float]:
    """Measure all."""
    viewer, widget, took = opened(500, load)
    found = {"widget opened, ms": 1000 * took}
    widget.session.selection.select([250])
    key(widget, "B")
    found["type key among 500 cells, ms"] = median(key(widget, letter) for letter in "ELMNBELMNB")
    viewer.close()
    viewer, widget, _ = opened(300, load)
    session = widget.session
    key(widget, "F")
    wait(lambda: False, 1)
    box = session.analysis.cells[150].box
    rows, columns = np.mgrid[box.y0 : box.y0 + 8, box.x0 : box.x1]
    start, busy = time.perf_counter(), time.process_time()
    session.labels.data_setitem((rows.ravel(), columns.ravel()), 0)
    wait(lambda: session.analysis.cells[150].outline_source == "human" and not session.waiting)
    found["painted cell of 300 measured and classified, ms"] = 1000 * (time.perf_counter() - start)
    found["the same, ms of processor time"] = 1000 * (time.process_time() - busy)
    widget._timer.stop()
    session.labels.data_setitem((rows.ravel() + 10, columns.ravel()), 0)
    start = time.thread_time()
    session.sync()
    found["painted cell of 300 measured, ms of processor time"] = 1000 * (time.thread_time() - start)
    viewer.close()
    return found


def one_field(times: int = 7) -> dict[str, float]:
    """From the click on *Analyse image* to the boxes in the window, of one drawn field of 720 × 576 px, models loaded."""
    viewer = napari.Viewer(show=True)
    drawn = draw_field(np.random.default_rng(1), shape=(576, 720), n_cells=3, um_per_px=0.1)
    _, widget = viewer.window.add_plugin_dock_widget("napari-wbc", "Analyse image")
    took, busy = [], []
    for _ in range(times + 1):  # the first loads the models
        viewer.layers.clear()
        viewer.add_image(drawn.image.copy(), rgb=True, name="field", metadata={"napari_wbc": {"um_per_px": 0.1}})
        wait(lambda: False, 1)
        start, processor = time.perf_counter(), time.process_time()
        widget.job.run_button.click()
        wait(lambda: not widget.job.running, 600)
        viewer.screenshot(canvas_only=True, flash=False)  # painted
        took.append(1000 * (time.perf_counter() - start))
        busy.append(1000 * (time.process_time() - processor))
    print(widget.job.status.text())
    viewer.close()
    return {
        "one field from click to boxes, painted, median, ms": median(took[1:]),
        "the same, quickest, ms": min(took[1:]),
        "the same, median, ms of processor time": median(busy[1:]),
    }


class HeartBeat:
    """The longest time between two turns of the event loop, ms by the clock and of this thread's processor time, by phase."""

    def __init__(self) -> None:
        self.longest: dict[str, float] = {}
        self.phase, self._last = "", (time.perf_counter(), time.thread_time())
        self._timer = QTimer()
        self._timer.timeout.connect(self.beat)
        self._timer.start(BEAT_MS)

    def beat(self) -> None:
        """The event loop has had a turn."""
        now = time.perf_counter(), time.thread_time()
        for kind, start, end in zip(("ms", "ms of processor time"), self._last, now, strict=True):
            phase = f"{self.phase}, {kind}"
            self.longest[phase] = max(self.longest.get(phase, 0), 1000 * (end - start))
        self._last = now


def stalls(side_px: tuple[int, int] = (3650, 5480)) -> dict[str, float]:
    """Longest stalls of the window, ms: idle, while a smear is analysed, and when its layers appear."""
    viewer = napari.Viewer(show=True)
    ((small, stated, _),) = drawn_smear()
    times = [-(-side // part) for side, part in zip(side_px, small.shape, strict=False)]
    viewer.add_image(np.tile(small, (*times, 1))[: side_px[0], : side_px[1]], **stated)
    _, widget = viewer.window.add_plugin_dock_widget("napari-wbc", "Analyse image")
    beat = HeartBeat()
    beat.phase = "idle"
    wait(lambda: False, 3)
    show = widget._show

    def appear(*arguments: Any) -> str:
        beat.beat()
        beat.phase = "layers appear"
        return str(show(*arguments))

    widget._show = appear
    on_step = widget.job._on_step

    def step(at: Any) -> None:
        beat.beat()
        beat.phase = at.stage
        on_step(at)

    widget.job._on_step = step
    widget.job.run_button.click()
    wait(lambda: not widget.job.running, 3600)
    wait(lambda: False, 1)
    print(widget.job.status.text())
    viewer.close()
    return {f"longest stall of 20 megapixels, {phase}": value for phase, value in beat.longest.items()}


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.fakes import load_fakes

    with TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state  # what is kept of unsaved work is not mixed with the user's
        measured = stalls() if "--stall" in sys.argv else main(lambda **_: load_fakes()) | one_field()
        for what, value in measured.items():
            print(f"{what:72s} {value:8.1f}")
