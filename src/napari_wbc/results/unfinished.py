"""Tiles of a slide that are analysed, kept in files until the slide is committed: a run that was killed goes on there."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

from pydantic import ConfigDict, ValidationError

from .. import __version__
from ..domain import Numbers
from ..regular import read_file
from .record import InputFile, Origin, Stored, StoredCell, first_problem
from .storage import place, remove, remove_folders, walk, write_bytes

logger = logging.getLogger(__name__)

FOLDER = "unfinished"
TILES_PER_FILE = 8
"""So many tiles at most are analysed again: some seconds of work."""


class Tile(Stored):
    """What a tile adds to its slide.

    Parameters
    ----------
    is_skipped
        It shows nothing as dark as a nucleus, and was not segmented.
    cells, outlines
        The cells that earlier tiles do not have, and their pixels as of `mosaic.pack`.
    numbers
        What the comparison with the training data needs, where the tile is one of those that it rests on.
    """

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    is_skipped: bool = False
    cells: tuple[StoredCell, ...] = ()
    outlines: tuple[bytes, ...] = ()
    numbers: Numbers | None = None


class _Tiles(Stored):
    """A file: tiles in a row, and what they depend on."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    key: str
    tiles: tuple[Tile, ...]


class Unfinished:
    """The tiles of a slide that are done, in `OUT/unfinished/<image path>/`.

    Parameters
    ----------
    out
        The results folder.
    image
        Path of the slide relative to the input root, with `/`.
    key
        Identity of all that a tile depends on: tiles with another key are not used.
    """

    def __init__(self, out: Path, image: str, key: str) -> None:
        self._out, self._folder, self._key = out, place(out, FOLDER, image, ""), key
        self._n_files = 0
        self._fresh: list[Tile] = []

    def read(self) -> Iterator[Tile]:
        """The tiles that are done, from the first, in their order; those that are added go behind them."""
        while (found := self._read(self._path(self._n_files))) is not None:
            self._n_files += 1
            yield from found.tiles

    def add(self, tile: Tile) -> None:
        """Add the next tile.

        Raises
        ------
        StorageError
            If a file cannot be written.
        """
        self._fresh.append(tile)
        if len(self._fresh) == TILES_PER_FILE:
            tiles = _Tiles(key=self._key, tiles=tuple(self._fresh))
            write_bytes(self._out, self._path(self._n_files), tiles.model_dump_json().encode())
            self._n_files, self._fresh = self._n_files + 1, []

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.json"

    def _read(self, path: Path) -> _Tiles | None:
        """The tiles in a file; None if it is missing, damaged, or has another key."""
        try:
            found = _Tiles.model_validate_json(read_file(path))
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            logger.warning("%s cannot be read: %s. Its tiles are analysed again.", path, first_problem(error))
            return None
        return found if found.key == self._key else None


def key_of(source: InputFile, origin: Origin, tile_px: int) -> str:
    """Identity of what a tile depends on: the slide, the models, the settings, the size of tiles, the program."""
    parts = __version__, source.sha256, origin.model_dump_json(), tile_px
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def unfinished_in(out: Path) -> list[str]:
    """The slides of which tiles are kept, in alphabetical order; errors as in `storage.walk`."""
    root = out / FOLDER
    return sorted(Path(folder).relative_to(root).as_posix() for folder, _, files in walk(root) if files)


def forget(out: Path, image: str) -> None:
    """Remove what is kept of a slide that is committed.

    Raises
    ------
    StorageError
        If it cannot be removed.
    """
    folder = place(out, FOLDER, image, "")
    for path in sorted(folder.glob("*.json")):
        remove(out, path)
    remove_folders(out, folder)
