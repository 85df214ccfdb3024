"""The differential: counts of the cell types of each slide, their shares, and the exact intervals of these."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .cells import Cell
from .config import CELL_TYPES, UNCOUNTED_TYPES, UNIDENTIFIED
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

COUNT_TO: tuple[int, ...] = (100, 200, 400)
"""Numbers of cells to which differentials are usually counted."""


def countable(slide: str, cells: Iterable[Cell], vouched: bool) -> list[tuple[str, str, bool]]:
    """Slide, cell type, and whether a person has looked at it, of every cell of an image; `vouched`: of all its cells."""
    return [(slide, cell.cell_type or UNIDENTIFIED, vouched or cell.is_reviewed) for cell in cells]


def n_counted(rows: Iterable[TypeCount]) -> int:
    """Cells in the denominator of the rows of one slide."""
    return sum(row.n for row in rows if row.cell_type not in UNCOUNTED_TYPES)


def absolute(row: TypeCount, wbc: float | None) -> float | None:
    """Cells of a type per volume, in the unit of `wbc`, the white blood cells in all per volume; None where unknown."""
    return None if wbc is None or row.percent is None else wbc * row.percent / 100


def as_text(rows: Iterable[TypeCount], wbc: float | None = None) -> str:
    """The rows of one slide as text in columns, with absolute counts (10⁹/L) where `wbc` is known."""
    rows = list(rows)
    head = ["cell type", "n", "%", "95 % interval", "10⁹/L", "not reviewed"]
    lines = [head, *([row.cell_type, str(row.n), *shares(row, wbc), str(row.n_unreviewed)] for row in rows)]
    if wbc is None:
        lines = [line[:4] + line[5:] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = [
        "  ".join(text.ljust(w) if i == 0 else text.rjust(w) for i, (text, w) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    ]
    return "\n".join([*(line.rstrip() for line in table), f"{n_counted(rows)} cells counted"])


def shares(row: TypeCount, wbc: float | None = None) -> tuple[str, str, str]:
    """Percent, its interval and the absolute count of a row, as text; empty where there is none."""
    if row.percent is None:
        return "", "", ""
    per_volume = absolute(row, wbc)
    return (f"{row.percent:.1f}", f"{row.ci_low:.1f} - {row.ci_high:.1f}", "" if per_volume is None else f"{per_volume:.2f}")


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
