"""Images of one cell through the whole pipeline: one row for each, kept as CSV, and the figures made of the rows.

Every figure of outlines, types, calibration, rejection and nuclei comes from one pass over the images, so that a set that is
only to be looked at once is looked at once.
"""

from __future__ import annotations

import csv
import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import devdata
import numpy as np

from napari_wbc.cells import Analysis, Cell
from napari_wbc.config import CELL_TYPES, UNIDENTIFIED
from napari_wbc.crop import boxes
from napari_wbc.metrics.cell_types import calibration_error
from napari_wbc.metrics.objects import box_iou
from napari_wbc.pipeline import Models, analyse
from napari_wbc.proportion import Proportion

MISSED = "missed"


@dataclass(frozen=True)
class Row:
    """One image: the true type, what the cell was called, and how its outline and nucleus compare with the truth.

    `likeliest` is the most probable of the five and `top_probability` its probability, whether or not the cell was called
    `unidentified`. IoU is 0 for a cell that was missed; values that have no truth are nan.
    """

    image: str
    true_type: str
    named: str
    likeliest: str = ""
    top_probability: float = float("nan")
    none_of_five: float = float("nan")
    iou: float = float("nan")
    nc_ratio: float = float("nan")
    true_nc_ratio: float = float("nan")


def judge_cells(reals: Iterable[devdata.Real], models: Models) -> Iterator[Row]:
    """Analyse images of one cell; no pixel size is given."""
    for real in reals:
        box = real.boxes[0] if real.boxes else boxes(real.labels).get(1) if real.labels is not None else None
        analysis = analyse(real.pixels, models)
        yield _row(real, analysis, central(analysis, box))


def _row(real: devdata.Real, analysis: Analysis, cell: Cell | None) -> Row:
    row = Row(real.name, real.cell_type, str(cell.cell_type) if cell else MISSED)
    if real.labels is not None:
        true = real.labels > 0
        found = analysis.labels == cell.cell_id if cell else np.zeros_like(true)
        row = dataclasses.replace(row, iou=float((true & found).sum() / (true | found).sum()))
        if real.nucleus is not None:
            row = dataclasses.replace(row, true_nc_ratio=float(real.nucleus.sum() / true.sum()))
    if cell is None or cell.p is None:
        return row
    best = int(np.argmax(cell.p))
    return dataclasses.replace(
        row, likeliest=CELL_TYPES[best], top_probability=cell.p[best],
        none_of_five=float(cell.none_of_five_score or 0), nc_ratio=float("nan" if cell.nc_ratio is None else cell.nc_ratio),
    )  # fmt: skip


def central(analysis: Analysis, box: tuple[int, int, int, int] | None) -> Cell | None:
    """The found cell that best fits the box, or the largest one near the centre of the image."""
    height, width = analysis.labels.shape
    if box is not None and len(analysis.cells):
        ious = box_iou([cell.box for cell in analysis.cells], [box])[:, 0]
        return analysis.cells[int(ious.argmax())] if ious.max() >= 0.3 else None
    near = [c for c in analysis.cells if np.hypot(c.centroid_y - height / 2, c.centroid_x - width / 2) < 0.25 * width]
    return max(near, key=lambda cell: cell.area_px, default=None)


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """The rows as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in dataclasses.fields(Row)])
        writer.writerows(dataclasses.astuple(row) for row in rows)


def of_five(rows: Sequence[Row]) -> list[Row]:
    """The rows whose true type is one of the five."""
    return [row for row in rows if row.true_type in CELL_TYPES]


def recalls(rows: Sequence[Row], min_cells: int = 1) -> dict[str, Proportion]:
    """Share named right of each of the five types that has at least `min_cells`."""
    counts = Counter(row.true_type for row in of_five(rows))
    right = Counter(row.true_type for row in of_five(rows) if row.named == row.true_type)
    return {name: Proportion(k=right[name], n=counts[name]) for name in CELL_TYPES if counts[name] >= min_cells}


def macro(shares: dict[str, Proportion]) -> float:
    """The unweighted mean of the shares."""
    return float(np.mean([share.value for share in shares.values() if share.value is not None]))


def macro_f1(rows: Sequence[Row], min_cells: int = 5) -> float:
    """The unweighted mean of F1 over the types with at least `min_cells`; missed and unidentified cells are not found."""
    five, scores = of_five(rows), []
    for name in recalls(rows, min_cells):
        hits = sum(row.named == name == row.true_type for row in five)
        named, there = sum(row.named == name for row in five), sum(row.true_type == name for row in five)
        scores.append(2 * hits / (named + there))
    return float(np.mean(scores))


def figures(title: str, rows: Sequence[Row]) -> str:
    """All figures that the rows have the truth for, as text."""
    five, lines = of_five(rows), [title]
    outlines = [row.iou for row in rows if not np.isnan(row.iou)]
    if outlines:
        lines.append(f"  IoU of the WBC: mean {np.mean(outlines):.3f}, median {np.median(outlines):.3f}")
        lines.append(f"  found at IoU >= 0.7: {Proportion(k=sum(iou >= 0.7 for iou in outlines), n=len(outlines))}")
    if five:
        lines += _type_lines(rows, five)
    errors = [abs(row.nc_ratio - row.true_nc_ratio) for row in rows if not np.isnan(row.true_nc_ratio + row.nc_ratio)]
    if errors:
        truth = np.array([row.true_nc_ratio for row in rows])
        lines.append(
            f"  nc_ratio: mean absolute error {np.mean(errors):.3f} (n = {len(errors)}); "
            f"always saying the mean: {np.abs(truth - truth.mean()).mean():.3f}"
        )
    return "\n".join(lines)


def _type_lines(rows: Sequence[Row], five: Sequence[Row]) -> list[str]:
    lines = [
        f"  named right, micro: {Proportion(k=sum(r.named == r.true_type for r in five), n=len(five))}",
        f"  macro recall {100 * macro(recalls(rows, 5)):.1f} %, macro F1 {100 * macro_f1(rows):.1f} % (types with >= 5 cells)",
        f"  likeliest of the five right: {Proportion(k=sum(r.likeliest == r.true_type for r in five), n=len(five))}",
        f"  of the five, unidentified: {Proportion(k=sum(r.named == UNIDENTIFIED for r in five), n=len(five))}",
        f"  of the five, missed: {Proportion(k=sum(r.named == MISSED for r in five), n=len(five))}",
    ]
    others = [row for row in rows if row.true_type not in CELL_TYPES]
    if others:
        seen = [row for row in others if row.named != MISSED]
        lines.append(f"  none of the five, not named so: {Proportion(k=_rejected(others), n=len(others))}")
        lines.append(f"    of those found: {Proportion(k=_rejected(seen), n=len(seen))}")
    judged = [row for row in five if row.likeliest]
    error = calibration_error([r.top_probability for r in judged], [r.likeliest == r.true_type for r in judged])
    lines.append(f"  calibration error: {error:.3f} (n = {len(judged)})")
    for name, n in sorted(Counter(row.true_type for row in rows).items()):
        called = Counter(row.named for row in rows if row.true_type == name).most_common()
        lines.append(f"    {name:13s} {n:4d}  " + ", ".join(f"{what} {count}" for what, count in called))
    return lines


def _rejected(rows: Sequence[Row]) -> int:
    return sum(row.named not in CELL_TYPES for row in rows)
