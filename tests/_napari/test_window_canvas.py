"""Layers go and come back on the screen, where napari has painted them; in a process of its own, which may crash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.gui

REMOVE_AND_PAINT = """
import napari, numpy as np, os, sys, time
from qtpy.QtWidgets import QApplication

def paint():
    for _ in range(6):
        viewer.scene.camera.zoom *= 1.01
        for _ in range(2):
            QApplication.processEvents()
            time.sleep(0.02)

viewer = napari.Viewer(show=True)
viewer.window.add_plugin_dock_widget("napari-wbc", sys.argv[1])
viewer.add_image(np.zeros((480, 640, 3), np.uint8), rgb=True)
paint()
boxes = viewer.add_shapes(np.array([[[100, 100], [100, 200], [200, 200], [200, 100]]]))
paint()
viewer.layers.remove(boxes)
paint()
viewer.layers.append(boxes)
paint()
print("painted", flush=True)
os._exit(0)
"""


XVFB = ("xvfb-run", "-a", "-s", "-screen 0 1400x900x24")
"""A screen of its own: Mesa does not crash where colours have 16 bits, as on that of pytest-xvfb."""


@pytest.mark.parametrize("widget", ["Second reading", "Gallery of cells", "Differential"])
def test_napari_lives_on_when_boxes_leave_and_come_back(widget: str, tmp_path: Path) -> None:
    screen = XVFB if shutil.which("xvfb-run") else ()
    command = [*screen, sys.executable, "-c", REMOVE_AND_PAINT, widget]
    fresh = {"XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    done = subprocess.run(command, env=os.environ | fresh, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.endswith("painted\n"), done.stderr
