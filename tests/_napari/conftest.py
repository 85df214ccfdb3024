"""Tests that need a real window are skipped where there is neither a display nor Xvfb; CI fails on a skipped one."""

from __future__ import annotations

import os
import sys

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    shown = sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if item.get_closest_marker("gui") and not shown:
        pytest.skip("needs a real window: there is no display, and no Xvfb")
