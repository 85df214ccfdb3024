"""A person's edits as verbs on an `Analysis`, each with its exact inverse.

`outlines` changes the label image alone, `table` brings the table of cells in line with it and names cells,
`history` undoes, `inbox` outlines a new cell, `agreement` compares readings.
"""

from __future__ import annotations

from .agreement import Agreement, agreement, said_by_model
from .history import Edit, History, changed_box
from .inbox import outline_steps
from .outlines import add, delete, merge, split
from .table import accept, classify_steps, confirm, rename, repaint, stale

__all__ = [
    "Agreement",
    "Edit",
    "History",
    "accept",
    "add",
    "agreement",
    "changed_box",
    "classify_steps",
    "confirm",
    "delete",
    "merge",
    "outline_steps",
    "rename",
    "repaint",
    "said_by_model",
    "split",
    "stale",
]
