"""What an image is called in the results: its path below the input root, as text that can be recorded, clear of others."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from pathlib import Path

from ..errors import UsageError

LONGEST_NAME = 250
"""Bytes of the longest file name that can be recorded: file systems take 255, and `.json` is appended."""
KEPT_SUFFIXES = (".json", ".tif", ".csv")
"""What is appended to the name of an image where results keep its record, label image and readings."""


def name_in_results(path: Path, root: Path) -> str:
    """The name of an image, which is `text_below`.

    Raises
    ------
    UsageError
        If the file name is too long for its record, or that of what macOS keeps beside a file.
    """
    if path.name.startswith("._"):  # `images_in` passes over the record of such a file
        raise UsageError(
            f"{path} is no image: macOS keeps attributes of the file {path.name[2:]} in it. "
            "Leave it out; if it is an image after all, rename it."
        )
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise UsageError(
            f"The file name {path.relative_to(root).as_posix()} is longer than {LONGEST_NAME} bytes, too long for its results. "
            "Rename the file."
        )
    return text_below(path, root)


def check_folders(names: Collection[str], root: Path) -> None:
    """Refuse a folder of images that is called as the results call what they keep of an image beside it.

    One path cannot be both folder and file. Capitals are not told apart, as some file systems do not.

    Raises
    ------
    UsageError
        If there is one.
    """
    folded = {name.casefold(): name for name in names}
    folders: set[str] = set()
    for name in names:
        while (name := name.rpartition("/")[0]) and name not in folders:  # else those above it are known, too
            folders.add(name)
    for folder in sorted(folders):
        stem, suffix = os.path.splitext(folder.casefold())
        if suffix in KEPT_SUFFIXES and stem in folded:
            raise UsageError(
                f"In {root} are the image {folded[stem]} and the folder {folder}: the results cannot hold both, as a file of "
                "that name belongs to the image. Rename the folder."
            )


def text_below(path: Path, root: Path) -> str:
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
