"""Pairs of images and masks as PNG, as most programs that learn outlines read them.

`images/` has the images, upright; `masks/` the ids of the cells, in 16 bits; `types/` the numbers of their types, which
`types.csv` names; 0 is background.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngImageFile

from ..config import CELL_TYPES, UNCOUNTED_TYPES
from ..errors import ResultsError, UsageError
from ..images import DAMAGE
from ..regular import read_file
from ..results import tables
from ..results.pixels import Pixels
from ..results.storage import place, write_bytes
from .names import find_files
from .told import Known, Read, Shape, Told, ToldCell, as_type, tell_labels, type_of

SUFFIX, TYPES = ".png", "types.csv"

_MAX_TYPES, _MAX_ID = 255, 65535
_COLUMNS = ("number", "cell_type")


def write(images: Iterable[Known], dst: Path) -> Iterator[str]:
    """Write the three files of each image, and `types.csv`; see `told.Format`.

    Raises
    ------
    UsageError
        If an image has more types, or larger ids, than a PNG has grey levels.
    """
    numbers = {name: i for i, name in enumerate((*CELL_TYPES, *UNCOUNTED_TYPES), start=1)}
    for one in images:
        labels = one.labels.whole()
        for cell in one.cells:
            numbers.setdefault(type_of(cell), len(numbers) + 1)
        if len(numbers) > _MAX_TYPES or labels.max(initial=0) > _MAX_ID:
            raise UsageError(f"{one.image} has more types or larger ids than a PNG holds. Export to ome-tiff instead.")
        number_of = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.uint8)
        for cell, _ in one.outlines():
            number_of[cell.cell_id] = numbers[type_of(cell)]
        for folder, pixels in (
            ("images", one.pixels().whole()),
            ("masks", labels.astype(np.uint16)),
            ("types", number_of[labels]),
        ):
            write_bytes(dst, place(dst, folder, one.image, SUFFIX), encode_png(pixels))
        yield one.image
    lines = [tables.row(_COLUMNS, {"number": i, "cell_type": name}) for name, i in numbers.items()]
    write_bytes(dst, dst / TYPES, tables.header(_COLUMNS) + b"".join(lines))


def find(src: Path, images: Sequence[str]) -> Mapping[str, Read]:
    """The masks in `masks/`, or in `src` itself, with the names of images, and their types if there are any."""
    masks = src / "masks" if (src / "masks").is_dir() else src
    types = find_files(src / "types", images, SUFFIX) if (src / "types").is_dir() and (src / TYPES).is_file() else {}
    names = _read_types(src / TYPES) if types else {}
    found = find_files(masks, images, SUFFIX)
    return {image: partial(_read, path, types.get(image), names) for image, path in found.items()}


def encode_png(pixels: npt.NDArray[Any]) -> bytes:
    """A picture (H, W, 3) uint8, or grey levels (H, W) uint8 or uint16, as a PNG file."""
    file = BytesIO()
    Pillow.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def _read_types(path: Path) -> dict[int, str | None]:
    """The types by their numbers."""
    try:
        return {int(row["number"] or ""): as_type(row["cell_type"]) for row in tables.read(read_file(path))}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise ResultsError(f"{path} should be a table of number and cell_type: {error}. Restore it.") from error


def _read_levels(path: Path, shape: Shape) -> npt.NDArray[Any]:
    """The grey levels of a mask of the given shape; one of another size is not decoded."""
    try:
        with PngImageFile(path) as picture:
            size = (picture.height, picture.width)
            levels = np.asarray(picture) if size == shape else np.zeros(0)
    except (*DAMAGE, MemoryError) as error:
        raise ResultsError(f"The mask {path} is not a sound PNG file: {error}. Write it again.") from error
    if levels.shape != shape or levels.dtype.kind not in "uib":
        raise ResultsError(
            f"The mask {path} is {size[1]} × {size[0]} px, mode {picture.mode}; expected {shape[1]} × {shape[0]} px, as the "
            "image, and grey levels or a palette. Write it again."
        )
    return levels.astype(np.int32)


def _read(path: Path, types: Path | None, names: Mapping[int, str | None], shape: Shape) -> Told:
    told = tell_labels(Pixels.of(_read_levels(path, shape)), path, None)
    if types is None:
        return told
    levels = _read_levels(types, shape)
    return Told([_named(cell, levels, names) for cell in told.cells], whole=True)


def _named(cell: ToldCell, levels: npt.NDArray[Any], names: Mapping[int, str | None]) -> ToldCell:
    """The cell with the type that most of its pixels have."""
    assert cell.outline is not None
    mask, box = cell.outline
    number = int(np.bincount(levels[box.slices][mask]).argmax())
    return dataclasses.replace(cell, cell_type=names.get(number))
