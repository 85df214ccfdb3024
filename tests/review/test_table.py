"""The table of cells after outlines were painted and types given."""

from __future__ import annotations

import dataclasses

import pytest

from napari_wbc.cells import Analysis, Cell, CellTable, Field, RgbImage
from napari_wbc.errors import UsageError
from napari_wbc.measure import measure
from napari_wbc.nucleus import nucleus_areas_px
from napari_wbc.pipeline import analyse, finish
from napari_wbc.review import accept, classify_steps, confirm, delete, rename, repaint, split, stale
from tests.fakes import FakeClassifier, load_fakes
from tests.smears import smear

AT = "2026-01-02T03:04:05Z"


@pytest.fixture(scope="module")
def pixels() -> RgbImage:
    return smear(3, n_cells=3, shape=(96, 240))


@pytest.fixture(scope="module")
def analysis(pixels: RgbImage) -> Analysis:
    found = analyse(Field(pixels, 0.3), load_fakes())
    assert [cell.cell_id for cell in found.cells] == [1, 2, 3]
    return found


def cell(analysis: Analysis, cell_id: int) -> Cell:
    (found,) = [cell for cell in analysis.cells if cell.cell_id == cell_id]
    return found


def test_a_renamed_cell_says_who_when_and_what_it_was(analysis: Analysis) -> None:
    before = cell(analysis, 2)
    after = rename(analysis, [2, 99], " blast ", "Ada", AT)
    assert cell(after, 2) == dataclasses.replace(
        before, cell_type="blast", type_source="human", previous_cell_type=before.cell_type, reviewed_by="Ada", reviewed_at=AT
    )
    assert [c for c in after.cells if c.cell_id != 2] == [c for c in analysis.cells if c.cell_id != 2]
    assert after.labels is analysis.labels
    again = rename(after, [2], "smudge", "Bob", AT)
    assert (cell(again, 2).previous_cell_type, cell(again, 2).reviewed_by) == ("blast", "Bob")
    assert cell(rename(again, [2], "smudge", "Bob", AT), 2) == cell(again, 2)
    with pytest.raises(UsageError, match="needs a name"):
        rename(analysis, [2], " ", "Ada", AT)


def test_a_confirmed_type_is_a_persons(analysis: Analysis) -> None:
    before = cell(analysis, 1)
    after = cell(confirm(analysis, [1], "Ada", AT), 1)
    assert (after.cell_type, after.type_source, after.reviewed_by) == (before.cell_type, "human", "Ada")
    assert after.previous_cell_type == before.cell_type
    unnamed = Analysis(analysis.labels, CellTable((dataclasses.replace(before, cell_type=None),)), analysis.scale)
    assert cell(confirm(unnamed, [1], "Ada", AT), 1).type_source == "model"


def test_only_the_painted_cell_is_measured_anew(analysis: Analysis, pixels: RgbImage) -> None:
    labels = analysis.labels.copy()
    box = cell(analysis, 2).box
    labels[box.y0 : box.y0 + 4, box.slices[1]] = 0
    after = repaint(analysis, pixels, labels)
    expected = measure(pixels, labels, {}, 0.3, nucleus_areas_px(pixels, labels))
    assert cell(after, 2) == dataclasses.replace(
        cell_of(expected, 2), outline_source="human", cell_type=cell(analysis, 2).cell_type
    )
    assert cell(after, 1) is cell(analysis, 1)
    assert cell(after, 3) is cell(analysis, 3)
    assert stale(analysis) == []
    assert stale(after) == [2]
    assert not after.labels.flags.writeable


def cell_of(table: CellTable, cell_id: int) -> Cell:
    return next(cell for cell in table if cell.cell_id == cell_id)


def test_a_new_id_is_a_new_cell_and_one_that_is_gone_is_gone(analysis: Analysis, pixels: RgbImage) -> None:
    labels = analysis.labels.copy()
    labels[labels == 3] = 0
    labels[2:9, 3:14] = 7
    after = repaint(analysis, pixels, labels)
    assert [c.cell_id for c in after.cells] == [1, 2, 7]
    new = cell(after, 7)
    assert new.box == (2, 3, 9, 14)
    assert (new.area_px, new.cell_type, new.outline_source, new.type_source) == (77, None, "human", "model")
    assert repaint(analysis, pixels, analysis.labels.copy()) is analysis


def test_a_touched_cell_is_classified_and_a_persons_type_is_locked(analysis: Analysis, pixels: RgbImage) -> None:
    labels = split(delete(analysis.labels, [1]), 2)
    named = rename(analysis, [2], "blast", "Ada", AT)
    after = repaint(named, pixels, labels)
    assert stale(after) == [2, 4]
    said = finish(classify_steps(after, pixels, stale(after), FakeClassifier()))
    done = accept(after, said)
    assert stale(done) == []
    assert cell(done, 2).cell_type == "blast"
    assert cell(done, 2).type_source == "human"
    assert cell(done, 4).cell_type == cell_of(CellTable(tuple(said)), 4).cell_type
    assert cell(done, 4).type_source == "model"
    assert cell(done, 4).margin is not None


def test_what_was_said_of_an_older_outline_is_not_accepted(analysis: Analysis, pixels: RgbImage) -> None:
    once = repaint(analysis, pixels, split(analysis.labels, 2))
    said = finish(classify_steps(once, pixels, [2, 4], FakeClassifier()))
    twice = repaint(once, pixels, delete(once.labels, [4]))
    trimmed = twice.labels.copy()
    trimmed[cell(twice, 2).box.y0][trimmed[cell(twice, 2).box.y0] == 2] = 0
    assert stale(accept(repaint(twice, pixels, trimmed), said)) == [2]


def test_other_sizes_are_refused(analysis: Analysis, pixels: RgbImage) -> None:
    with pytest.raises(UsageError, match="outlines are"):
        repaint(analysis, pixels, analysis.labels[:-1])
