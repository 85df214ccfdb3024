"""What is known of an image, and what a file of another program says of its cells: data, never paths or code."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from ..cells import Box, Cell, CellTable, Mask
from ..config import CELL_TYPES, UNCOUNTED_TYPES, UNIDENTIFIED, colour_of
from ..crop import boxes
from ..errors import ResultsError
from ..results.pixels import Pixels
from ..results.record import ImageRow
from .budget import Budget

MAX_ID = 1_000_000
"""Cells with larger ids are numbered anew: whoever goes through all ids up to the last would take for ever."""


_WINDOW_PX = 2048
"""Side of the parts in which label images are gone through, px."""

Outline: TypeAlias = tuple[Mask, Box]
"""The pixels of a cell: (h, w) bool and its box, within the image."""
Edges: TypeAlias = tuple[float, float, float, float]
"""A box as files have it: left, top, right, bottom, px, on the edges of pixels."""


@dataclass(frozen=True, eq=False)
class ToldCell:
    """What a file says of one cell; None: it says nothing of that.

    Parameters
    ----------
    cell_id
        Which cell it is.
    outline
        Its pixels.
    box
        Where only a box is told.
    cell_type, reviewed_by, reviewed_at
        As in `cells.Cell`.
    as_written
        It still is what we wrote, so that it says nothing against what a person has done since.
    id_is_ours
        We gave it that id. A number that may be another program's, as in a mask, counts only where its cell is.
    """

    cell_id: int | None = None
    outline: Outline | None = None
    box: Edges | None = None
    cell_type: str | None = None
    reviewed_by: str | None = None
    reviewed_at: str | None = None
    as_written: bool = False
    id_is_ours: bool = True


@dataclass(frozen=True)
class Told:
    """What a file says of an image.

    Parameters
    ----------
    cells
        Its cells.
    whole
        A cell that is not among them is no cell.
    reviewed_by, reviewed_at
        As in `images.csv`.
    by_id
        What a table beside the file says of the cells that have these ids of ours.
    """

    cells: Sequence[ToldCell]
    whole: bool
    reviewed_by: str | None = None
    reviewed_at: str | None = None
    by_id: Mapping[int, ToldCell] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of an image. Labels and pixels are read box by box, so that a slide is never in memory whole.

    Parameters
    ----------
    row
        Its line of `images.csv`.
    cells
        Its cells, ascending id.
    labels
        (H, W) int32, value = `cell_id`.
    pixels
        Opens the picture, (H, W, 3) uint8; called where it is needed.
    edited
        A person has worked on it since it was analysed.
    """

    row: ImageRow
    cells: CellTable
    labels: Pixels[np.int32]
    pixels: Callable[[], Pixels[np.uint8]]
    edited: bool = False

    @property
    def image(self) -> str:
        """Path relative to the input root, with `/`."""
        return self.row.image

    def outline(self, cell: Cell) -> Mask:
        """The pixels of one of its cells, (h, w) bool, in the box of the cell.

        Raises
        ------
        ResultsError
            If there are none: the record and the label image are not of one analysis.
        """
        mask: Mask = self.labels.read(cell.box) == cell.cell_id
        if not mask.any():
            raise ResultsError(
                f"The label image of {self.image} has no pixel of cell {cell.cell_id}, which its record has. Restore both, or "
                "analyse the image again; `napari-wbc verify` looks for more that is damaged."
            )
        return mask

    def outlines(self) -> Iterator[tuple[Cell, Mask]]:
        """The cells, each with its pixels in its box, (h, w) bool."""
        return ((cell, self.outline(cell)) for cell in self.cells)


Shape: TypeAlias = tuple[int, int]
"""(H, W) of an image, px."""
Read: TypeAlias = Callable[[Shape], Told]
"""Reads what is said of an image of a given shape; a `ResultsError` says why it cannot."""


class Format(Protocol):
    """A format of files: a module that writes and reads it."""

    def write(self, images: Iterable[Known], dst: Path) -> Iterator[str]:
        """Write images into the new folder `dst`; yields the name of each when it is written."""

    def find(self, src: Path, images: Sequence[str]) -> Mapping[str, Read]:
        """What is said in `src`, a folder or a file, of images of a results folder, by name of image."""


def as_id(value: object) -> int | None:
    """An id, 1..`MAX_ID`, or None where it is no such number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_ID else None


def id_in(text: str) -> int | None:
    """The id that is written in decimal digits, or None; Python refuses to read thousands of them."""
    return as_id(int(text)) if text.isascii() and text.isdigit() and len(text) <= 20 else None


_KNOWN_TYPES = {name.casefold(): name for name in (*CELL_TYPES, *UNCOUNTED_TYPES)}


def as_type(value: object) -> str | None:
    """A cell type as text that can be written, or None where it is none; `Monocyte` is `monocyte`, as people write it."""
    text = value.strip().encode("utf-8", "replace").decode() if isinstance(value, str) else ""
    return _KNOWN_TYPES.get(text.casefold(), text) or None


def type_of(cell: Cell) -> str:
    """The type of a cell as files name it."""
    return cell.cell_type or UNIDENTIFIED


def rgb_of(cell_type: str) -> tuple[int, int, int]:
    """The fixed colour of a cell type: red, green, blue, 0..255."""
    red, green, blue = bytes.fromhex(colour_of(cell_type)[1:])
    return red, green, blue


def tell_labels(labels: Pixels[Any], path: Path, named: Told | None) -> Told:
    """What a label image (H, W) says, with the types and reviews of `named`.

    Raises
    ------
    ResultsError
        If its values are no ids, or lie about in the whole image.
    """
    cells, budget = [], Budget(labels.shape, path)
    for value, box in sorted(_boxes(labels, path).items()):
        budget.take(box)
        cells.append(ToldCell(as_id(value), (labels.read(box) == value, box), id_is_ours=False))
    if named is None:
        return Told(cells, True)
    by_id = {cell.cell_id: cell for cell in named.cells if cell.cell_id is not None}
    return Told(cells, True, named.reviewed_by, named.reviewed_at, by_id)


def _boxes(labels: Pixels[Any], path: Path) -> dict[int, Box]:
    """The box of every value but 0, window by window."""
    found: dict[int, Box] = {}
    height, width = labels.shape
    for y, x in itertools.product(range(0, height, _WINDOW_PX), range(0, width, _WINDOW_PX)):
        part = labels.read(Box(y, x, min(y + _WINDOW_PX, height), min(x + _WINDOW_PX, width)))
        if part.dtype.kind not in "iu" or int(part.min(initial=0)) < 0:
            raise ResultsError(
                f"{path} is no label image: expected whole numbers from 0 on, found {part.dtype}. Write it again."
            )
        values = np.unique(part[part > 0])
        numbered = np.where(part > 0, np.searchsorted(values, part) + 1, 0).astype(np.int32)
        for n, box in boxes(numbered).items():
            value, (y0, x0, y1, x1) = int(values[n - 1]), box
            here = Box(y0 + y, x0 + x, y1 + y, x1 + x)
            found[value] = Box.enclosing(here, found.get(value, here))
    return found
