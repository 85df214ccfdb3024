"""Take the pictures of the window for README and docs, of drawn smears only.

    NAPARI_CONFIG=$(mktemp -u --suffix .yaml) xvfb-run -s "-screen 0 1400x900x24" python docs/images/make.py [IMAGE PICTURE.png]

With an image, the window after *Analyse image* on that one is saved to PICTURE.png instead.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_wbc.synthetic import draw_field

HERE = Path(__file__).parent


def wait(seconds: float) -> None:
    """Let the window work."""
    loop = QEventLoop()
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()


def run(widget: Any) -> None:
    """Press Run and wait for the end."""
    widget.job.run_button.click()
    while widget.job.running:
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 50)


def picture(target: Path, image: str | None = None) -> None:
    """The window after *Analyse image*."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 900)
    _, widget = viewer.window.add_plugin_dock_widget("napari-wbc", "Analyse image")
    if image is None:
        viewer.open_sample("napari-wbc", "drawn_smear")
    else:
        viewer.open(image, plugin="napari-wbc")
    run(widget)
    viewer.reset_view()
    wait(1.5)
    viewer.screenshot(str(target), canvas_only=False, flash=False)
    viewer.close()


def picture_of_review(target: Path) -> None:
    """The window in a review, with counts and gallery beside the image."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1600, 1150)
    drawn = draw_field(np.random.default_rng(3), shape=(700, 900), n_cells=9, um_per_px=0.1)
    viewer.add_image(drawn.image.copy(), rgb=True, name="Drawn smear", metadata={"napari_wbc": {"um_per_px": 0.1}})
    dock, widget = viewer.window.add_plugin_dock_widget("napari-wbc", "Analyse image")
    run(widget)
    viewer.window.remove_dock_widget(dock)
    _, gallery = viewer.window.add_plugin_dock_widget("napari-wbc", "Gallery of cells")
    _, review = viewer.window.add_plugin_dock_widget("napari-wbc", "Review cells")
    counts, _ = viewer.window.add_plugin_dock_widget("napari-wbc", "Differential", tabify=True)
    viewer.window._qt_window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, counts)
    review.reader.setText("Ada")
    review.job.run_button.click()
    for _ in range(3):
        review.session.selection.step(1)
        review.session.confirm()
    review.session.selection.step(1)
    review.names.own.setText("Pelger-Huët")
    review.names.own.returnPressed.emit()
    viewer.reset_view()
    gallery.refresh()
    wait(2)
    viewer.screenshot(str(target), canvas_only=False, flash=False)
    viewer.close()


if __name__ == "__main__":
    with TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state  # what is kept of unsaved work is not mixed with the user's
        if len(sys.argv) == 3:
            picture(Path(sys.argv[2]), sys.argv[1])
        else:
            picture(HERE / "analyse-image.png")
            picture_of_review(HERE / "review.png")
