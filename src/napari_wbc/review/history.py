"""Undo and redo: an edit is what differs between two analyses, and its inverse is the same read backwards."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..cells import Analysis, Box, Cell, CellTable, Labels
from ..errors import UsageError

Cells = Mapping[int, Cell | None]
"""Cells by id; None where there is no cell."""


@dataclass(frozen=True, eq=False)
class Edit:
    """What differs between two analyses of one image.

    Parameters
    ----------
    name
        What was done, for people.
    box
        The box in which labels differ, or None.
    pixels_before, pixels_after
        Labels in that box, (h, w) int32.
    cells_before, cells_after
        The cells that differ.
    """

    name: str
    box: Box | None
    pixels_before: Labels
    pixels_after: Labels
    cells_before: Cells
    cells_after: Cells

    @classmethod
    def between(cls, name: str, before: Analysis, after: Analysis, changed: Box | None = None) -> Edit:
        """The edit that makes one analysis of another; `changed`, where known, is their `changed_box`."""
        box = changed or changed_box(before.labels, after.labels)
        window = (box or Box(0, 0, 0, 0)).slices
        old, new = ({cell.cell_id: cell for cell in analysis.cells} for analysis in (before, after))
        ids = [i for i in {**old, **new} if old.get(i) != new.get(i)]
        return cls(
            name,
            box,
            before.labels[window].copy(),
            after.labels[window].copy(),
            {i: old.get(i) for i in ids},
            {i: new.get(i) for i in ids},
        )

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return self.box is not None or bool(self.cells_after)

    @property
    def inverse(self) -> Edit:
        """The edit that undoes this one."""
        return Edit(self.name, self.box, self.pixels_after, self.pixels_before, self.cells_after, self.cells_before)

    def apply(self, analysis: Analysis) -> Analysis:
        """The analysis after the edit; it must be as the edit found it, where the edit changes it."""
        labels = analysis.labels
        if self.box is not None:
            labels = labels.copy()
            labels[self.box.slices] = self.pixels_after
            labels.flags.writeable = False
        cells: dict[int, Cell | None] = {cell.cell_id: cell for cell in analysis.cells}
        cells |= self.cells_after
        kept = sorted((cell for cell in cells.values() if cell is not None), key=lambda cell: cell.cell_id)
        return dataclasses.replace(analysis, labels=labels, cells=CellTable(tuple(kept)))

    def makes(self, after: Labels, changed: Box | None) -> bool:
        """Whether a label image became `after`, from which it differed in the box `changed`, by this edit."""
        if changed != self.box:
            return False
        return self.box is None or bool(np.array_equal(after[self.box.slices], self.pixels_after))


class History:
    """The edits of one image, to be undone and redone in their order."""

    def __init__(self) -> None:
        self.done: list[Edit] = []
        self.undone: list[Edit] = []

    def record(self, name: str, before: Analysis, after: Analysis, changed: Box | None = None) -> Edit:
        """Remember an edit, as of `Edit.between`, unless nothing differs; what was undone cannot be redone any more."""
        edit = Edit.between(name, before, after, changed)
        if edit:
            self.done.append(edit)
            self.undone.clear()
        return edit

    def undo(self, analysis: Analysis) -> Analysis:
        """The analysis before its last edit; as it is, where there is none."""
        if not self.done:
            return analysis
        self.undone.append(self.done.pop())
        return self.undone[-1].inverse.apply(analysis)

    def redo(self, analysis: Analysis) -> Analysis:
        """The analysis with the edit that was undone last; as it is, where there is none."""
        if not self.undone:
            return analysis
        self.done.append(self.undone.pop())
        return self.done[-1].apply(analysis)


def changed_box(before: Labels, after: Labels) -> Box | None:
    """The smallest box that holds all pixels in which two label images (H, W) of one image differ, or None.

    Raises
    ------
    UsageError
        If the sizes differ.
    """
    if before.shape != after.shape:
        raise UsageError(f"The outlines are {after.shape}, the image is {before.shape}. Choose those of this image.")
    return None if before is after else Box.around(before != after)
