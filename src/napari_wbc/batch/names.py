"""What an image is called in the results: its path below the input root, as text that can be recorded."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ..errors import UsageError

LONGEST_NAME = 250
"""Bytes of the longest file name that can be recorded: file systems take 255, and `.json` is appended."""


def name_in_results(path: Path, root: Path) -> str:
    """The name of an image, which is `text_below`.

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
    return text_below(path, root)


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
