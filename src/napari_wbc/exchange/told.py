"""What a file of another program says of the cells of an image: data, never paths or code."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ..cells import Analysis, Box, Cell, Labels, Mask, RgbImage
from ..config import TYPE_COLOURS, UNIDENTIFIED, USER_TYPE_COLOUR
from ..crop import boxes
from ..errors import ResultsError
from ..results.record import ImageRow

MAX_ID = 1_000_000
"""Cells with larger ids are numbered anew: whoever goes through all ids up to the last would take for ever."""


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
    """

    cell_id: int | None = None
    outline: Outline | None = None
    box: Edges | None = None
    cell_type: str | None = None
    reviewed_by: str | None = None
    reviewed_at: str | None = None
    as_written: bool = False


@dataclass(frozen=True)
class Told:
    """What a file says of an image. `whole`: a cell that it does not name is no cell; `reviewed_*`: as in `images.csv`."""

    cells: Sequence[ToldCell]
    whole: bool
    reviewed_by: str | None = None
    reviewed_at: str | None = None


@dataclass(frozen=True, eq=False)
class Written:
    """An image to be written; its pixels (H, W, 3) uint8 are read when they are asked for."""

    row: ImageRow
    analysis: Analysis
    pixels: Callable[[], RgbImage]

    @property
    def image(self) -> str:
        """Path relative to the input root, with `/`."""
        return self.row.image


Shape: TypeAlias = tuple[int, int]
"""(H, W) of an image, px."""
Read: TypeAlias = Callable[[Shape], Told]
"""Reads what is said of an image of a given shape; a `ResultsError` says why it cannot."""


class Format(Protocol):
    """A format of files: a module that writes and reads it."""

    def write(self, images: Iterable[Written], dst: Path) -> Iterator[str]:
        """Write images into the new folder `dst`; yields the name of each when it is written."""

    def find(self, src: Path, images: Sequence[str]) -> Mapping[str, Read]:
        """What is said in `src`, a folder or a file, of images of a results folder, by name of image."""


def as_id(value: object) -> int | None:
    """An id, 1..`MAX_ID`, or None where it is no such number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_ID else None


def as_type(value: object) -> str | None:
    """A cell type as text that can be written, or None where it is none."""
    return (value.strip().encode("utf-8", "replace").decode() or None) if isinstance(value, str) else None


def type_of(cell: Cell) -> str:
    """The type of a cell as files name it."""
    return cell.cell_type or UNIDENTIFIED


def colour_of(cell_type: str) -> tuple[int, int, int]:
    """The fixed colour of a cell type: red, green, blue, 0..255."""
    red, green, blue = bytes.fromhex(TYPE_COLOURS.get(cell_type, USER_TYPE_COLOUR)[1:])
    return red, green, blue


def outlines_of(analysis: Analysis) -> Iterator[tuple[Cell, Mask]]:
    """The cells, each with its pixels in its box, (h, w) bool."""
    for cell in analysis.cells:
        yield cell, analysis.labels[cell.box.slices] == cell.cell_id


def tell_labels(labels: npt.NDArray[Any], path: Path, named: Told | None) -> Told:
    """What a label image (H, W) says, with the types and reviews of `named`.

    Raises
    ------
    ResultsError
        If its values are no ids.
    """
    if labels.dtype.kind not in "iu" or int(labels.min(initial=0)) < 0:
        raise ResultsError(f"{path} is no label image: expected whole numbers from 0 on, found {labels.dtype}. Write it again.")
    ids, inverse = np.unique(labels, return_inverse=True)
    first = int(ids[0] == 0)
    numbered: Labels = inverse.reshape(labels.shape).astype(np.int32) + np.int32(1 - first)
    known = {cell.cell_id: cell for cell in named.cells} if named is not None else {}
    cells = []
    for n, box in boxes(numbered).items():
        cell_id = as_id(int(ids[n - 1 + first]))
        said = known.get(cell_id) or ToldCell()
        cells.append(dataclasses.replace(said, cell_id=cell_id, outline=(numbered[box.slices] == n, box)))
    review = (None, None) if named is None else (named.reviewed_by, named.reviewed_at)
    return Told(cells, True, *review)
