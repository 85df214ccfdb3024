"""How the review feels: milliseconds that a person waits, in a real window, with stand-in networks.

    xvfb-run -s "-screen 0 1400x900x24" python benchmarks/feel.py

Prints one line for each row of the table: a type key pressed among 500 cells, one painted cell of 300, a widget opened.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEventLoop
from qtpy.QtWidgets import QApplication

from napari_wbc._napari.origin import origin
from napari_wbc._napari.place import show_analysis
from napari_wbc.cells import Analysis, CellTable, RgbImage, Scale
from napari_wbc.config import CELL_TYPES
from napari_wbc.measure import measure
from napari_wbc.pipeline import Models

PITCH_PX, RADIUS_PX = 60, 22


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
    """Let the window work until something is so."""
    end = time.perf_counter() + seconds
    while not until() and time.perf_counter() < end:
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 10)


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
    start = time.perf_counter()
    session.labels.data_setitem((rows.ravel(), columns.ravel()), 0)
    wait(lambda: session.analysis.cells[150].outline_source == "human" and not session.waiting)
    found["painted cell of 300 measured and classified, ms"] = 1000 * (time.perf_counter() - start)
    viewer.close()
    return found


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.fakes import load_fakes

    for what, value in main(lambda **_: load_fakes()).items():
        print(f"{what:50s} {value:8.1f}")
