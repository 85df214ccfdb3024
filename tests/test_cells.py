"""The nouns: boxes, cells and their rows."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_wbc.cells import COLUMNS, Box, Cell, CellTable
from napari_wbc.config import CELL_TYPES

SHARES = st.floats(0, 1)
MISSING = st.none()


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    """Any cell; every optional value may be missing."""
    drawn: dict[str, Any] = {}
    for field in dataclasses.fields(Cell):
        kind = str(field.type)
        strategy: st.SearchStrategy[object]
        if field.name == "box":
            strategy = st.builds(Box, *[st.integers(0, 10_000)] * 4)
        elif field.name == "p":
            strategy = st.tuples(*[SHARES] * 5)
        elif "Source" in kind:
            strategy = st.sampled_from(["model", "human"])
        elif "str" in kind:
            strategy = st.text(max_size=8)
        elif "bool" in kind:
            strategy = st.booleans()
        elif "int" in kind:
            strategy = st.integers(0, 10**6)
        else:
            strategy = st.floats(0, 1e6)
        drawn[field.name] = draw(MISSING | strategy if "None" in kind else strategy)
    return Cell(**drawn)


def a_cell(**values: Any) -> Cell:
    least: dict[str, Any] = {"cell_id": 1, "box": Box(1, 2, 3, 4), "area_px": 4, "touches_border": False}
    return Cell(**({"centroid_x": 0, "centroid_y": 0} | least | values))


def test_a_box_is_half_open() -> None:
    box = Box(2, 3, 6, 10)
    assert (box.height, box.width) == (4, 7)
    array = np.zeros((20, 20, 3))
    assert array[box.slices].shape == (4, 7, 3)
    array[2:6, 3:10] = 1
    assert array[box.slices].min() == 1
    assert array.sum() == 4 * 7 * 3


def test_the_columns_are_those_of_cells_csv_in_order() -> None:
    wanted = [
        "cell_id",
        "x0",
        "y0",
        "x1",
        "y1",
        "centroid_x",
        "centroid_y",
        "area_px",
        "touches_border",
        "nucleus_area_px",
        "nc_ratio",
        "segmentation_score",
        "cell_type",
        "p_basophil",
        "p_eosinophil",
        "p_lymphocyte",
        "p_monocyte",
        "p_neutrophil",
        "none_of_five_score",
        "margin",
        "source",
        "outline_source",
        "type_source",
        "previous_cell_type",
        "reviewed_by",
        "reviewed_at",
    ]
    further = COLUMNS[COLUMNS.index("nc_ratio") + 1 : COLUMNS.index("segmentation_score")]
    assert [name for name in COLUMNS if name not in further] == wanted
    assert further


@given(cells())
def test_a_cell_survives_its_row(cell: Cell) -> None:
    row = cell.as_row()
    assert tuple(row) == COLUMNS
    assert Cell.from_row(row) == cell
    assert row["y0"] == cell.box.y0
    assert row["x1"] == cell.box.x1
    assert row["source"] == cell.source


def test_probabilities_stand_under_their_types() -> None:
    row = a_cell(p=(0.1, 0.2, 0.3, 0.15, 0.25)).as_row()
    assert [row[f"p_{name}"] for name in CELL_TYPES] == [0.1, 0.2, 0.3, 0.15, 0.25]
    assert CELL_TYPES == ("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil")
    row["p_monocyte"] = None
    assert Cell.from_row(row).p is None


@pytest.mark.parametrize(
    ("outline", "name", "source"),
    [("model", "model", "model"), ("human", "model", "human"), ("model", "human", "human"), ("human", "human", "human")],
)
def test_the_source_is_human_if_either_is(outline: str, name: str, source: str) -> None:
    assert a_cell(outline_source=outline, type_source=name).source == source


def test_a_cell_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        a_cell().cell_type = "monocyte"  # type: ignore[misc]


def test_a_table_is_a_sequence_of_cells() -> None:
    rows = tuple(a_cell(cell_id=i) for i in (1, 3, 4))
    table = CellTable(rows)
    assert (len(table), table[1], list(table), table[-1]) == (3, rows[1], list(rows), rows[2])
    assert table[1:] == CellTable(rows[1:])
    assert rows[2] in table
    assert CellTable() == CellTable(())


def test_a_table_becomes_a_data_frame_with_all_columns() -> None:
    frame = CellTable((a_cell(cell_id=7, cell_type="monocyte"),)).to_pandas()
    assert tuple(frame.columns) == COLUMNS
    assert (frame.loc[0, "cell_id"], frame.loc[0, "cell_type"], frame.loc[0, "y1"]) == (7, "monocyte", 3)
    assert tuple(CellTable().to_pandas().columns) == COLUMNS


def test_the_box_around_what_is_not_zero() -> None:
    labels = np.zeros((6, 8), np.int32)
    assert Box.around(labels) is None
    labels[2, 5], labels[4, 1] = 7, 1
    assert Box.around(labels) == Box(2, 1, 5, 6)
    assert Box.around(np.ones((3, 4), bool)) == Box(0, 0, 3, 4)
    assert Box.around(np.zeros((0, 4), bool)) is None


def test_the_box_that_encloses_others() -> None:
    assert Box.enclosing(Box(2, 3, 5, 6)) == Box(2, 3, 5, 6)
    assert Box.enclosing(Box(2, 3, 5, 6), Box(0, 4, 3, 9)) == Box(0, 3, 5, 9)


def test_a_person_has_looked_at_a_cell_that_is_signed_or_named_by_one() -> None:
    assert not a_cell(outline_source="human").is_reviewed
    assert a_cell(reviewed_by="ada").is_reviewed
    assert a_cell(type_source="human").is_reviewed
