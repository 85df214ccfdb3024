"""Search a folder, with all that is below it, for images."""

from __future__ import annotations

import logging
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UsageError
from ..images import IMAGE_SUFFIXES
from ..pyramids import SLIDE_SUFFIXES, is_folder_image

logger = logging.getLogger(__name__)

SUFFIXES = (*IMAGE_SUFFIXES, *SLIDE_SUFFIXES)
"""Suffixes of the files that are images or slides, lower case."""
IN_RESULTS = frozenset({"run.json", "records"})
"""What a folder has in it that is a results folder."""
MOST_WAYS = 1000
"""Ways through links by which one folder is searched: each pair of links below a pair of links doubles them."""


@dataclass
class Found:
    """Paths found so far; folders that cannot be searched; those of results, which are not; how often links led to a folder."""

    images: set[Path] = field(default_factory=set)
    others: set[Path] = field(default_factory=set)
    closed: dict[Path, OSError] = field(default_factory=dict)
    results: set[Path] = field(default_factory=set)
    ways: Counter[str] = field(default_factory=Counter)

    def add(self, path: Path) -> None:
        """Add a file, which by its suffix is an image or not."""
        (self.images if path.suffix.lower() in SUFFIXES else self.others).add(path)

    def count_way(self, link: Path, folder: str) -> None:
        """Count that a link leads to a folder; too many of them are an error."""
        self.ways[folder] += 1
        if self.ways[folder] > MOST_WAYS:
            raise UsageError(
                f"The link {link} leads to the folder {folder}, as {MOST_WAYS} ways through links did before: "
                "links below links multiply. Remove links, or name the folders that hold the images."
            )

    def but(self) -> str:
        """What there is besides images, as the end of a sentence."""
        other = f" ({len(self.others)} other files)." if self.others else "."
        results = ", ".join(map(str, sorted(self.results)))
        return f"{other} Results folders are not searched: {results}." if results else other


def files_below(folder: Path, out: Path, found: Found) -> Iterator[Path]:
    """The files in a folder and below; folders that cannot be searched, and those of results, are added to `found`.

    Raises
    ------
    UsageError
        If links lead to one folder in more than `MOST_WAYS` ways.
    """
    real_out = os.path.realpath(out)
    above = {os.path.realpath(folder): _entries(folder, found)}  # what is left of the folders on the way, by their real paths
    while above:
        parent, entries = next(reversed(above.items()))
        if (entry := next(entries, None)) is None:
            above.popitem()
            continue
        path = Path(entry.path)
        if not is_folder(entry) or is_folder_image(path):
            yield path
            continue
        is_link = entry.is_symlink() or os.name == "nt"  # there, junctions lead elsewhere, too
        real = os.path.realpath(path) if is_link else os.path.join(parent, entry.name)  # `realpath` looks at all parents
        if real in above:
            logger.warning("%s is a link to a folder that leads to it, and is not followed.", path)
        elif real == real_out:
            found.results.add(path)
        else:
            if is_link:
                found.count_way(path, real)
            above[real] = _entries(path, found)


def is_folder(item: os.DirEntry[str] | Path) -> bool:
    """Whether it is a folder, or a link to one. A link that cannot be followed is none, as one is that leads nowhere."""
    try:
        return item.is_dir() if isinstance(item, os.DirEntry) else stat.S_ISDIR(item.stat().st_mode)
    except FileNotFoundError:
        return False
    except OSError as error:
        logger.warning("%s cannot be looked at: %s.", os.fspath(item), error.strerror)
        return False


def _entries(folder: Path, found: Found) -> Iterator[os.DirEntry[str]]:
    """What is in a folder and not hidden, in alphabetical order; nothing of one that `found` is told of."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        found.closed[folder] = error
        return iter(())
    if {entry.name for entry in entries} >= IN_RESULTS:
        found.results.add(folder)
        return iter(())
    return (entry for entry in entries if not entry.name.startswith("."))
