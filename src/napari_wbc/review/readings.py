"""Second readings, kept beside the results in `readings/<image path>.csv`: who called which cell what, and when.

Records and tables are never changed by them.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ..cells import Box, Cell, CellTable
from ..errors import ResultsError
from ..regular import read_file
from ..results import tables
from ..results.folder import readings_path
from ..results.storage import write_bytes
from .agreement import said_by_model


@dataclass(frozen=True)
class Reading:
    """What a reader called a cell of an image, and when (ISO 8601, UTC). A line of the file, whose columns these are.

    What is read before the image is saved for the first time has the time of saving.
    """

    image: str
    cell_id: int
    reader: str
    cell_type: str
    read_at: str


COLUMNS = tuple(field.name for field in fields(Reading))

EXPORTED = ("image", "cell_id", "reader", "cell_type", "first_reading", "model")
"""Columns of one reading beside what was said before; `cell_type` is what the second reader said."""


def read_readings(out: Path, image: str) -> list[Reading]:
    """The readings of an image, by reader and cell; none where nobody has read it a second time.

    Raises
    ------
    ResultsError
        If the file is damaged.
    """
    path = readings_path(out, image)
    try:
        rows = list(tables.read(read_file(path)))
        found = [Reading(**{**row, "cell_id": int(row["cell_id"] or "")}) for row in rows]  # type: ignore[arg-type]
        if not all(reading.reader and reading.cell_type for reading in found):
            raise ValueError("a line has no reader or no cell type")
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise ResultsError(f"The readings {path} cannot be read: {error}. Restore the file, or remove it.") from error
    return sorted(found, key=lambda reading: (reading.reader, reading.cell_id))


def write_readings(out: Path, image: str, said: Mapping[str, Mapping[int, str]], at: str, gone: Collection[int] = ()) -> None:
    """Keep readings of an image, by reader and cell; what was read before stays, unless the same reader has said otherwise.

    Parameters
    ----------
    out, image
        The results folder, and the image in it.
    said, at
        What each reader calls which cell, and when (ISO 8601, UTC).
    gone
        Ids whose cells are no longer there, or others by now: what was read before of them is dropped.

    Raises
    ------
    ResultsError
        If the file that is there is damaged.
    StorageError
        If it cannot be written.
    """
    before = {(reading.reader, reading.cell_id): reading for reading in read_readings(out, image)}
    after = {key: reading for key, reading in before.items() if reading.cell_id not in gone}
    for reader, types in said.items():
        for i, name in types.items():
            old = before.get((reader, i))
            after[reader, i] = old if old is not None and old.cell_type == name else Reading(image, i, reader, name, at)
    if after != before:
        lines = [tables.row(COLUMNS, asdict(after[key])) for key in sorted(after)]
        write_bytes(out, readings_path(out, image), tables.header(COLUMNS) + b"".join(lines))


def gone(saved: Iterable[Cell], cells: CellTable) -> set[int]:
    """Ids of saved cells that are not there any more; a new cell elsewhere may have the same id."""
    boxes = {cell.cell_id: cell.box for cell in cells}
    return {cell.cell_id for cell in saved if not _meet(cell.box, boxes.get(cell.cell_id))}


def _meet(a: Box, b: Box | None) -> bool:
    """Whether two boxes have a pixel in common."""
    return b is not None and max(a.y0, b.y0) < min(a.y1, b.y1) and max(a.x0, b.x0) < min(a.x1, b.x1)


def said_before(cells: CellTable) -> dict[str, dict[int, str]]:
    """What the model and the first reader have called cells, by id."""
    model = {cell.cell_id: name for cell in cells if (name := said_by_model(cell)) is not None}
    first = {cell.cell_id: cell.cell_type for cell in cells if cell.type_source == "human" and cell.cell_type}
    return {"the model": model, "the first reader": first}


def export_reading(path: Path, image: str, cells: CellTable, reader: str, read: Mapping[int, str]) -> None:
    """Write what a reader called the cells of an image as CSV, a line for each; errors as in `storage.write_bytes`."""
    model, first = said_before(cells).values()
    lines = [tables.header(EXPORTED)]
    for i in (cell.cell_id for cell in cells):
        values = (image, i, reader, read.get(i), first.get(i), model.get(i))
        lines.append(tables.row(EXPORTED, dict(zip(EXPORTED, values, strict=True))))
    write_bytes(path.parent, path, b"".join(lines))
