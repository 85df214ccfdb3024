"""Files and folders that may not be looked into, also where root runs the tests, who otherwise may look everywhere."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_VERSION_3 = 0x20080522
_OVERRIDES = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH of `capabilities(7)`: root's rights on files of all others."""


@contextmanager
def closed(path: Path) -> Iterator[None]:
    """Within, this thread may not look into the file or folder."""
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        with _as_everybody():
            try:
                os.listdir(path) if path.is_dir() else path.open("rb").close()
            except PermissionError:
                yield
            else:
                pytest.skip("permissions close nothing here")
    finally:
        path.chmod(mode)


@contextmanager
def _as_everybody() -> Iterator[None]:
    """Linux: without root's overrides, of which a thread has a set in force and one that it may put in force."""
    if not sys.platform.startswith("linux"):
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    libc.capget(header, sets)
    in_force = sets[0]
    try:
        sets[0] = in_force & ~_OVERRIDES
        libc.capset(header, sets)
        yield
    finally:
        sets[0] = in_force
        libc.capset(header, sets)
