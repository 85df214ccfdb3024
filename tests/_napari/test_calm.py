"""Importing what is large beside a window; needs no display."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

from napari_wbc._napari.calm import SWITCH_S, calm, catch_up, collecting_once, load_libraries


def test_garbage_waits_and_threads_take_turns_more_often() -> None:
    interval = sys.getswitchinterval()
    with calm():
        assert not gc.isenabled()
        assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
    assert gc.isenabled()
    assert sys.getswitchinterval() == interval
    assert gc.get_freeze_count() > 0
    catch_up()
    assert gc.get_freeze_count() == 0


def test_layers_are_collected_once_when_all_are_removed() -> None:
    class Knot:
        """Refers to itself."""

    knots = [Knot() for _ in range(3)]
    for knot in knots:
        knot.itself = knot  # type: ignore[attr-defined]
    gone = [weakref.ref(knot) for knot in knots]
    with collecting_once():
        knots.clear()
        del knot
        gc.collect()
        assert all(ref() is not None for ref in gone)
    assert all(ref() is None for ref in gone)


def test_all_is_as_before_when_the_import_fails() -> None:
    interval = sys.getswitchinterval()
    with pytest.raises(ImportError), calm():
        raise ImportError
    catch_up()
    assert gc.isenabled()
    assert sys.getswitchinterval() == interval


def test_a_package_that_is_not_there_is_passed_over() -> None:
    load_libraries("no_such_package", "libnothing")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_libraries_of_torch_are_there_before_torch_is_imported() -> None:
    code = """
import sys
from pathlib import Path
from napari_wbc._napari.calm import load_libraries
load_libraries("torch", "libtorch_global_deps", "libtorch_python")
assert "torch" not in sys.modules
assert "libtorch_python" in Path("/proc/self/maps").read_text()
import torch
assert torch.ones(2).sum() == 2
"""
    subprocess.run([sys.executable, "-c", code], check=True)
