"""Files that a process was writing when it was killed: the next run removes them."""

from __future__ import annotations

import logging
import os
import re
import time
from pathlib import Path

from .storage import temporary_prefix

logger = logging.getLogger(__name__)

FOLDERS = ("images", "labels", "records", "readings", "replaced", "shards", "unfinished")
"""Folders of the results in which files are written."""
LEFT_S = 24 * 3600.0
"""A file of another machine, whose processes are not known here, is left over if nobody has written to it for so long."""
_TEMPORARY = re.compile(r"\.tmp-[0-9a-f]{8}-(\d+)-[0-9a-f]{16}")


def sweep(out: Path) -> int:
    """Remove what was being written to a results folder by processes that are no more; how many files that were.

    Only regular files with the names of `storage.writing` go, and nothing behind a link.
    """
    n = 0
    for here, folders, files in os.walk(out):
        if Path(here) == out:
            folders[:] = [name for name in folders if name in FOLDERS]
        for path in (Path(here, name) for name in files if name.startswith(".tmp-")):
            try:
                if _is_left(path):
                    path.unlink()
                    n += 1
            except OSError as error:
                logger.warning("%s was left by a killed run and cannot be removed: %s.", path, error.strerror)
    return n


def _is_left(path: Path) -> bool:
    """Whether a file is ours, and whoever was writing it has ended."""
    name = _TEMPORARY.fullmatch(path.name)
    if name is None or path.is_symlink() or not path.is_file():
        return False
    if not path.name.startswith(temporary_prefix()):
        return time.time() - path.stat().st_mtime > LEFT_S
    return not _is_running(int(name[1]))


def _is_running(process: int) -> bool:
    """Whether a process of this machine runs."""
    if os.name == "nt":
        return False  # what it has open cannot be removed there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
