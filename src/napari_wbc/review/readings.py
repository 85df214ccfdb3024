"""Second readings, kept beside the results in `readings/<image path>.csv`: who called which cell what, and when.

Records and tables are never changed by them.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ..errors import ResultsError
from ..results import tables
from ..results.storage import place, write_bytes


@dataclass(frozen=True)
class Reading:
    """What a reader called a cell of an image, and when (ISO 8601, UTC). A line of the file, whose columns these are."""

    image: str
    cell_id: int
    reader: str
    cell_type: str
    read_at: str


COLUMNS = tuple(field.name for field in fields(Reading))


def readings_path(out: Path, image: str) -> Path:
    """Where the readings of an image are."""
    return place(out, "readings", image, ".csv")


def read_readings(out: Path, image: str) -> list[Reading]:
    """The readings of an image, by reader and cell; none where nobody has read it a second time.

    Raises
    ------
    ResultsError
        If the file is damaged.
    """
    path = readings_path(out, image)
    try:
        rows = list(tables.read(path.read_bytes()))
        found = [Reading(**{**row, "cell_id": int(row["cell_id"] or "")}) for row in rows]  # type: ignore[arg-type]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise ResultsError(f"The readings {path} cannot be read: {error}. Restore the file, or remove it.") from error
    return sorted(found, key=lambda reading: (reading.reader, reading.cell_id))


def write_readings(out: Path, image: str, said: Mapping[str, Mapping[int, str]], at: str) -> None:
    """Keep readings of an image, by reader and cell; what was read before stays, unless the same reader has said otherwise.

    Raises
    ------
    ResultsError
        If the file that is there is damaged.
    StorageError
        If it cannot be written.
    """
    before = {(reading.reader, reading.cell_id): reading for reading in read_readings(out, image)}
    after = dict(before)
    for reader, types in said.items():
        for i, name in types.items():
            old = before.get((reader, i))
            if old is None or old.cell_type != name:
                after[reader, i] = Reading(image, i, reader, name, at)
    if after != before:
        lines = [tables.row(COLUMNS, asdict(after[key])) for key in sorted(after)]
        write_bytes(out, readings_path(out, image), tables.header(COLUMNS) + b"".join(lines))
