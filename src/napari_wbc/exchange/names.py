"""Files of other programs: which image of the results each belongs to, and what is in them."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ResultsError, UsageError
from ..regular import read_file
from ..results.storage import unseen, walk


class Names:
    """Finds the image that a name in somebody else's file means: it is compared and never used as a path.

    It means the image whose path is the end of it, or the only image whose path it is the end of; with suffix or without. Two
    names of one image are refused: they may be two images of somebody else's.
    """

    def __init__(self, images: Iterable[str]) -> None:
        images, self._name_of = list(images), dict[str, str]()
        self._tables = [_Table({image: image for image in images}), _Table({})]
        for image in images:
            self._tables[1].whole[_bare(image)] = None if _bare(image) in self._tables[1].whole else image
        for table in self._tables:
            for name, image_of in table.whole.items():
                for tail in _tails(name)[1:]:
                    table.ends[tail] = None if tail in table.ends else image_of

    def find(self, name: str) -> str | None:
        """The image, or None if there is none or more than one.

        Raises
        ------
        UsageError
            If another name meant the same image.
        """
        name = name.replace("\\", "/")
        for table, tried in ((0, name), (1, name), (1, _bare(name))):
            if found := self._tables[table].find(tried):
                if (other := self._name_of.setdefault(found, name)) != name:
                    raise UsageError(f"Both {other} and {name} are named as the image {found}. Remove one of them.")
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
    ResultsError
        If what belongs to an image is no file, or a folder cannot be looked at.
    """
    names, found = Names(images), dict[str, Path]()
    for path in files_to_import(src):
        suffix = next((suffix for suffix in suffixes if path.name.lower().endswith(suffix)), None)
        base = path.name if path == src else path.relative_to(src).as_posix()
        image = None if suffix is None else names.find(base[: -len(suffix)])
        if image is None or suffix is None:
            continue
        if (mode := _mode(path)) and not stat.S_ISREG(mode):  # reading one may never end
            raise ResultsError(f"{path} is a pipe or a device, not a file. Remove it from {src}, or put the file there.")
        if image in found:
            raise UsageError(f"Both {found[image]} and {path} are named as the image {image}. Remove one of them.")
        found[image] = path
    if not found:
        raise UsageError(
            f"No file in {src} has the name of an image of the results and the ending {' or '.join(suffixes)}: "
            f"looked for e.g. {images[0] if images else 'no image'}{suffixes[0]}. Rename the files."
        )
    return found


def files_to_import(src: Path) -> list[Path]:
    """The files below a folder, sorted, or the file itself.

    Raises
    ------
    UsageError
        If there is no such folder or file.
    ResultsError
        If it, or a folder below it, cannot be looked at.
    """
    mode = _mode(src)
    if not mode:
        raise UsageError(f"{src} is not there. Check the path of what to import.")
    return [src] if stat.S_ISREG(mode) else sorted(Path(at) / name for at, _, names in walk(src) for name in names)


def one_file(src: Path, name: str) -> Path:
    """The file `src`, or that of the given name in the folder `src`.

    Raises
    ------
    UsageError
        If there is none.
    ResultsError
        If it cannot be looked at.
    """
    path = src / name if stat.S_ISDIR(_mode(src)) else src
    if not stat.S_ISREG(_mode(path)):
        raise UsageError(f"{path} is not a file. Name the file to import, or the folder that has {name}.")
    return path


def _mode(path: Path) -> int:
    """`st_mode` of a file or folder, 0 where there is none.

    Raises
    ------
    ResultsError
        If it cannot be looked at.
    """
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise unseen(error) from error


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises
    ------
    ResultsError
        If it cannot be read or is not JSON.
    """
    try:
        return json.loads(read_file(path))
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(f"{path} cannot be read as JSON: {error}. Export it again.") from None
