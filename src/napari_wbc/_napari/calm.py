"""Import torch in a thread while the window goes on answering; no Qt, and torch itself is not imported here.

What holds the interpreter, and with it the window, was measured: the loading of torch's libraries (0.3 s at once), full garbage
collections over all that napari has made (0.2 s each, three while torch is imported), and a thread that computes, which gives
the interpreter away only after 5 ms, hundreds of times while a window is drawn.
"""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SWITCH_S = 0.0005
"""For how long a thread keeps the interpreter when another asks for it, s; Python's own is 0.005."""


@contextmanager
def calm() -> Iterator[None]:
    """Within it, import what is large. No garbage is collected; what is there at its end not before `catch_up`."""
    interval, collecting = sys.getswitchinterval(), gc.isenabled()
    sys.setswitchinterval(SWITCH_S)
    gc.disable()
    try:
        load_libraries("torch", "libtorch_global_deps", "libtorch_python")
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
        sys.setswitchinterval(interval)


@contextmanager
def collecting_once() -> Iterator[None]:
    """Within it, remove layers: napari makes a full collection for each, 0.2 s; here they find nothing, and one follows."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.collect()


def catch_up() -> None:
    """From now on garbage is collected everywhere again."""
    gc.unfreeze()


def load_libraries(package: str, *names: str) -> None:
    """Load libraries of a package by calling `dlopen`: that leaves the interpreter to others, as `import` does not.

    Where this is not possible nothing happens: the import of the package loads them.
    """
    spec = importlib.util.find_spec(package)
    if sys.platform == "win32" or spec is None or spec.origin is None:
        return
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.restype, dlopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_int]
    for name in names:
        scope = os.RTLD_GLOBAL if name.endswith("global_deps") else os.RTLD_LOCAL  # as torch does
        for path in Path(spec.origin).parent.glob(f"lib/{name}.*"):
            dlopen(os.fsencode(path), os.RTLD_NOW | scope)
