"""Find the images that a run is to analyse: files, folders with all that is below them, and patterns."""

from __future__ import annotations

import glob
import logging
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from ..errors import UsageError
from ..images import IMAGE_SUFFIXES
from ..pyramids import SLIDE_SUFFIXES, is_folder_image
from .names import check_folders, name_in_results, text_below

logger = logging.getLogger(__name__)

SUFFIXES = (*IMAGE_SUFFIXES, *SLIDE_SUFFIXES)
"""Suffixes of the files that are images or slides, lower case."""
MOST_WAYS = 1000
"""Ways through links by which one folder is searched: each pair of links below a pair of links doubles them."""


@dataclass(frozen=True)
class InputImage:
    """An image: its path, and its name in the results, which is its path relative to the input root, with `/`."""

    name: str
    path: Path


@dataclass(frozen=True)
class Inputs:
    """What was found.

    Parameters
    ----------
    root
        The folder given, or the common parent of all that was given.
    images
        In alphabetical order of name, each once.
    n_other
        Files that are not images by their suffix; hidden ones are not counted.
    unsearched
        Folders that could not be searched, relative to the root.
    """

    root: Path
    images: tuple[InputImage, ...]
    n_other: int
    unsearched: tuple[str, ...] = ()


@dataclass
class _Found:
    """Paths found so far; folders that cannot be searched; those of results, which are not; how often links led to a folder."""

    images: set[Path] = field(default_factory=set)
    others: set[Path] = field(default_factory=set)
    closed: dict[Path, OSError] = field(default_factory=dict)
    results: set[Path] = field(default_factory=set)
    ways: Counter[str] = field(default_factory=Counter)

    def add(self, path: Path) -> None:
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


def discover(inputs: str | Path | Sequence[str | Path], out: str | Path) -> Inputs:
    """Find the images among the inputs.

    Parameters
    ----------
    inputs
        Files, folders (searched to the bottom) and patterns such as `slides/*/*.png`. Hidden files and folders, `out`, other
        results folders, and links to a folder that leads to them are not searched, and what of these a pattern finds is left
        out; a folder inside of results is searched where nothing else is named.
    out
        The folder of the results.

    Raises
    ------
    UsageError
        If an input does not exist or cannot be searched, there is no image, one has no name of its own in the results, or links
        lead to one folder in too many ways.
    """
    named = [path for item in ([inputs] if isinstance(inputs, str | Path) else inputs) for path in _expand(item)]
    if not named:
        raise UsageError("No input was named. Name image files, folders, or patterns.")
    folders = {path for path in named if _is_folder(path) and not is_folder_image(path)}
    given, results = _without_results(named, folders, Path(out))
    if not given and any(_same(folder, Path(out)) for folder in results):
        raise UsageError(f"{out} is both input and results folder. Name another folder for the results.")
    found = _Found(results=results)
    for path in given:
        if path not in folders:
            found.add(path)
            continue
        for file in _files_below(path, Path(out), found):
            found.add(file)
    for path in found.results:
        logger.info("%s is a results folder and is not searched.", path)
    for path, error in found.closed.items():
        if path in folders or not found.images:
            raise UsageError(f"The folder {path} cannot be searched: {error.strerror}. See to its permission.") from error
        logger.warning("The folder %s cannot be searched and is left out: %s.", path, error.strerror)
    if not found.images:
        raise UsageError(f"No image found in {', '.join(map(str, named))}{found.but()} Images end with {' '.join(SUFFIXES)}.")
    root = _common_parent(given, folders)
    return Inputs(root, _named(found.images, root), len(found.others), tuple(text_below(path, root) for path in found.closed))


def _named(paths: set[Path], root: Path) -> tuple[InputImage, ...]:
    """The images with their names in the results, sorted by these.

    Raises
    ------
    UsageError
        If two would have the same, or a name cannot be recorded, or not beside the others.
    """
    images = sorted((InputImage(name_in_results(path, root), path) for path in paths), key=lambda image: image.name)
    for image, after in pairwise(images):
        if image.name == after.name:
            raise UsageError(
                f"In {root} are two images that are both called {image.name} in the results, as the file name of one is not "
                "valid UTF-8. Rename it."
            )
    check_folders([image.name for image in images], root)
    return tuple(images)


def _expand(item: str | Path) -> list[Path]:
    """The absolute path of an input, or those that its pattern matches."""
    if not str(item):
        raise UsageError("An input is empty, as from a variable that is not set. Name image files, folders, or patterns.")
    path = Path(os.path.abspath(item))
    try:
        path.lstat()
    except PermissionError as error:
        raise UsageError(f"{path} cannot be looked at: {error.strerror}. See to the permission of its folder.") from error
    except OSError:
        logger.debug("%s is no file or folder.", path)
    else:
        return [path]
    if glob.has_magic(str(item)):
        matches = glob.glob(str(item), recursive=True)  # not of `path`: the folder that we are in may have brackets
        if matches:
            return [Path(os.path.abspath(match)) for match in sorted(matches)]
        raise UsageError(f"Nothing matches the pattern {item}.")
    raise UsageError(f"There is no file or folder {item}. Check the path.")


def _is_folder(item: os.DirEntry[str] | Path) -> bool:
    """Whether it is a folder, or a link to one. A link that cannot be followed is none, as one is that leads nowhere."""
    try:
        return item.is_dir() if isinstance(item, os.DirEntry) else stat.S_ISDIR(item.stat().st_mode)
    except FileNotFoundError:
        return False
    except OSError as error:
        logger.warning("%s cannot be looked at: %s.", os.fspath(item), error.strerror)
        return False


def _common_parent(given: list[Path], folders: set[Path]) -> Path:
    """The folder in which all that was given lies, which may be one of the folders."""
    try:
        return Path(os.path.commonpath([path if path in folders else path.parent for path in given]))
    except ValueError:
        raise UsageError(
            "The inputs lie on different drives. Run once for each drive, each with its own results folder."
        ) from None


def _without_results(named: list[Path], folders: set[Path], out: Path) -> tuple[list[Path], set[Path]]:
    """What was named but results folders and what lies in them; and these folders, unless all that was named lies deeper."""
    root = _common_parent(named, folders)
    above = {parent: (parent, *parent.parents) for parent in {path.parent for path in named}}
    places = [place for place in folders.union(*above.values()) if place.is_relative_to(root)]
    results = {place for place in places if _same(place, out) or _is_results(place)}
    return [path for path in named if path not in results and results.isdisjoint(above[path.parent])], results


def _is_results(folder: Path) -> bool:
    """Whether it is a results folder; none, where nobody can tell."""
    return all(os.path.exists(folder / name) for name in ("run.json", "records"))


def _files_below(folder: Path, out: Path, found: _Found) -> Iterator[Path]:
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
        if not _is_folder(entry) or is_folder_image(path):
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


def _entries(folder: Path, found: _Found) -> Iterator[os.DirEntry[str]]:
    """What is in a folder and not hidden, in alphabetical order; nothing of one that `found` is told of."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        found.closed[folder] = error
        return iter(())
    if {"run.json", "records"} <= {entry.name for entry in entries}:
        found.results.add(folder)
        return iter(())
    return (entry for entry in entries if not entry.name.startswith("."))


def _same(folder: Path, out: Path) -> bool:
    return os.path.realpath(folder) == os.path.realpath(out)
