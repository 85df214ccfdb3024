"""A person's edits as verbs on an `Analysis`, each with its exact inverse.

`outlines` changes the label image alone, `table` brings the table of cells in line with it and names cells, `history` undoes.
"""

from __future__ import annotations

from .history import Edit, History, changed_box
from .outlines import add, delete, merge, split
from .table import accept, classify_steps, confirm, rename, repaint, stale

__all__ = [
    "Edit",
    "History",
    "accept",
    "add",
    "changed_box",
    "classify_steps",
    "confirm",
    "delete",
    "merge",
    "rename",
    "repaint",
    "split",
    "stale",
]
