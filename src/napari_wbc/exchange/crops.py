"""Crops in folders named by cell type, as programs that learn types read them (ImageFolder): moving a file renames the cell.

The name of a file says which cell it is; it is looked up among those of the results, and is never used as a path.
"""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from ..errors import UsageError
from ..results.storage import write_bytes
from .masks import encode_png
from .names import files_to_import
from .told import Known, Read, Shape, Told, ToldCell, as_type, id_in, type_of

SUFFIX = ".png"

_LONGEST_STEM = 80
_PLAIN = "".join(chr(code) for code in range(32, 127) if chr(code) not in '%/\\:*?"<>|')


def write(images: Iterable[Known], dst: Path) -> Iterator[str]:
    """Write `<type>/<name of the cell>.png`, the box of each cell in native pixels; see `told.Format`."""
    for one in images:
        pixels = one.pixels() if len(one.cells) else None
        for cell in one.cells:
            assert pixels is not None
            path = dst / folder_of(type_of(cell)) / f"{_stem(one.image)}_{cell.cell_id}{SUFFIX}"
            write_bytes(dst, path, encode_png(pixels.read(cell.box)))
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
    """A cell type as the name of a folder; `%XX` stands for what no file system, or a path, takes otherwise."""
    return urllib.parse.quote(cell_type, safe=_PLAIN).replace(".", "%2E")


def _stem(image: str) -> str:
    """The name of the crops of an image: its own, and a hash of its path, so that images of one name differ."""
    name = PurePosixPath(image).stem.encode()[:_LONGEST_STEM].decode(errors="ignore")
    return f"{name}_{hashlib.sha256(image.encode()).hexdigest()[:10]}"


def _read(paths: Mapping[int, Path], shape: Shape) -> Told:
    named = {i: as_type(urllib.parse.unquote(path.parent.name)) for i, path in paths.items()}
    return Told([ToldCell(i, cell_type=cell_type) for i, cell_type in named.items()], whole=False)
