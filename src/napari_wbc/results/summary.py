"""The tables of a results folder, made from its records alone: `images.csv`, `cells.csv`, `differential.csv`."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ..cells import COLUMNS as COLUMNS_OF_CELLS
from ..cells import Cell
from ..config import UNIDENTIFIED
from ..differential import COLUMNS, POOLED, TypeCount, countable, differential
from . import tables
from .folder import iter_records
from .least_certain import Example, LeastCertain
from .record import ImageRow
from .storage import writing_together

IMAGE_COLUMNS: tuple[str, ...] = tuple(ImageRow.model_fields)
"""Columns of `images.csv`, in order."""

CELL_COLUMNS: tuple[str, ...] = ("image", *COLUMNS_OF_CELLS)
"""Columns of `cells.csv`, in order."""


@dataclass(frozen=True)
class Summary:
    """What the tables say: the lines of `images.csv` and of `differential.csv`, and the number of cells.

    `least_certain` are the few cells of each type to look at first, in this order.
    """

    images: tuple[ImageRow, ...]
    differential: tuple[TypeCount, ...]
    n_cells: int
    least_certain: Mapping[str, tuple[Example, ...]] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[ImageRow, ...]:
        """The images that could not be analysed."""
        return tuple(image for image in self.images if image.status == "failed")

    @property
    def strange(self) -> tuple[ImageRow, ...]:
        """The images unlike those that the segmenter was trained on."""
        return tuple(image for image in self.images if image.domain_ok is False)

    @property
    def pooled(self) -> tuple[TypeCount, ...]:
        """The rows of the differential in which all slides are pooled."""
        return tuple(row for row in self.differential if row.slide == POOLED)


TABLES = ("images.csv", "cells.csv", "differential.csv")
"""Names of the tables."""


def make_tables(out: Path, folder: Path | None = None) -> Summary:
    """Write the three tables, sorted by image; equal records give equal bytes.

    Parameters
    ----------
    out
        The results folder.
    folder
        Where the tables go, if not there.

    Raises
    ------
    ResultsError
        If a record is damaged; the tables stay as they were.
    StorageError
        If a table cannot be written.
    """
    images: list[ImageRow] = []
    counts: Counter[tuple[str, str, bool]] = Counter()
    least_certain = LeastCertain()
    place = folder or out
    with writing_together(place, *(place / name for name in TABLES)) as (image_file, cell_file, differential_file):
        image_file.write(tables.header(IMAGE_COLUMNS))
        cell_file.write(tables.header(CELL_COLUMNS))
        for record in iter_records(out):
            write_lines(image_file, cell_file, record.row, record.cells)
            keys = countable(record.row.slide, record.cells, record.row.reviewed_by is not None)
            counts.update(keys)
            for cell, (_, cell_type, reviewed) in zip(record.cells, keys, strict=True):
                least_certain.add(record.image, cell, cell_type, reviewed)
            images.append(record.row)
        shares = differential(counts, {image.slide for image in images if image.status == "done"})
        differential_file.write(tables.header(COLUMNS))
        differential_file.writelines(tables.row(COLUMNS, dataclasses.asdict(share)) for share in shares)
    return Summary(tuple(images), tuple(shares), counts.total(), least_certain.by_type())


def write_lines(image_file: BinaryIO, cell_file: BinaryIO, row: ImageRow, cells: Iterable[Cell]) -> None:
    """Write the lines of an image into `images.csv` and `cells.csv`."""
    image_file.write(tables.row(IMAGE_COLUMNS, row.model_dump()))
    cell_file.writelines(tables.row(CELL_COLUMNS, {"image": row.image} | cell.as_row()) for cell in cells)


@dataclass(frozen=True)
class Learnable:
    """What a person has made of results: cells by the type that a person gave, and images, not slides, vouched for."""

    n_by_type: dict[str, int]
    n_vouched: int


def learnable(folders: Iterable[Path]) -> Learnable:
    """What there is to learn from in results folders; errors as in `folder.iter_records`."""
    records = [record for folder in folders for record in iter_records(folder)]
    named = [cell.cell_type for record in records for cell in record.cells if cell.type_source == "human"]
    counts = Counter(name for name in named if name not in (None, UNIDENTIFIED))
    n_vouched = sum(record.row.reviewed_by is not None and not record.row.is_slide for record in records)
    return Learnable(dict(sorted(counts.items())), n_vouched)
