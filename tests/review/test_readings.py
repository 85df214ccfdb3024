"""Second readings beside the results."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_wbc.cells import Box, Cell, CellTable
from napari_wbc.errors import ResultsError
from napari_wbc.review.readings import Reading, export_reading, read_readings, readings_path, write_readings


def test_readings_are_kept_by_reader_and_cell_with_their_time(tmp_path: Path) -> None:
    assert read_readings(tmp_path, "s1/a.jpg") == []
    write_readings(tmp_path, "s1/a.jpg", {"Bob": {2: "monocyte", 1: "=x"}}, "2026-01-01T00:00:00Z")
    write_readings(tmp_path, "s1/a.jpg", {"Bob": {1: "smudge", 2: "monocyte"}, "Ada": {1: "smudge"}}, "2026-01-02T00:00:00Z")
    assert read_readings(tmp_path, "s1/a.jpg") == [
        Reading("s1/a.jpg", 1, "Ada", "smudge", "2026-01-02T00:00:00Z"),
        Reading("s1/a.jpg", 1, "Bob", "smudge", "2026-01-02T00:00:00Z"),
        Reading("s1/a.jpg", 2, "Bob", "monocyte", "2026-01-01T00:00:00Z"),  # said the same again
    ]
    text = (tmp_path / "readings" / "s1" / "a.jpg.csv").read_text()
    assert text.splitlines()[0] == "image,cell_id,reader,cell_type,read_at"


def test_readings_of_cells_that_are_gone_are_dropped(tmp_path: Path) -> None:
    first, later = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    write_readings(tmp_path, "a.jpg", {"Bob": {1: "smudge", 2: "blast", 3: "blast"}, "Ada": {2: "blast"}}, first)
    write_readings(tmp_path, "a.jpg", {"Bob": {1: "smudge", 2: "smudge"}}, later, gone={2, 3})
    assert read_readings(tmp_path, "a.jpg") == [
        Reading("a.jpg", 1, "Bob", "smudge", first),
        Reading("a.jpg", 2, "Bob", "smudge", later),
    ]


def test_a_reading_is_written_beside_what_was_said_before(tmp_path: Path) -> None:
    box, p = Box(0, 0, 9, 9), (0.1, 0.1, 0.2, 0.5, 0.1)
    cells = (
        Cell(1, box, 4.0, 4.0, 81, False, cell_type="blast", type_source="human", previous_cell_type="monocyte", p=p),
        Cell(2, box, 4.0, 4.0, 81, False, cell_type="monocyte", p=p),
        Cell(4, box, 4.0, 4.0, 81, False),
    )
    export_reading(tmp_path / "bob.csv", "a.jpg", CellTable(cells), "Bob", {1: "smudge", 4: "blast"})
    assert (tmp_path / "bob.csv").read_text().splitlines() == [
        "image,cell_id,reader,cell_type,first_reading,model",
        "a.jpg,1,Bob,smudge,blast,monocyte",
        "a.jpg,2,Bob,,,monocyte",
        "a.jpg,4,Bob,blast,,",
    ]


def test_nothing_said_writes_nothing(tmp_path: Path) -> None:
    write_readings(tmp_path, "a.jpg", {}, "2026-01-01T00:00:00Z")
    write_readings(tmp_path, "a.jpg", {"Bob": {}}, "2026-01-01T00:00:00Z")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        "image,cell_id\na.jpg,1\n",
        "image,cell_id,reader,cell_type,read_at\na.jpg,one,Bob,smudge,\n",
        "image,cell_id,reader,cell_type,read_at\na.jpg,1\n",
        "image,cell_id,reader,cell_type,read_at\na.jpg,,Bob,smudge,\n",
        "image,cell_id,reader,cell_type,read_at\na.jpg,1,Bob,smudge,\na.jpg,2,,smudge,\n",
        "image,cell_id,reader,cell_type,read_at\na.jpg,1,Bob,,\n",
    ],
)
def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = readings_path(tmp_path, "a.jpg")
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ResultsError, match=r"a\.jpg\.csv cannot be read"):
        write_readings(tmp_path, "a.jpg", {"Bob": {1: "smudge"}}, "2026-01-01T00:00:00Z")
    assert path.read_text() == text
