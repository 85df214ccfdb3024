"""The pixels of an image of the results: they stay where they are, and are known by their SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ..cells import Field, RgbImage
from ..errors import ResultsError
from ..images import decode, read_bytes
from .record import Record


def read_pixels(out: Path, record: Record, roots: Sequence[Path]) -> RgbImage:
    """The image of a record, (H, W, 3) uint8: the first file of its name that is byte for byte the one analysed.

    Parameters
    ----------
    out
        The results folder, for messages.
    record
        Of the image.
    roots
        Folders in which it may be.

    Raises
    ------
    ResultsError
        If there is none.
    ImageError
        If it cannot be read.
    """
    return find_field(out, record, roots)[1].pixels


def find_field(out: Path, record: Record, roots: Sequence[Path]) -> tuple[Path, Field]:
    """The file of a record, and what it shows, with its pixel size; parameters and errors as of `read_pixels`."""
    paths = [root / record.image for root in roots]
    there = [path for path in paths if path.is_file()]
    for path in there:
        data = read_bytes(path)
        if record.row.sha256 in (None, hashlib.sha256(data).hexdigest()):
            return path, decode(data, str(path))
    found = f"{there[0]} is another file (sha256)" if there else f"no file {' or '.join(map(str, paths))}"
    raise ResultsError(f"The pixels of {record.image} in {out} were not found: {found}. Name their folder: --images.")
