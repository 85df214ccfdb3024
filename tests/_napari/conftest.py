"""Tests that need a real window are skipped where there is neither a display nor Xvfb; CI fails on a skipped one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from napari import settings

from napari_wbc._napari import autosave


@pytest.fixture(autouse=True)
def fresh_preferences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The preferences of this plugin as they are at first; those of whoever runs the tests stay as they are."""
    forget = getattr(settings, "_clear_plugin_settings_cache", lambda: None)
    monkeypatch.setattr(settings, "_CFG_PATH", str(tmp_path / "settings.yaml"), raising=False)
    forget()
    yield
    forget()


@pytest.fixture(autouse=True)
def own_autosave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of reviews that are not saved, in a folder of the test: not where that of whoever runs the tests is."""
    monkeypatch.setattr(autosave, "folder_of_kept", lambda: tmp_path / "autosave")


def pytest_runtest_setup(item: pytest.Item) -> None:
    shown = sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if item.get_closest_marker("gui") and not shown:
        pytest.skip("needs a real window: there is no display, and no Xvfb")
