"""Take the pictures of the window for README and docs, of drawn smears only.

    xvfb-run -s "-screen 0 1400x900x24" python docs/images/make.py [IMAGE PICTURE.png]

With an image, the window after *Analyse image* on that one is saved to PICTURE.png instead.
"""

from __future__ import annotations

import sys
from pathlib import Path

import napari
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

HERE = Path(__file__).parent


def picture(target: Path, image: str | None = None) -> None:
    """The window after *Analyse image*."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 900)
    _, widget = viewer.window.add_plugin_dock_widget("napari-wbc", "Analyse image")
    if image is None:
        viewer.open_sample("napari-wbc", "drawn_smear")
    else:
        viewer.open(image, plugin="napari-wbc")
    widget.job.run_button.click()
    while widget.job.running:
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 50)
    viewer.reset_view()
    wait = QEventLoop()
    QTimer.singleShot(1500, wait.quit)
    wait.exec()
    viewer.screenshot(str(target), canvas_only=False, flash=False)
    viewer.close()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        picture(Path(sys.argv[2]), sys.argv[1])
    else:
        picture(HERE / "analyse-image.png")
