"""How the review feels: milliseconds that a person waits, in a real window.

    xvfb-run -s "-screen 0 1400x900x24" python benchmarks/feel.py [RESULTS]
    xvfb-run -s "-screen 0 1400x900x24" python benchmarks/feel.py --stall [IMAGE]

Prints one line for each row of the table: a type key pressed among 500 cells, a step of the zoom, one painted cell of 300, a
widget opened; and, with the bundled models, one field from click to boxes. The cells are discs and the networks stand-ins; with
RESULTS they are those of the first image of that results folder, and the networks are the bundled ones. With `--stall`: the
longest stalls of the window while these analyse 20 megapixels of a drawn smear, or IMAGE (minutes).
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import napari
import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

from napari_wbc._napari.jobs import load_models
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


def wait_for(until: Callable[[], bool], seconds: float = 120) -> None:
    """`wait`, and no figure if it is not so in time."""
    wait(until, seconds)
    if not until():
        raise TimeoutError(f"not so after {seconds} s")


Show: TypeAlias = Callable[[napari.Viewer], Labels]
"""Puts an image and its cells into a window."""


def discs(n_cells: int) -> Show:
    """So many discs, analysed."""

    def show(viewer: napari.Viewer) -> Labels:
        pixels, analysis = field(n_cells)
        return show_analysis(viewer.layers, viewer.add_image(pixels, rgb=True, name="field"), analysis)

    return show


def first_of(results: Path) -> Show:
    """The first image of a results folder."""

    def show(viewer: napari.Viewer) -> Labels:
        return next(layer for layer in viewer.open(results, plugin="napari-wbc") if isinstance(layer, Labels))

    return show


def opened(show: Show, load: Callable[..., Models]) -> tuple[Any, Any, float]:
    """A window with a review, its widget, and the seconds that the widget took to open."""
    viewer = napari.Viewer(show=True)
    show(viewer)
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


def zoom_steps(viewer: Any, times: int = 10) -> list[float]:
    """Milliseconds of processor time that steps of the zoom take, painting and all."""
    took = []
    for _ in range(times):
        start = time.thread_time()
        viewer.scene.camera.zoom *= 1.05
        QApplication.processEvents()
        took.append(1000 * (time.thread_time() - start))
    return took


def erased(session: Any, row: int, inset_px: int) -> None:
    """Erase a strip of a cell."""
    box = session.analysis.cells[row].box
    rows, columns = np.mgrid[box.y0 + inset_px : box.y0 + inset_px + 8, box.x0 : box.x1]
    session.labels.data_setitem((rows.ravel(), columns.ravel()), 0)


def main(many: Show, fewer: Show, load: Callable[..., Models]) -> dict[str, float]:
    """Measure all: the keys among many cells, the brush among fewer."""
    viewer, widget, took = opened(many, load)
    cells = widget.session.analysis.cells
    found = {"widget opened, ms": 1000 * took}
    widget.session.selection.select([cells[len(cells) // 2].cell_id])
    key(widget, "B")
    found[f"type key among {len(cells)} cells, ms"] = median(key(widget, letter) for letter in "ELMNBELMNB")
    found[f"step of the zoom among {len(cells)} cells, ms"] = median(zoom_steps(viewer))
    viewer.close()
    viewer, widget, _ = opened(fewer, load)
    session = widget.session
    n, row = len(session.analysis.cells), len(session.analysis.cells) // 2
    key(widget, "F")

    def erase_and_wait(row: int) -> None:
        before = session.analysis.labels
        erased(session, row, 0)
        wait_for(lambda: session.analysis.labels is not before and not session.waiting and not widget.job.running)

    erase_and_wait(0)  # the first loads the models
    wait(lambda: False, 1)
    start, busy = time.perf_counter(), time.process_time()
    erase_and_wait(row)
    found[f"painted cell of {n} measured and classified, ms"] = 1000 * (time.perf_counter() - start)
    found["the same, ms of processor time"] = 1000 * (time.process_time() - busy)
    widget._timer.stop()
    erased(session, row, 10)
    start = time.thread_time()
    session.sync()
    found[f"painted cell of {n} measured, ms of processor time"] = 1000 * (time.thread_time() - start)
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
        wait_for(lambda: not widget.job.running, 600)
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


def stalls(image: Path | None, side_px: tuple[int, int] = (3650, 5480)) -> dict[str, float]:
    """Longest stalls of the window, ms: idle, while an image, or a drawn smear, is analysed, and when its layers appear."""
    viewer = napari.Viewer(show=True)
    if image is None:
        ((small, stated, _),) = drawn_smear()
        times = [-(-side // part) for side, part in zip(side_px, small.shape, strict=False)]
        viewer.add_image(np.tile(small, (*times, 1))[: side_px[0], : side_px[1]], **stated)
    else:
        viewer.open(image, plugin="napari-wbc")
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
    wait_for(lambda: not widget.job.running, 3600)
    wait(lambda: False, 1)
    print(widget.job.status.text())
    viewer.close()
    return {f"longest stall, {phase}": value for phase, value in beat.longest.items()}


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.fakes import load_fakes

    place = next((Path(said) for said in sys.argv[1:] if said != "--stall"), None)
    with TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state  # what is kept of unsaved work is not mixed with the user's
        if "--stall" in sys.argv:
            measured = stalls(place)
        elif place is not None:
            measured = main(first_of(place), first_of(place), load_models) | one_field()
        else:
            measured = main(discs(500), discs(300), lambda **_: load_fakes()) | one_field()
        for what, value in measured.items():
            print(f"{what:72s} {value:8.1f}")
