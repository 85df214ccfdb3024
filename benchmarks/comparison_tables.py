"""The rows that the comparison keeps, one per method and fold, and what is made of them: tables, ANOVA, box plot."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from statistics import fmean, stdev

from matplotlib.figure import Figure
from pydantic import BaseModel, ConfigDict
from scipy.stats import f_oneway

from napari_wbc.config import CELL_TYPES
from napari_wbc.errors import UsageError
from napari_wbc.results.storage import write_bytes


class Row(BaseModel):
    """One method in one fold. Figures 0..1, None where there is none; `field_s` seconds per field, `train_s` of training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    fold: int
    folds: int
    images_seen: int
    n_train: int
    n_test: int
    parameters: int
    start_weights: str
    machine: str
    train_s: float
    field_s: float
    mean_accuracy: float | None = None
    mean_iou: float | None = None
    wbc_iou: float | None = None
    bf: float | None = None
    theta_px: float | None = None
    ap: float | None = None
    ap_basophil: float | None = None
    ap_eosinophil: float | None = None
    ap_lymphocyte: float | None = None
    ap_monocyte: float | None = None
    ap_neutrophil: float | None = None


def read_rows(path: Path) -> list[Row]:
    """The rows of a file; none if it is not there."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [Row.model_validate({k: v or None for k, v in row.items()}) for row in csv.DictReader(file)]


def add_row(path: Path, row: Row) -> None:
    """The file with one row more, written whole or not at all."""
    text = StringIO()
    writer = csv.DictWriter(text, list(Row.model_fields), lineterminator="\n")
    writer.writeheader()
    for each in (*read_rows(path), row):
        values = each.model_dump().items()
        writer.writerow({k: None if v != v else round(v, 5) if isinstance(v, float) else v for k, v in values})
    write_bytes(path.parent, path, text.getvalue().encode())


def missing(rows: Sequence[Row], methods: Sequence[str], folds: int, images_seen: int) -> list[tuple[str, int]]:
    """The methods and folds that have no row yet, fold by fold.

    Raises
    ------
    UsageError
        If the rows were made with another number of folds or of images seen.
    """
    for row in rows:
        if (row.folds, row.images_seen) != (folds, images_seen):
            raise UsageError(
                f"The rows kept so far have {row.folds} folds and {row.images_seen} images seen, not {folds} and "
                f"{images_seen}: they cannot stand in one table. Name another file with --csv."
            )
    there = {(row.method, row.fold) for row in rows}
    return [(m, f) for f in range(folds) for m in methods if (m, f) not in there]


def spread(values: Sequence[float | None]) -> str:
    """`91.2 ± 1.3`, percent, mean and standard deviation over the folds that have a value; `-` without any."""
    there = [100 * v for v in values if v is not None]
    if not there:
        return "-"
    return f"{fmean(there):.1f}" + (f" ± {stdev(there):.1f}" if len(there) > 1 else "")


def table(rows: Sequence[Row], titles: dict[str, str], columns: dict[str, Callable[[list[Row]], str]]) -> str:
    """A Markdown table, one line per method."""
    lines = [f"| method | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for method, title in titles.items():
        own = [row for row in rows if row.method == method]
        if own:
            lines.append(f"| {title} | {' | '.join(make(own) for make in columns.values())} |")
    return "\n".join(lines)


def figure(name: str) -> Callable[[list[Row]], str]:
    """The column of a figure."""
    return lambda rows: spread([getattr(row, name) for row in rows])


COMMON: dict[str, Callable[[list[Row]], str]] = {
    "s per field": lambda rows: f"{fmean(row.field_s for row in rows):.3f}",
    "s of training": lambda rows: f"{fmean(row.train_s for row in rows):.0f}",
    "parameters, M": lambda rows: f"{rows[0].parameters / 1e6:.1f}",
    "start weights": lambda rows: rows[0].start_weights,
    "folds": lambda rows: str(len(rows)),
}


def segmentation_table(rows: Sequence[Row], titles: dict[str, str]) -> str:
    """Table 1, of the methods that make a mask."""
    with_mask = [row for row in rows if row.bf is not None or row.mean_iou is not None]
    theta = next((row.theta_px for row in with_mask if row.theta_px is not None), math.nan)
    names = {
        "mean accuracy": "mean_accuracy",
        "mean IoU": "mean_iou",
        "IoU of the WBC": "wbc_iou",
        f"BF (θ = {theta:.1f} px)": "bf",
    }
    return table(with_mask, titles, {title: figure(name) for title, name in names.items()} | COMMON)


def detection_table(rows: Sequence[Row], titles: dict[str, str]) -> str:
    """AP@0.7, by type where there is one."""
    typed = [name for name in CELL_TYPES if any(getattr(row, f"ap_{name}") is not None for row in rows)]
    columns = {"mAP@0.7" if typed else "AP@0.7, WBC": figure("ap")} | {name: figure(f"ap_{name}") for name in typed}
    return table(rows, titles, columns | COMMON)


def anova(rows: Sequence[Row], methods: Sequence[str]) -> str:
    """One-way ANOVA of the fold-wise AP of the methods, in one line."""
    groups = [values for m in methods if len(values := [r.ap for r in rows if r.method == m and r.ap is not None]) > 1]
    if len(groups) < 2:
        return "ANOVA needs two methods with two folds each."
    within = sum(map(len, groups)) - len(groups)
    if all(len(set(values)) == 1 for values in groups):
        return "ANOVA has no answer: the folds of each method do not differ."
    f, p = f_oneway(*groups)
    return f"One-way ANOVA of AP@0.7 over {len(groups)} methods: F({len(groups) - 1}, {within}) = {f:.2f}, p = {p:.2g}."


def box_plot(rows: Sequence[Row], titles: dict[str, str], folder: Path) -> Path:
    """`average_precision.png` in a folder: the fold-wise AP of each method.

    Raises
    ------
    UsageError
        If no method has a row.
    """
    groups = {t: values for m, t in titles.items() if (values := [r.ap for r in rows if r.method == m and r.ap is not None])}
    if not groups:
        raise UsageError("No method of the box plot has a row yet: run the comparison first.")
    axes = (drawn := Figure(figsize=(9, 4), layout="constrained")).subplots()
    axes.boxplot(list(groups.values()))
    axes.set_xticks(range(1, len(groups) + 1), [title.replace(", ", "\n") for title in groups])
    for i, values in enumerate(groups.values(), start=1):
        axes.plot([i] * len(values), values, "o", color="0.4", markersize=3)
    axes.set_ylabel("AP@0.7, one value per fold")
    picture = BytesIO()
    drawn.savefig(picture, format="png", dpi=150)
    path = folder / "average_precision.png"
    write_bytes(folder, path, picture.getvalue())
    return path
