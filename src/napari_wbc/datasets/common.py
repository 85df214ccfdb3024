"""What all layouts share: what a data set is made of, and how its folders are found."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..cells import Labels, RgbImage
from ..errors import UsageError
from ..images import IMAGE_SUFFIXES

LONGEST_NAME = 250
"""Bytes of the longest file name that can be recorded: file systems take 255, and `.json` is appended."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What the people of a data set say of one image.

    Parameters
    ----------
    labels
        (H, W) int32, 0 background, one id per cell.
    cell_types
        Types by id; cells that nobody named are missing.
    drawn
        People drew the outlines; else they are stand-ins.
    nucleus_areas_px
        Area of the nucleus by id, where it was drawn, px.
    doubt
        What is wrong with it, as sentences for people, or empty: such an image is not vouched for.
    """

    labels: Labels
    cell_types: Mapping[int, str]
    drawn: bool
    nucleus_areas_px: Mapping[int, int] = field(default_factory=dict)
    doubt: str = ""


@dataclass(frozen=True)
class Source:
    """An image file, and how to read what is said of it, given its pixels (H, W, 3) uint8; an `ImageError` says why not."""

    path: Path
    read: Callable[[RgbImage], Truth]


@dataclass
class Dataset:
    """A data set, found but not yet read.

    Parameters
    ----------
    root
        Folder to which the names of the images are relative.
    seen_by
        Who says where the cells are, and vouches for them.
    sources
        The images.
    left_out
        One message for each file that belongs to nothing.
    """

    root: Path
    seen_by: str
    sources: list[Source] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def entries(folder: Path) -> list[Path]:
    """What is in a folder, sorted, without what begins with a dot.

    Raises
    ------
    UsageError
        If it is not a folder that can be read.
    """
    if folder.is_file():
        raise UsageError(f"{folder} is a file. Unpack it if it is an archive, and name the folder of the data set.")
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be read: {error.strerror or error}. Check path and permission.") from None


def normal(name: str) -> str:
    """A name as it is compared: `LISC_Database` is `lisc database`."""
    return name.casefold().replace("_", " ").strip()


def subfolders(folder: Path) -> dict[str, Path]:
    """The folders in a folder, by normal name."""
    return {normal(path.name): path for path in entries(folder) if path.is_dir()}


def find_base(src: Path, fits: Callable[[dict[str, Path]], bool], layout: str, expected: str) -> Path:
    """`src`, or a folder in it, whose sub-folders are those of the layout.

    Parameters
    ----------
    fits
        Whether sub-folders, by normal name, are those of the layout.
    expected
        What they are, for people.

    Raises
    ------
    UsageError
        If there is none; the message says what was found instead.
    """
    inside = subfolders(src)
    for folder in (src, *inside.values()):
        if fits(subfolders(folder)):
            return folder
    names = [path.name for path in inside.values()] or [path.name for path in entries(src)]
    found = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") or "nothing"
    raise UsageError(
        f"{src} is not laid out as {layout}: expected {expected} in it; found {found}. Name the folder that has them."
    )


def find_images(folder: Path, left_out: list[str], suffixes: Iterable[str] = IMAGE_SUFFIXES) -> list[Path]:
    """The image files in a folder, sorted; one whose name cannot be recorded adds a message to `left_out`."""
    found = []
    for path in entries(folder):
        if path.suffix.lower() not in suffixes or path.is_dir():
            continue
        name = os.fsencode(path.name)
        if not path.is_file():
            left_out.append(f"{path}: not a regular file, or a link to nothing. Copy the image to a file.")
        elif len(name) > LONGEST_NAME or name.decode("utf-8", "replace") != path.name:
            shown = name.decode("utf-8", "backslashreplace")
            left_out.append(f"{folder / shown}: the file name is too long or not valid UTF-8. Rename the file.")
        else:
            found.append(path)
    return found


def by_number(paths: Iterable[Path], left_out: list[str]) -> dict[int, Path]:
    """Files by the first number in their names: `7_expert.bmp` and `007.png` are 7. Others add a message to `left_out`."""
    found: dict[int, Path] = {}
    for path in paths:
        match = re.search(r"[0-9]+", path.stem)
        if match is None:
            left_out.append(f"{path}: a file name with a number is expected, by which image and mask belong together.")
        elif int(match[0]) in found:
            left_out.append(f"{path}: has the same number as {found[int(match[0])].name}. Remove one of them.")
        else:
            found[int(match[0])] = path
    return found


def with_notes(images: Path, notes: Path, suffix: str, left_out: list[str]) -> list[tuple[Path, Path]]:
    """The image files in a folder, each with the note of its name in another folder, which need not be there.

    Parameters
    ----------
    suffix
        Of the notes, lower case. A note without an image adds a message to `left_out`.
    """
    found = find_images(images, left_out)
    known = {path.stem: path for path in entries(notes) if path.suffix.lower() == suffix}
    for stem in sorted(known.keys() - {image.stem for image in found}):
        left_out.append(f"{known[stem]}: there is no image of that name in {images}.")
    return [(image, known.get(image.stem, notes / f"{image.stem}{suffix}")) for image in found]
