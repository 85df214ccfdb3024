"""napari-wbc: find, outline, name and count the white blood cells of stained blood smears.

Research software: it suggests, a person verifies. Not for diagnosis.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .batch import analyse_folder as analyse_folder
    from .cells import Analysis as Analysis
    from .cells import Cell as Cell
    from .config import CELL_TYPES as CELL_TYPES
    from .config import Settings as Settings
    from .errors import WbcError as WbcError
    from .images import read_image as read_image
    from .nets import load_models as load_models
    from .pipeline import analyse as analyse
    from .pipeline import analyse_many as analyse_many

_HOME = {
    "analyse": "pipeline",
    "analyse_many": "pipeline",
    "analyse_folder": "batch",
    "load_models": "nets",
    "read_image": "images",
    "Analysis": "cells",
    "Cell": "cells",
    "CELL_TYPES": "config",
    "Settings": "config",
    "WbcError": "errors",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import napari_wbc` costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
