"""What is stored of one image besides its labels: the record, whose parts are the image's lines of the tables."""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError, model_validator

from ..cells import Cell, ScaleSource

_TEXT = ("cell_type", "previous_cell_type", "reviewed_by", "reviewed_at")
_FOUR_DECIMALS = ("segmentation_score", "none_of_five_score", "margin")


class Stored(BaseModel):
    """A part of a file: frozen, and without unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class InputFile(Stored):
    """The image file that was read: SHA-256, size in bytes, time of change in ns; None where it could not be read."""

    sha256: str | None = None
    size: int | None = None
    mtime_ns: int | None = None


class Origin(Stored):
    """What the numbers depend on besides the image: identities of the two models and of the settings."""

    segmenter: str
    classifier: str
    settings: str


class Hashes(Stored):
    """Identities of all that went into a record, and of its label image."""

    input: InputFile
    labels: str | None
    origin: Origin


class Timing(Stored):
    """Seconds that the work on an image took, and when it ended (ISO 8601, UTC)."""

    read_s: float
    analyse_s: float
    finished_at: str


class ImageRow(Stored):
    """An image's line of `images.csv`, whose columns these are; None where missing."""

    image: str
    slide: str
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    um_per_px: float | None = None
    analysis_scale: float | None = None
    scale_source: ScaleSource | None = None
    domain_ok: bool | None = None
    domain_reason: str | None = None
    status: Literal["done", "failed"]
    error: str | None = None
    n_cells: int | None = None
    reviewed_by: str | None = None
    reviewed_at: str | None = None

    @property
    def is_slide(self) -> bool:
        """Whether it is a whole-slide image, which is its own slide."""
        return self.slide == self.image


def _nest(value: Any) -> Any:
    """The row of a cell as its fields; what is no row is left for pydantic to judge."""
    return Cell.fields_in(value) if isinstance(value, dict) else value


StoredCell = Annotated[Cell, BeforeValidator(_nest), PlainSerializer(Cell.as_row)]
"""A cell that is stored as its line of `cells.csv`."""


class Record(Stored):
    """All that is known of one image, its labels apart. `edited` says that a person saved it."""

    schema_version: Literal[1] = 1
    row: ImageRow
    cells: tuple[StoredCell, ...] = ()
    hashes: Hashes
    edited: bool = False
    timing: Timing | None = None

    @model_validator(mode="after")
    def _has_cells_of_its_image(self) -> Record:
        """Ids are unique and positive, and boxes lie in the image: others index pixels by them."""
        ids = {cell.cell_id for cell in self.cells}
        if len(ids) < len(self.cells) or min(ids, default=1) < 1:
            raise ValueError("the cell_id of a cell is not positive, or another cell has it too")
        height, width = self.row.height or 0, self.row.width or 0
        for cell in self.cells:
            y0, x0, y1, x1 = cell.box
            if not (0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width):
                raise ValueError(f"the box of cell {cell.cell_id} is not in the image of {width} × {height} px")
        return self

    @property
    def image(self) -> str:
        """Path relative to the input root, with `/`."""
        return self.row.image

    @property
    def has_human_work(self) -> bool:
        """Whether a person's work would be lost with this record."""
        reviewed = self.row.reviewed_by is not None or any(cell.reviewed_by is not None for cell in self.cells)
        return self.edited or reviewed or any(cell.source == "human" for cell in self.cells)


class MarkedRow(BaseModel):
    """The part of an image's line by which a run sees whether to leave it as it is, and which it then shows."""

    model_config = ConfigDict(frozen=True)

    image: str
    slide: str
    width: int | None
    height: int | None
    status: Literal["done", "failed"]
    error: str | None
    n_cells: int | None


class Mark(BaseModel):
    """What of a record tells whether its image is done. Reading it is quick: the cells are passed over."""

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1]
    row: MarkedRow
    hashes: Hashes


def as_stored(cell: Cell) -> Cell:
    """The cell as it reads back: 4 decimals where the tables have 4, and None for empty text and for what is not a number."""
    values: dict[str, Any] = {name: getattr(cell, name) or None for name in _TEXT}
    for field in dataclasses.fields(cell):
        value = getattr(cell, field.name)
        if isinstance(value, float) and not math.isfinite(value):
            values[field.name] = None
        elif field.name in _FOUR_DECIMALS and value is not None:
            values[field.name] = round(float(value), 4)
    p = None if cell.p is None else tuple(round(float(value), 4) for value in cell.p)
    return dataclasses.replace(cell, p=p, **values)


def first_problem(error: OSError | ValidationError) -> str:
    """Why a file of the results cannot be taken: the first of what is wrong with its values."""
    if isinstance(error, OSError):
        return str(error)
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(map(str, found["loc"]))
    return f"{where}: {found['msg']}" if where else found["msg"]
