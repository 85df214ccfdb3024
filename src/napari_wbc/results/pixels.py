"""Find the image of a record again: its file may have moved, but must be the same byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ..cells import Field
from ..errors import ResultsError
from ..images import decode, read_bytes
from .record import Record


def find_field(out: Path, record: Record, roots: Sequence[Path]) -> tuple[Path, Field]:
    """The first file of the image's name below the roots that is the one analysed, and what it shows.

    Parameters
    ----------
    out
        The results folder, for messages.
    record
        Of the image.
    roots
        Folders to look in, in order.

    Raises
    ------
    ResultsError
        If there is none.
    ImageError
        If it cannot be read.
    """
    paths = [root / record.image for root in roots]
    there = [path for path in paths if path.is_file()]
    for path in there:
        data = read_bytes(path)
        if record.row.sha256 in (None, hashlib.sha256(data).hexdigest()):
            return path, decode(data, str(path))
    found = f"{there[0]} is another file (sha256)" if there else f"no file {' or '.join(map(str, paths))}"
    raise ResultsError(f"The pixels of {record.image} in {out} were not found: {found}. Name their folder: --images.")
