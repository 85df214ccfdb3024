"""What a file of another program says of the cells of an image: data, never paths or code."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ..cells import Analysis, Box, Cell, Labels, Mask, RgbImage
from ..config import TYPE_COLOURS, UNIDENTIFIED, USER_TYPE_COLOUR
from ..crop import boxes
from ..errors import ResultsError, UsageError
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


class Names:
    """Finds the image that a name in somebody else's file means: it is compared and never used as a path.

    It means the image whose path is the end of it, or the only image whose path it is the end of; with suffix or without.
    """

    def __init__(self, images: Iterable[str]) -> None:
        images = list(images)
        self._tables = [_Table({image: image for image in images}), _Table({})]
        for image in images:
            self._tables[1].whole[_bare(image)] = None if _bare(image) in self._tables[1].whole else image
        for table in self._tables:
            for name, image_of in table.whole.items():
                for tail in _tails(name)[1:]:
                    table.ends[tail] = None if tail in table.ends else image_of

    def find(self, name: str) -> str | None:
        """The image, or None if there is none or more than one."""
        name = name.replace("\\", "/")
        for table, tried in ((0, name), (1, name), (1, _bare(name))):
            if found := self._tables[table].find(tried):
                return found
        return None


@dataclass
class _Table:
    """Images by their whole names and by the ends of their names; None where several share one."""

    whole: dict[str, str | None]
    ends: dict[str, str | None] = field(default_factory=dict)

    def find(self, name: str) -> str | None:
        return next((self.whole[tail] for tail in _tails(name) if tail in self.whole), self.ends.get(name))


def _tails(name: str) -> list[str]:
    """A path, and what is left of it without its first folders."""
    parts = name.split("/")
    return ["/".join(parts[i:]) for i in range(len(parts))]


def _bare(name: str) -> str:
    """A path without its suffix."""
    folder, slash, base = name.rpartition("/")
    return folder + slash + (base.rpartition(".")[0] or base)


def find_files(src: Path, images: Sequence[str], *suffixes: str) -> dict[str, Path]:
    """The files below `src`, or `src` itself, by the image that each belongs to.

    Raises
    ------
    UsageError
        If no file belongs to an image, or two to one.
    """
    names, found = Names(images), dict[str, Path]()
    for path in files_in(src):
        suffix = next((suffix for suffix in suffixes if path.name.lower().endswith(suffix)), None)
        base = path.name if path == src else path.relative_to(src).as_posix()
        image = None if suffix is None else names.find(base[: -len(suffix)])
        if image is None or suffix is None:
            continue
        if image in found:
            raise UsageError(f"Both {found[image]} and {path} are named as the image {image}. Remove one of them.")
        found[image] = path
    if not found:
        raise UsageError(
            f"No file in {src} has the name of an image of the results and the ending {' or '.join(suffixes)}: "
            f"looked for e.g. {images[0] if images else 'no image'}{suffixes[0]}. Rename the files."
        )
    return found


def files_in(src: Path) -> list[Path]:
    """The files below a folder, sorted, or the file itself.

    Raises
    ------
    UsageError
        If there is no such folder or file.
    """
    if not src.exists():
        raise UsageError(f"{src} is not there. Check the path of what to import.")
    return [src] if src.is_file() else sorted(Path(at) / name for at, _, names in os.walk(src) for name in names)


def one_file(src: Path, name: str) -> Path:
    """The file `src`, or that of the given name in the folder `src`.

    Raises
    ------
    UsageError
        If there is none.
    """
    path = src / name if src.is_dir() else src
    if not path.is_file():
        raise UsageError(f"{path} is not a file. Name the file to import, or the folder that has {name}.")
    return path


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises
    ------
    ResultsError
        If it cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(f"{path} cannot be read as JSON: {error}. Export it again.") from None


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
