"""The differential: counts of the cell types of each slide, their shares, and the exact intervals of these."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .config import CELL_TYPES, UNCOUNTED_TYPES
from .proportion import clopper_pearson

POOLED = "*"
"""The slide of the rows in which all slides are pooled."""


@dataclass(frozen=True)
class TypeCount:
    """One row of `differential.csv`: a cell type on a slide.

    Parameters
    ----------
    slide
        The slide, or `*` for all of them.
    cell_type
        One of the five, a type of the user's, or one that is not counted: `unidentified`, `artefact`, `smudge`.
    n
        Cells.
    percent, ci_low, ci_high
        Share among the counted cells and its 95 % Clopper-Pearson interval, 0..100; None where nothing is counted.
    n_unreviewed
        Cells of `n` that no person has looked at.
    """

    slide: str
    cell_type: str
    n: int
    percent: float | None
    ci_low: float | None
    ci_high: float | None
    n_unreviewed: int


COLUMNS: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(TypeCount))
"""Columns of `differential.csv`, in order."""


def differential(cells: Mapping[tuple[str, str, bool], int], slides: Iterable[str] = ()) -> list[TypeCount]:
    """Count the cell types of each slide and of all slides together.

    Parameters
    ----------
    cells
        Number of cells by (slide, cell type, reviewed by a person).
    slides
        Slides to list although they may hold no cell.

    Returns
    -------
    For each slide in alphabetical order, and last for `*`: the five types in order, the user's types that occur anywhere, in
    alphabetical order, then the types that are not counted. Cells at the border of an image count like others.
    """
    users = sorted({cell_type for _, cell_type, _ in cells} - {*CELL_TYPES, *UNCOUNTED_TYPES})
    per_slide: dict[str, dict[tuple[str, bool], int]] = {slide: {} for slide in sorted({*slides, *(key[0] for key in cells)})}
    pooled: dict[tuple[str, bool], int] = {}
    for (slide, cell_type, reviewed), n in cells.items():
        for counts in (per_slide[slide], pooled):
            counts[cell_type, reviewed] = counts.get((cell_type, reviewed), 0) + n
    rows: list[TypeCount] = []
    for slide, counts in [*per_slide.items(), (POOLED, pooled)]:
        rows += _of_slide(slide, counts, users)
    return rows


def _of_slide(slide: str, counts: Mapping[tuple[str, bool], int], users: list[str]) -> list[TypeCount]:
    """The rows of one slide, from its number of cells by (cell type, reviewed)."""
    counted = [*CELL_TYPES, *users]
    total = sum(n for (cell_type, _), n in counts.items() if cell_type in counted)
    rows = []
    for cell_type in [*counted, *UNCOUNTED_TYPES]:
        unreviewed = counts.get((cell_type, False), 0)
        n = unreviewed + counts.get((cell_type, True), 0)
        if total and cell_type in counted:
            low, high = (100 * end for end in clopper_pearson(n, total))
            rows.append(TypeCount(slide, cell_type, n, 100 * n / total, low, high, unreviewed))
        else:
            rows.append(TypeCount(slide, cell_type, n, None, None, None, unreviewed))
    return rows
