"""Whatever a file says, the analysis that comes of it is consistent, and what was not spoken of is as it was."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_wbc.cells import Analysis, Box, CellTable, Labels
from napari_wbc.exchange.budget import Budget
from napari_wbc.exchange.merging import merge
from napari_wbc.exchange.polygons import fill
from napari_wbc.exchange.told import Told, ToldCell
from tests.exchange.made import as_analysis, known_of, label_images, merged, quick

corners = st.tuples(st.integers(-2, 16), st.integers(-2, 16))
said = st.lists(
    st.tuples(
        st.lists(corners, min_size=3, max_size=5),
        st.sampled_from([None, 1, 2, 3, 7, 8, 300, 1000]),
        st.sampled_from([None, "basophil", "blast"]),
        st.booleans(),
    ),
    max_size=5,
)


@quick
@given(labels=label_images(), said=said, whole=st.booleans(), human=st.sets(st.sampled_from([1, 2, 3, 7, 300])))
def test_the_result_is_consistent(
    labels: Labels, said: list[tuple[list[tuple[int, int]], int | None, str | None, bool]], whole: bool, human: set[int]
) -> None:
    known = as_analysis(labels)
    drawn = (dataclasses.replace(cell, outline_source="human" if cell.cell_id in human else "model") for cell in known.cells)
    known = Analysis(labels, CellTable(tuple(drawn)), known.scale)
    shape = labels.shape[0], labels.shape[1]
    outlines = [(fill([ring], Budget(shape, Path("x"))), cell_id, cell_type, boxed) for ring, cell_id, cell_type, boxed in said]  # type: ignore[arg-type]
    told = Told([_told(*one) for one in outlines if one[0] is not None], whole)  # type: ignore[arg-type]
    found = merged(known, told)
    ids, areas = np.unique(found.labels[found.labels > 0], return_counts=True)
    assert [cell.cell_id for cell in found.cells] == ids.tolist()
    assert [cell.area_px for cell in found.cells] == areas.tolist()
    before = {cell.cell_id: cell for cell in known.cells}
    for cell in found.cells:
        rows, columns = np.nonzero(found.labels == cell.cell_id)
        assert cell.box == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
        old = before.get(cell.cell_id)
        if old is not None and np.array_equal(found.labels == cell.cell_id, labels == cell.cell_id):
            judged = {
                name: getattr(cell, name) for name in ("cell_type", "type_source", "previous_cell_type", "outline_source")
            }
            assert dataclasses.replace(old, **judged) == dataclasses.replace(cell, segmentation_score=old.segmentation_score)
        assert cell.cell_type == "blast" or cell.type_source == "model" or cell.cell_type == "basophil"
    assert merge(known_of(known), told).changed == (found.cells != known.cells or not np.array_equal(found.labels, labels))
    if not told.cells and whole:
        assert len(found.cells) == 0
    assert np.array_equal(known.labels, labels)


def _told(outline: tuple[np.ndarray, Box], cell_id: int | None, cell_type: str | None, boxed: bool) -> ToldCell:  # type: ignore[type-arg]
    y0, x0, y1, x1 = outline[1]
    return ToldCell(box=(x0, y0, x1, y1), cell_type=cell_type) if boxed else ToldCell(cell_id, outline, cell_type=cell_type)


def test_of_overlapping_outlines_from_elsewhere_the_smaller_lies_on_top() -> None:
    known = as_analysis(np.zeros((10, 10), np.int32))
    large, small = (np.ones((6, 6), bool), Box(0, 0, 6, 6)), (np.ones((3, 3), bool), Box(2, 2, 5, 5))
    for order in ((large, small), (small, large)):
        found = merged(known, Told([ToldCell(outline=one) for one in order], True))
        assert sorted(cell.area_px for cell in found.cells) == [9, 27]


def test_a_persons_outline_lies_over_a_larger_one_from_elsewhere_also_where_the_file_has_not_all_cells() -> None:
    labels = np.zeros((10, 10), np.int32)
    labels[2:5, 2:5] = 4
    known = as_analysis(labels)
    for source, area in (("human", 9), ("model", 0)):
        cells = CellTable(tuple(dataclasses.replace(cell, outline_source=source) for cell in known.cells))  # type: ignore[arg-type]
        told = Told([ToldCell(4, cell_type="blast"), ToldCell(outline=(np.ones((8, 8), bool), Box(0, 0, 8, 8)))], True)
        found = merged(Analysis(labels, cells, known.scale), told)
        assert np.count_nonzero(found.labels == 4) == area


def test_an_outline_from_elsewhere_is_the_cell_that_it_covers_by_more_than_half() -> None:
    labels = np.zeros((10, 10), np.int32)
    labels[2:6, 2:6] = 4
    known = as_analysis(labels)
    for height, same in ((3, True), (2, False)):  # an IoU of 12 / 16, and of 8 / 16
        outline = (np.ones((height, 4), bool), Box(2, 2, 2 + height, 6))
        found = merged(known, Told([ToldCell(outline=outline, cell_type="blast")], False))
        assert (found.cells[0].cell_id == 4 and found.cells[0].cell_type == "blast") is same
