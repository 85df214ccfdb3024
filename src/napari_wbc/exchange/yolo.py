"""YOLO: a text file of boxes per image, beside the image, and `data.yaml` with the names of the types.

Boxes and types come back. A box that fits a known cell names it; its outline stays. Where there is no cell, a box becomes a
stand-in (`stand_ins`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import yaml

from ..cells import Cell
from ..config import CELL_TYPES, UNCOUNTED_TYPES
from ..errors import ResultsError
from ..regular import read_text
from ..results.storage import place, write_bytes
from .masks import encode_png
from .names import find_files
from .told import Edges, Known, Read, Shape, Told, ToldCell, as_type, type_of

SUFFIX, DATA, CLASSES = ".txt", "data.yaml", "classes.txt"


def write(images: Iterable[Known], dst: Path) -> Iterator[str]:
    """Write `images/<image path>.png`, upright, `labels/<image path>.txt` and `data.yaml`; see `told.Format`."""
    numbers = {name: i for i, name in enumerate((*CELL_TYPES, *UNCOUNTED_TYPES))}
    for one in images:
        shape = one.labels.shape
        lines = [_line(cell, numbers.setdefault(type_of(cell), len(numbers)), shape) for cell in one.cells]
        write_bytes(dst, place(dst, "images", one.image, ".png"), encode_png(one.pixels().whole()))
        write_bytes(dst, place(dst, "labels", one.image, SUFFIX), "".join(lines).encode())
        yield one.image
    data = {"train": "images", "val": "images", "names": {i: name for name, i in numbers.items()}}
    write_bytes(dst, dst / DATA, yaml.safe_dump(data, allow_unicode=True, sort_keys=False).encode())


def find(src: Path, images: Sequence[str]) -> Mapping[str, Read]:
    """The text files in `labels/`, or in `src` itself, with the names of images; see `told.Format`."""
    labels = src / "labels" if (src / "labels").is_dir() else src
    names = _read_names(labels if labels.is_dir() else labels.parent)
    found = find_files(labels, images, SUFFIX)
    return {image: partial(_read, path, names) for image, path in found.items()}


def _line(cell: Cell, number: int, shape: Shape) -> str:
    """Number of the type; middle, width and height of the box as shares of the image."""
    (height, width), box = shape, cell.box
    shares = ((box.x0 + box.x1) / 2 / width, (box.y0 + box.y1) / 2 / height, box.width / width, box.height / height)
    return f"{number} {' '.join(f'{share:.8f}' for share in shares)}\n"


def _read_names(folder: Path) -> dict[int, str | None]:
    """The types by number, from `data.yaml` or `classes.txt` in the folder of the labels or above it.

    Raises
    ------
    ResultsError
        If there is neither, or it cannot be read.
    """
    places = [at / name for at in (folder, folder.absolute().parent) for name in (DATA, CLASSES)]
    path = next((path for path in places if path.is_file()), None)
    if path is None:
        raise ResultsError(
            f"Beside {folder} there is neither {DATA} nor {CLASSES}: the numbers of the types have no names. Add one of them."
        )
    try:
        text = read_text(path)
        found = yaml.safe_load(text)["names"] if path.name == DATA else text.splitlines()
        pairs = found.items() if isinstance(found, dict) else enumerate(found)
        return {int(i): as_type(name) for i, name in pairs}
    except (OSError, ValueError, OverflowError, TypeError, KeyError, RecursionError, yaml.YAMLError) as error:
        raise ResultsError(f"{path} has no list of names: {error}. Restore it.") from error


def _read(path: Path, names: Mapping[int, str | None], shape: Shape) -> Told:
    try:
        lines = read_text(path).splitlines()
        return Told([_cell(line, names, shape) for line in lines if line.strip()], whole=True)
    except (OSError, ValueError, LookupError) as error:
        raise ResultsError(
            f"{path} cannot be read: {error}. "
            "Expected lines of a type's number and four shares of the image: x, y, width, height."
        ) from error


def _cell(line: str, names: Mapping[int, str | None], shape: Shape) -> ToldCell:
    """A line as a cell: a sixth number, the confidence, is not read."""
    number, *values = line.split()
    if len(values) not in (4, 5):
        raise ValueError(f"a line has {len(values) + 1} numbers")
    if int(number) not in names:
        raise ValueError(f"the type {number} has no name")
    x, y, width, height = (float(value) for value in values[:4])
    if not (0 <= x <= 1 and 0 <= y <= 1 and 0 < width <= 1 and 0 < height <= 1):
        raise ValueError(f"{line.strip()!r} is no box in the image")
    edges: Edges = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    left, top, right, bottom = (edge * side for edge, side in zip(edges, (*shape[::-1], *shape[::-1]), strict=True))
    return ToldCell(box=(left, top, right, bottom), cell_type=names[int(number)])
