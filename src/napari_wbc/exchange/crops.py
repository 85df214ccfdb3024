"""Crops in folders named by cell type, as programs that learn types read them (ImageFolder): moving a file renames the cell.

The name of a file says which cell it is; it is looked up among those of the results, and is never used as a path.
"""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from ..errors import ResultsError, UsageError
from ..regular import read_file
from ..results.storage import write_bytes
from .masks import encode_png
from .names import files_to_import
from .told import Known, Read, Shape, Told, ToldCell, as_type, id_in, type_of

SUFFIX, TYPE = ".png", "type.txt"

_LONGEST_STEM, _LONGEST_FOLDER = 80, 200
_SHORTENED = "%_"  # no type as a folder has this: a `%` is followed by two digits
_PLAIN = "".join(chr(code) for code in range(32, 127) if chr(code) not in '%/\\:*?"<>|')


def write(images: Iterable[Known], dst: Path) -> Iterator[str]:
    """Write `<type>/<name of the cell>.png`, the box of each cell in native pixels; see `told.Format`.

    Where a type is longer than the name of a folder can be, `type.txt` in the folder has all of it.
    """
    for one in images:
        pixels = one.pixels() if len(one.cells) else None
        for cell in one.cells:
            assert pixels is not None
            folder = dst / folder_of(type_of(cell))
            if _SHORTENED in folder.name and not folder.exists():
                write_bytes(dst, folder / TYPE, type_of(cell).encode())
            write_bytes(dst, folder / f"{_stem(one.image)}_{cell.cell_id}{SUFFIX}", encode_png(pixels.read(cell.box)))
        yield one.image


def find(src: Path, images: Sequence[str]) -> Mapping[str, Read]:
    """The crops of cells of the images, with the types of the folders that they are in now; see `told.Format`.

    Raises
    ------
    UsageError
        If there is none, one lies in no folder of a type, or one cell is in two folders.
    """
    image_of = {_stem(image): image for image in images}
    found: dict[str, dict[int, Path]] = {}
    for path in files_to_import(src):
        stem, _, number = path.stem.rpartition("_")
        image, cell_id = image_of.get(stem), id_in(number)
        if image is None or cell_id is None or path.suffix.lower() != SUFFIX:
            continue
        if path.parent == src:
            raise UsageError(
                f"{path.name} lies in {src} itself, not in a folder below {src}, each of which is a type. "
                f"Move it into one, or, if {src.absolute().name!r} is its type, name {src.absolute().parent}."
            )
        if other := found.setdefault(image, {}).get(cell_id):
            raise UsageError(f"{other} and {path} are the same cell. Remove one of them.")
        found[image][cell_id] = path
    if not found:
        raise UsageError(
            f"No file in {src} is named as a crop of these results. Export them as crops first, and move the files."
        )
    return {image: partial(_read, paths) for image, paths in found.items()}


def folder_of(cell_type: str) -> str:
    """A cell type as the name of a folder; `%XX` stands for what no file system, or a path, takes otherwise.

    A long one ends in a hash instead, so that types of one beginning differ.
    """
    name = urllib.parse.quote(cell_type, safe=_PLAIN).replace(".", "%2E")
    if len(name) <= _LONGEST_FOLDER:
        return name
    return f"{name[: _LONGEST_FOLDER - 20]}{_SHORTENED}{hashlib.sha256(cell_type.encode()).hexdigest()[:10]}"


def _stem(image: str) -> str:
    """The name of the crops of an image: its own, and a hash of its path, so that images of one name differ."""
    name = PurePosixPath(image).stem.encode()[:_LONGEST_STEM].decode(errors="ignore")
    return f"{name}_{hashlib.sha256(image.encode()).hexdigest()[:10]}"


def _read(paths: Mapping[int, Path], shape: Shape) -> Told:
    types = {folder: _type_of(folder) for folder in {path.parent for path in paths.values()}}
    return Told([ToldCell(i, cell_type=types[path.parent]) for i, path in paths.items()], whole=False)


def _type_of(folder: Path) -> str | None:
    """The type that a folder stands for."""
    path = folder / TYPE
    if _SHORTENED not in folder.name or not path.is_file():
        return as_type(urllib.parse.unquote(folder.name))
    try:
        return as_type(read_file(path).decode())
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path} cannot be read as a type, text in UTF-8: {error}. Export the crops again.") from error
