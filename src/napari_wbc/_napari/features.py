"""Cells ⇄ the features tables of layers, and the colours of their types; pandas only.

The Features table of napari selects by the position of a row, so row i of the features of a Labels layer is cell i: row 0 is
the background, and the row of a missing id is empty. Missing values are None or NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .. import config
from ..cells import COLUMNS, Cell, CellTable
from ..config import CELL_TYPES, UNIDENTIFIED

FIRST = ("cell_type", "margin", *(f"p_{name}" for name in CELL_TYPES), "none_of_five_score")
"""The columns that a person looks at first; the others follow in the order of `cells.csv`."""


def labels_features(cells: Sequence[Cell], last_id: int) -> pd.DataFrame:
    """The features of a Labels layer with the ids 0..`last_id`.

    Columns are those of `cells.csv` without `cell_id`, `FIRST` first; columns without any value are left out, but `cell_type`.
    """
    table = CellTable(tuple(cells)).to_pandas().astype(object).set_index("cell_id").rename_axis(None)
    table = table.reindex(range(last_id + 1))
    table = table[[name for name in table if name == "cell_type" or table[name].notna().any()]]
    names = sorted(table, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    return pd.DataFrame({name: _plain(table[name]) for name in names}, index=table.index)


def score_features(scores: dict[int, float], last_id: int) -> pd.DataFrame:
    """The features of a Labels layer whose cells are outlined, but not measured yet."""
    return pd.DataFrame({"segmentation_score": [scores.get(i, float("nan")) for i in range(last_id + 1)]})


def box_features(features: pd.DataFrame, ids: Iterable[int]) -> pd.DataFrame:
    """The features of the boxes with the given ids, from the features of their Labels layer.

    Columns: `cell_id`; and where the cells have a type: `cell_type`, `probability` (of that type), `margin` and
    `none_of_five_score`.
    """
    wanted = np.array(list(ids), dtype=int)
    if "cell_type" not in features:
        return pd.DataFrame({"cell_id": wanted})
    rows = features.reindex(index=wanted, columns=list(FIRST)).to_dict("records")  # plain values: this is done at each key
    types = ["" if pd.isna(row["cell_type"]) else row["cell_type"] for row in rows]
    numbers = {
        "probability": [row.get(f"p_{row['cell_type']}") for row in rows],
        **{name: [row[name] for row in rows] for name in ("margin", "none_of_five_score")},
    }
    read = {name: pd.to_numeric(np.array(values, dtype=object), errors="coerce") for name, values in numbers.items()}
    columns = {name: np.asarray(values, dtype=float) for name, values in read.items()}
    return pd.DataFrame({"cell_id": wanted, "cell_type": np.array(types, dtype=object), **columns})


def read_cells(features: pd.DataFrame, present: Iterable[int]) -> CellTable:
    """The cells of a features table that `labels_features` made, as far as their ids are present; `features` is not changed."""
    rows: dict[Any, dict[str, Any]] = features.astype(object).where(features.notna(), None).to_dict("index")  # type: ignore[assignment]
    known = [(i, rows[i]) for i in sorted(present) if i in rows and rows[i].get("area_px") is not None]
    return CellTable(tuple(Cell.from_row({"cell_id": i, **row}) for i, row in known))


def keep_columns_of_others(ours: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """Our features, with the columns that a user or another plugin has put beside them."""
    others = [name for name in before if name not in COLUMNS and name != "index"]
    return ours.join(before[others].reindex(ours.index))


def colour_of(cell_type: object) -> str:
    """The fixed colour of a cell type; grey where there is none."""
    return config.colour_of(cell_type if isinstance(cell_type, str) and cell_type else UNIDENTIFIED)


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column of objects as float where all its values are; missing values become NaN there, None elsewhere."""
    values = [None if pd.isna(value) else value for value in column]
    present = [value for value in values if value is not None]
    real = bool(present) and all(isinstance(value, float) for value in present)
    return pd.Series(values, index=column.index, dtype=float if real else object)
