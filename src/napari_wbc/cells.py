"""The nouns: what flows between the stages. Data in flight is frozen; a correction makes a new object.

Arrays: *image* (H, W, 3) uint8 · *mask* (H, W) bool · *labels* (H, W) int32, 0 background, one positive id per cell ·
*crop* (S, S, 3) uint8. Coordinates are those of the native, upright image, 0-based; boxes are half open;
the centre of pixel 0 is 0.0.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from .config import CELL_TYPES

if TYPE_CHECKING:
    import pandas as pd

RgbImage: TypeAlias = npt.NDArray[np.uint8]
"""(H, W, 3) uint8."""
Mask: TypeAlias = npt.NDArray[np.bool_]
"""(H, W) bool."""
Labels: TypeAlias = npt.NDArray[np.int32]
"""(H, W) int32, 0 background."""
Probabilities: TypeAlias = npt.NDArray[np.float32]
"""(K, H, W) or (N, 5) float32 in 0..1."""

ScaleSource: TypeAlias = Literal["user", "file", "estimated", "assumed"]
Source: TypeAlias = Literal["model", "human"]


class Box(NamedTuple):
    """A half-open box of pixels: rows y0..y1-1, columns x0..x1-1."""

    y0: int
    x0: int
    y1: int
    x1: int

    @property
    def height(self) -> int:
        """Rows, px."""
        return self.y1 - self.y0

    @property
    def width(self) -> int:
        """Columns, px."""
        return self.x1 - self.x0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the box in an array whose first two axes are rows and columns."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    @classmethod
    def around(cls, array: Mask | Labels) -> Box | None:
        """The smallest box that holds all of an array (H, W) that is not zero; None if all of it is."""
        rows = np.flatnonzero(array.any(axis=1))
        if not len(rows):
            return None
        y0, y1 = int(rows[0]), int(rows[-1]) + 1
        columns = np.flatnonzero(array[y0:y1].any(axis=0))
        return cls(y0, int(columns[0]), y1, int(columns[-1]) + 1)

    @classmethod
    def enclosing(cls, first: Box, *others: Box) -> Box:
        """The smallest box that holds all of some boxes."""
        y0, x0, y1, x1 = zip(first, *others, strict=True)
        return cls(min(y0), min(x0), max(y1), max(x1))


@dataclass(frozen=True)
class Scale:
    """The size of an image's pixels, and how the analysis saw it.

    Parameters
    ----------
    um_per_px
        Native pixel size, µm; None where it is only assumed.
    analysis_scale
        Analysis pixels per native pixel: the factor by which the image is resized before segmentation.
    source
        Where it comes from: the user, the file, estimated from the image, or assumed.
    """

    um_per_px: float | None
    analysis_scale: float
    source: ScaleSource


@dataclass(frozen=True)
class Domain:
    """Whether an image is like those the model was trained on; `reason` is empty if it is."""

    ok: bool
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Field:
    """One image of a slide, as read.

    Parameters
    ----------
    pixels
        (H, W, 3) uint8, upright.
    um_per_px
        Pixel size that the file states, µm, or None.
    """

    pixels: RgbImage
    um_per_px: float | None = None


@dataclass(frozen=True)
class Cell:
    """One white blood cell: a row of `cells.csv`, whose columns these are. Missing values are None.

    Lengths and areas in native pixels unless the name says µm; colours are means over the cell, 0..255; shares and
    probabilities 0..1. `p` holds the probabilities of the five types in the order of `CELL_TYPES`; they are calibrated and
    add to 1, given that the cell is one of the five. `margin` is the largest less the second of them.
    """

    cell_id: int
    box: Box
    centroid_x: float
    centroid_y: float
    area_px: int
    touches_border: bool
    nucleus_area_px: int | None = None
    nc_ratio: float | None = None
    diameter_px: float | None = None
    area_um2: float | None = None
    diameter_um: float | None = None
    perimeter_px: float | None = None
    eccentricity: float | None = None
    solidity: float | None = None
    mean_red: float | None = None
    mean_green: float | None = None
    mean_blue: float | None = None
    segmentation_score: float | None = None
    cell_type: str | None = None
    p: tuple[float, ...] | None = None
    none_of_five_score: float | None = None
    margin: float | None = None
    outline_source: Source = "model"
    type_source: Source = "model"
    previous_cell_type: str | None = None
    reviewed_by: str | None = None
    reviewed_at: str | None = None

    @property
    def source(self) -> Source:
        """`human` if a person made the outline or the type, else `model`."""
        return "human" if "human" in (self.outline_source, self.type_source) else "model"

    @property
    def is_reviewed(self) -> bool:
        """Whether a person has looked at it."""
        return self.reviewed_by is not None or self.type_source == "human"

    def as_row(self) -> dict[str, Any]:
        """The cell as one flat row, keys in the order of `COLUMNS`."""
        row: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "box":
                row |= {"x0": value.x0, "y0": value.y0, "x1": value.x1, "y1": value.y1}
            elif field.name == "p":
                row |= {f"p_{name}": None if value is None else value[i] for i, name in enumerate(CELL_TYPES)}
            else:
                if field.name == "outline_source":
                    row["source"] = self.source
                row[field.name] = value
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Cell:
        """The cell of a row that `as_row` made."""
        return cls(**cls.fields_in(row))

    @classmethod
    def fields_in(cls, row: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a cell that a row has; derived columns are left out."""
        p = tuple(row.get(f"p_{name}") for name in CELL_TYPES)
        nested = {"box": Box(*(row.get(side) for side in Box._fields)), "p": None if None in p else p}  # type: ignore[arg-type]
        return {field.name: row[field.name] for field in dataclasses.fields(cls) if field.name in row} | nested


OF_THE_MODELS = ("segmentation_score", "p", "none_of_five_score", "margin")
"""What the models said of an outline, and is void once a person has changed it."""

JUDGED = ("cell_type", "type_source", "previous_cell_type", "reviewed_by", "reviewed_at")
"""What stays with a cell whose outline has changed."""

COLUMNS: tuple[str, ...] = tuple(Cell(0, Box(0, 0, 0, 0), 0, 0, 0, False).as_row())
"""Columns of a table of cells, in order."""


@dataclass(frozen=True)
class CellTable(Sequence[Cell]):
    """The cells of one image, in ascending order of id. A sequence of `Cell`; `to_pandas` gives a data frame."""

    cells: tuple[Cell, ...] = ()

    def __len__(self) -> int:
        return len(self.cells)

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells)

    @overload
    def __getitem__(self, index: int) -> Cell: ...
    @overload
    def __getitem__(self, index: slice) -> CellTable: ...
    def __getitem__(self, index: int | slice) -> Cell | CellTable:
        return CellTable(self.cells[index]) if isinstance(index, slice) else self.cells[index]

    def to_pandas(self) -> pd.DataFrame:
        """A data frame with the columns `COLUMNS`, one row per cell."""
        import pandas as pd

        return pd.DataFrame([cell.as_row() for cell in self.cells], columns=list(COLUMNS))


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Outlines, not yet measured or named.

    Parameters
    ----------
    labels
        (H, W) int32, native size, read-only.
    scores
        Mean probability of WBC inside each cell, by id, 0..1; an outline drawn by a person has none.
    scale
        The scale at which the outlines were found.
    domain
        See `Analysis`.
    """

    labels: Labels
    scores: dict[int, float]
    scale: Scale
    domain: Domain | None = None


@dataclass(frozen=True, eq=False)
class Analysis:
    """All that is known of one image: outlines and the table of measured and named cells.

    Parameters
    ----------
    labels
        (H, W) int32, native size, read-only; value = `cell_id`.
    cells
        One row per cell, ascending id.
    scale, domain
        See `Scale` and `Domain`; domain is None where the model's card has no ranges to compare with.
    """

    labels: Labels
    cells: CellTable
    scale: Scale
    domain: Domain | None = None
