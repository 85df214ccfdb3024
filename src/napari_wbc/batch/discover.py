"""Find the images that a run is to analyse: files, folders with all that is below them, and patterns."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ..errors import UsageError
from ..pyramids import is_folder_image
from .names import check_folders, name_in_results, text_below
from .search import IN_RESULTS, SUFFIXES, Found, files_below, is_folder

logger = logging.getLogger(__name__)


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
    folders = {path for path in named if is_folder(path) and not is_folder_image(path)}
    given, results = _without_results(named, folders, Path(out))
    if not given and any(_same(folder, Path(out)) for folder in results):
        raise UsageError(f"{out} is both input and results folder. Name another folder for the results.")
    found = Found(results=results)
    for path in given:
        if path not in folders:
            found.add(path)
            continue
        for file in files_below(path, Path(out), found):
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
    return all(os.path.exists(folder / name) for name in IN_RESULTS)


def _same(folder: Path, out: Path) -> bool:
    return os.path.realpath(folder) == os.path.realpath(out)
