"""Read regular files only: a pipe waits for whoever writes into it, a device may never end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def opener(path: str, flags: int) -> int:
    """For `open(…, opener=opener)`: opens a regular file, also by a link, and waits for nothing.

    Raises
    ------
    OSError
        If it cannot be opened, or is something else.
    """
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return handle


def read_file(path: Path) -> bytes:
    """The bytes of a regular file; errors as of `opener`."""
    with open(path, "rb", opener=opener) as file:
        return file.read()


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """The text of a regular file; errors as of `opener`, and `UnicodeDecodeError`."""
    with open(path, encoding=encoding, opener=opener) as file:
        return file.read()
