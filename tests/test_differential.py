"""Counts, shares and intervals of the differential, against known answers."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from napari_wbc.cells import Box, Cell
from napari_wbc.config import CELL_TYPES
from napari_wbc.differential import TypeCount, absolute, as_text, countable, differential, n_counted


def by_type(rows: list[TypeCount], slide: str) -> dict[str, TypeCount]:
    return {row.cell_type: row for row in rows if row.slide == slide}


def test_the_denominator_is_the_five_and_the_users_types() -> None:
    cells = {
        ("a", "neutrophil", False): 6,
        ("a", "neutrophil", True): 2,
        ("a", "band form", True): 2,
        ("a", "unidentified", False): 50,
        ("a", "artefact", True): 7,
        ("a", "smudge", False): 3,
    }
    rows = by_type(differential(cells), "a")
    assert (rows["neutrophil"].n, rows["neutrophil"].percent, rows["neutrophil"].n_unreviewed) == (8, 80.0, 6)
    assert (rows["band form"].n, rows["band form"].percent, rows["band form"].n_unreviewed) == (2, 20.0, 0)
    assert (rows["basophil"].n, rows["basophil"].percent) == (0, 0.0)
    for name, n in (("unidentified", 50), ("artefact", 7), ("smudge", 3)):
        assert (rows[name].n, rows[name].percent, rows[name].ci_low, rows[name].ci_high) == (n, None, None, None)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (3, 10), (62, 112), (1, 257)])
def test_intervals_are_those_of_clopper_and_pearson(k: int, n: int) -> None:
    rows = by_type(differential({("a", "monocyte", False): k, ("a", "basophil", False): n - k}), "a")
    exact = binomtest(k, n).proportion_ci(confidence_level=0.95, method="exact")
    assert rows["monocyte"].ci_low == pytest.approx(100 * exact.low, abs=1e-9)
    assert rows["monocyte"].ci_high == pytest.approx(100 * exact.high, abs=1e-9)


def test_rows_are_ordered_by_slide_then_type_and_pooled_last() -> None:
    cells = {("b", "plasma cell", False): 1, ("b", "blast", False): 1, ("a", "monocyte", False): 4}
    rows = differential(cells, slides=["c"])
    types = [*CELL_TYPES, "blast", "plasma cell", "unidentified", "artefact", "smudge"]
    assert [(row.slide, row.cell_type) for row in rows] == [(slide, name) for slide in ("a", "b", "c", "*") for name in types]


def test_pooled_rows_are_sums_and_do_not_average_the_slides() -> None:
    cells = {("a", "monocyte", False): 1, ("b", "monocyte", True): 1, ("b", "neutrophil", False): 8}
    pooled = by_type(differential(cells), "*")
    assert (pooled["monocyte"].n, pooled["monocyte"].percent, pooled["monocyte"].n_unreviewed) == (2, 20.0, 1)


def test_a_slide_without_a_counted_cell_has_no_percentages() -> None:
    rows = by_type(differential({("a", "unidentified", False): 2}, slides=["a"]), "a")
    assert {row.percent for row in rows.values()} == {None}
    assert rows["unidentified"].n == 2


def test_no_cells_at_all_give_the_pooled_rows_alone() -> None:
    assert {(row.slide, row.n) for row in differential({})} == {("*", 0)}


def test_text_for_a_report_has_percent_interval_and_absolute_counts() -> None:
    counts = {("s", "neutrophil", True): 60, ("s", "lymphocyte", False): 40, ("s", "unidentified", False): 3}
    rows = [row for row in differential(counts) if row.slide == "*"]
    assert n_counted(rows) == 100
    assert absolute(rows[4], 8.0) == pytest.approx(4.8)
    assert absolute(rows[5], 8.0) is None
    lines = as_text(rows, 8.0).splitlines()
    assert lines[0].split() == ["cell", "type", "n", "%", "95", "%", "interval", "10⁹/L", "not", "reviewed"]
    assert lines[5].split() == ["neutrophil", "60", "60.0", "49.7", "-", "69.7", "4.80", "0"]
    assert lines[6].split() == ["unidentified", "3", "3"]
    assert lines[-1] == "100 cells counted"
    assert "10⁹/L" not in as_text(rows)


def test_a_cell_counts_as_reviewed_if_a_person_saw_it_or_vouches_for_its_image() -> None:
    cells = [
        Cell(1, Box(0, 0, 1, 1), 0, 0, 1, False),
        Cell(2, Box(0, 0, 1, 1), 0, 0, 1, False, cell_type="blast", reviewed_by="A"),
    ]
    assert countable("s", cells, False) == [("s", "unidentified", False), ("s", "blast", True)]
    assert countable("s", cells, True) == [("s", "unidentified", True), ("s", "blast", True)]
