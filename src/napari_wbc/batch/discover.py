"""Find the images that a run is to analyse: files, folders with all that is below them, and patterns."""

from __future__ import annotations

import glob
import hashlib
import logging
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UsageError
from ..images import IMAGE_SUFFIXES
from ..pyramids import SLIDE_SUFFIXES, is_folder_image

logger = logging.getLogger(__name__)

SUFFIXES = (*IMAGE_SUFFIXES, *SLIDE_SUFFIXES)
"""Suffixes of the files that are images or slides, lower case."""
LONGEST_NAME = 250
"""Bytes of the longest file name that can be recorded: file systems take 255, and `.json` is appended."""


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
    """Paths found so far, and the folders that cannot be searched."""

    images: set[Path] = field(default_factory=set)
    others: set[Path] = field(default_factory=set)
    closed: dict[Path, OSError] = field(default_factory=dict)

    def add(self, path: Path) -> None:
        (self.images if path.suffix.lower() in SUFFIXES else self.others).add(path)


def discover(inputs: str | Path | Sequence[str | Path], out: str | Path) -> Inputs:
    """Find the images among the inputs.

    Parameters
    ----------
    inputs
        Files, folders (searched to the bottom) and patterns such as `slides/*/*.png`. Hidden files and folders, `out`, other
        results folders, and links to a folder that leads to them are not searched.
    out
        The folder of the results.

    Raises
    ------
    UsageError
        If an input does not exist or cannot be searched, or there is no image.
    """
    given = [path for item in ([inputs] if isinstance(inputs, str | Path) else inputs) for path in _expand(item)]
    if not given:
        raise UsageError("No input was named. Name image files, folders, or patterns.")
    folders = {path for path in given if _is_folder(path) and not is_folder_image(path)}
    root = _common_parent([path if path in folders else path.parent for path in given])
    found = _Found()
    for path in given:
        if path not in folders:
            found.add(path)
        elif _same(path, Path(out)):
            raise UsageError(f"{path} is both input and results folder. Name another folder for the results.")
        else:
            for file in _files_below(path, Path(out), (os.path.realpath(path),), found.closed):
                found.add(file)
    for path, error in found.closed.items():
        if path in folders or not found.images:
            raise UsageError(f"The folder {path} cannot be searched: {error.strerror}. See to its permission.") from error
        logger.warning("The folder %s cannot be searched and is left out: %s.", path, error.strerror)
    if not found.images:
        other = f" ({len(found.others)} other files)" if found.others else ""
        raise UsageError(f"No image found in {', '.join(map(str, given))}{other}. Images end with {' '.join(SUFFIXES)}.")
    images = tuple(sorted((_named(path, root) for path in found.images), key=lambda image: image.name))
    return Inputs(root, images, len(found.others), tuple(_name(path, root) for path in found.closed))


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
        matches = glob.glob(str(path), recursive=True)
        if matches:
            return [Path(match) for match in sorted(matches)]
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


def _common_parent(folders: list[Path]) -> Path:
    try:
        return Path(os.path.commonpath(folders))
    except ValueError:
        raise UsageError(
            "The inputs lie on different drives. Run once for each drive, each with its own results folder."
        ) from None


def _files_below(folder: Path, out: Path, above: tuple[str, ...], closed: dict[Path, OSError]) -> Iterator[Path]:
    """The files in a folder and below; `above` are the real paths of the folders on the way, by which loops are known.

    Folders that cannot be searched are added to `closed`.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        closed[folder] = error
        return
    names = {entry.name for entry in entries}
    if {"run.json", "records"} <= names:
        logger.info("%s is a results folder and is not searched.", folder)
        return
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith("."):
            continue
        if not _is_folder(entry) or is_folder_image(path):
            yield path
        elif (real := os.path.realpath(path)) in above:
            logger.warning("%s is a link to a folder that leads to it, and is not followed.", path)
        elif not _same(path, out):
            yield from _files_below(path, out, (*above, real), closed)


def _same(folder: Path, out: Path) -> bool:
    return os.path.realpath(folder) == os.path.realpath(out)


def _named(path: Path, root: Path) -> InputImage:
    """The image with its name in the results.

    Raises
    ------
    UsageError
        If the file name is too long for its record.
    """
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise UsageError(
            f"The file name {path.relative_to(root).as_posix()} is longer than {LONGEST_NAME} bytes, too long for its results. "
            "Rename the file."
        )
    return InputImage(_name(path, root), path)


def _name(path: Path, root: Path) -> str:
    """The path relative to the root as text, with `/`."""
    return "/".join(map(_as_text, path.relative_to(root).parts))


def _as_text(part: str) -> str:
    r"""A file name; bytes that are not UTF-8 become `\xff`, and where that makes it too long, its end becomes a hash."""
    data = os.fsencode(part)
    text = data.decode("utf-8", "backslashreplace")
    if text == part or len(text.encode()) <= LONGEST_NAME:
        return text
    end = f"~{hashlib.sha256(data).hexdigest()[:16]}"
    return text.encode()[: LONGEST_NAME - len(end)].decode("utf-8", "ignore") + end
