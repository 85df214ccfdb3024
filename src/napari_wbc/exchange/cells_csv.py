"""The tables of the results, to look at and to correct types in a spreadsheet: `cells.csv` and `images.csv`.

Types and reviews come back; other columns are not read. Text that could run as a formula is neutralised, as in
`results.tables`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from ..errors import ResultsError, WbcError
from ..regular import read_file
from ..results import tables
from ..results.storage import writing_together
from ..results.summary import CELL_COLUMNS, IMAGE_COLUMNS, write_lines
from .names import Names, one_file
from .told import Known, Read, Shape, Told, ToldCell, as_type, id_in

CELLS, IMAGES = "cells.csv", "images.csv"

_Row = dict[str, str | None]


def write(images: Iterable[Known], dst: Path) -> Iterator[str]:
    """Write the tables, with the lines of `results.summary`; see `told.Format`."""
    with writing_together(dst, dst / CELLS, dst / IMAGES) as (cell_file, image_file):
        cell_file.write(tables.header(CELL_COLUMNS))
        image_file.write(tables.header(IMAGE_COLUMNS))
        for one in images:
            write_lines(image_file, cell_file, one.row, one.cells)
            yield one.image


def find(src: Path, images: Sequence[str]) -> Mapping[str, Read]:
    """What `cells.csv`, and `images.csv` beside it where there is one, say of the images; see `told.Format`."""
    path = one_file(src, CELLS)
    cells = _by_image(path, images, "cell_id")
    reviews = _by_image(path.parent / IMAGES, images) if (path.parent / IMAGES).is_file() else {}
    both = sorted(cells.keys() | {image for image, rows in reviews.items() if rows[0].get("status") != "failed"})
    return {image: partial(_tell, path, cells.get(image, []), reviews.get(image, [])) for image in both}


def _by_image(path: Path, images: Sequence[str], *needed: str) -> dict[str, list[_Row]]:
    """The rows of a table, by the image that each names; rows of no image of the results are left out."""
    names, found = Names(images), dict[str, list[_Row]]()
    try:
        for row in tables.read(read_file(path)):
            if missing := [name for name in ("image", *needed) if name not in row]:
                raise ResultsError(f"{path} has no column {missing[0]!r}. Keep the first line as it was exported.")
            if (image := names.find(row["image"] or "")) is not None:
                found.setdefault(image, []).append(row)
    except WbcError:
        raise
    except (OSError, csv.Error, ValueError) as error:
        raise ResultsError(f"{path} is not a table in CSV and UTF-8: {error}. Save it as CSV UTF-8.") from error
    return found


def _tell(path: Path, rows: Sequence[_Row], reviews: Sequence[_Row], shape: Shape) -> Told:
    review = reviews[0] if reviews else {}
    return Told([_cell(path, row) for row in rows], False, review.get("reviewed_by"), review.get("reviewed_at"))


def _cell(path: Path, row: _Row) -> ToldCell:
    text = row["cell_id"] or ""
    cell_id = id_in(text)
    if cell_id is None:
        raise ResultsError(f"{path}: the cell_id {text[:40]!r} of {row['image']} is no number of a cell. Restore that column.")
    return ToldCell(
        cell_id, cell_type=as_type(row.get("cell_type")), reviewed_by=row.get("reviewed_by"), reviewed_at=row.get("reviewed_at")
    )
