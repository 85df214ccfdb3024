"""Any edits, then undo of all of them, give back exactly what was; redo gives back what was done."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from napari_wbc.cells import Analysis, Field
from napari_wbc.errors import UsageError
from napari_wbc.measure import measure
from napari_wbc.nucleus import nucleus_areas_px
from napari_wbc.pipeline import analyse, finish
from napari_wbc.review import (
    Edit,
    History,
    accept,
    add,
    changed_box,
    classify_steps,
    confirm,
    delete,
    merge,
    rename,
    repaint,
    split,
    stale,
)
from tests.fakes import FakeClassifier, load_fakes
from tests.smears import smear

PIXELS = smear(3, n_cells=3, shape=(64, 160))
START = analyse(Field(PIXELS, 0.3), load_fakes())
AT = "2026-01-02T03:04:05Z"


def same(one: Analysis, other: Analysis) -> None:
    np.testing.assert_array_equal(one.labels, other.labels)
    assert one.cells == other.cells


class Editing(RuleBasedStateMachine):
    """A person at work: every verb, in any order, with undo and redo between."""

    def __init__(self) -> None:
        super().__init__()
        self.analysis, self.history = START, History()
        self.states = [START]

    def pick(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from([cell.cell_id for cell in self.analysis.cells]))

    def to(self, name: str, after: Analysis) -> None:
        if self.history.record(name, self.analysis, after):
            del self.states[len(self.history.done) :]
            self.states.append(after)
        self.analysis = after

    def paint(self, name: str, labels: Any) -> None:
        self.to(name, repaint(self.analysis, PIXELS, labels))

    @precondition(lambda self: len(self.analysis.cells) > 0)
    @rule(data=st.data(), cell_type=st.sampled_from(["neutrophil", "blast", "smudge"]))
    def rename_one(self, data: st.DataObject, cell_type: str) -> None:
        self.to("rename", rename(self.analysis, [self.pick(data)], cell_type, "Ada", AT))

    @precondition(lambda self: len(self.analysis.cells) > 0)
    @rule(data=st.data())
    def confirm_one(self, data: st.DataObject) -> None:
        self.to("confirm", confirm(self.analysis, [self.pick(data)], "Bob", AT))

    @precondition(lambda self: len(self.analysis.cells) > 0)
    @rule(data=st.data())
    def delete_one(self, data: st.DataObject) -> None:
        self.paint("delete", delete(self.analysis.labels, [self.pick(data)]))

    @precondition(lambda self: len(self.analysis.cells) > 0)
    @rule(data=st.data())
    def split_one(self, data: st.DataObject) -> None:
        with suppress(UsageError):  # a cell of one pixel
            self.paint("split", split(self.analysis.labels, self.pick(data)))

    @precondition(lambda self: len(self.analysis.cells) > 1)
    @rule(data=st.data())
    def merge_two(self, data: st.DataObject) -> None:
        ids = {self.pick(data), self.pick(data)}
        if len(ids) == 2:
            self.paint("merge", merge(self.analysis.labels, ids))

    @rule(y=st.integers(0, 50), x=st.integers(0, 140), size=st.integers(1, 14))
    def add_a_square(self, y: int, x: int, size: int) -> None:
        mask = np.zeros(PIXELS.shape[:2], bool)
        mask[y : y + size, x : x + size] = True
        with suppress(UsageError):  # other cells lie there
            self.paint("add", add(self.analysis.labels, mask))

    @rule(y=st.integers(0, 50), x=st.integers(0, 140), size=st.integers(1, 30), value=st.integers(0, 6))
    def brush(self, y: int, x: int, size: int, value: int) -> None:
        labels = self.analysis.labels.copy()
        labels[y : y + size, x : x + size] = value
        self.paint("brush", labels)

    @rule()
    def classify_what_is_stale(self) -> None:
        said = finish(classify_steps(self.analysis, PIXELS, stale(self.analysis), FakeClassifier()))
        self.analysis = accept(self.analysis, said)
        self.states[len(self.history.done)] = self.analysis
        assert stale(self.analysis) == []

    @precondition(lambda self: self.history.done)
    @rule()
    def undo(self) -> None:
        self.analysis = self.history.undo(self.analysis)

    @precondition(lambda self: self.history.undone)
    @rule()
    def redo(self) -> None:
        self.analysis = self.history.redo(self.analysis)
        np.testing.assert_array_equal(self.analysis.labels, self.states[len(self.history.done)].labels)

    @invariant()
    def labels_and_table_agree(self) -> None:
        labels = self.analysis.labels
        expected = measure(PIXELS, labels, {}, 0.3, nucleus_areas_px(PIXELS, labels))
        assert [cell.cell_id for cell in self.analysis.cells] == [cell.cell_id for cell in expected]
        for cell, measured in zip(self.analysis.cells, expected, strict=True):
            for name in ("box", "area_px", "centroid_x", "centroid_y", "nucleus_area_px", "touches_border", "solidity"):
                assert getattr(cell, name) == getattr(measured, name), name
            assert (cell.segmentation_score is None) == (cell.outline_source == "human")

    def teardown(self) -> None:
        undone = self.analysis
        while self.history.done:
            undone = self.history.undo(undone)
        same(undone, START)


TestEditing = Editing.TestCase
TestEditing.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)


def test_redo_gives_back_exactly_what_was_done() -> None:
    history = History()
    states = [START]
    for labels in (split(START.labels, 1), delete(START.labels, [1, 2])):
        states.append(repaint(states[-1], PIXELS, labels))
        history.record("paint", states[-2], states[-1])
    state = history.undo(history.undo(states[-1]))
    same(state, states[0])
    same(history.redo(state), states[1])
    same(history.redo(history.redo(state)), states[2])  # nothing is left to redo: as it is


def test_an_edit_after_undo_ends_redo() -> None:
    history = History()
    after = rename(START, [1], "blast", "Ada", AT)
    history.record("rename", START, after)
    before = history.undo(after)
    history.record("rename", before, rename(before, [2], "blast", "Ada", AT))
    assert history.undone == []
    assert not history.record("nothing", START, START)
    assert len(history.done) == 1


def test_an_edit_knows_the_pixels_it_makes() -> None:
    after = repaint(START, PIXELS, delete(START.labels, [2]))
    edit = Edit.between("delete", START, after)
    assert edit.makes(after.labels, changed_box(START.labels, after.labels))
    assert edit.inverse.makes(START.labels, changed_box(after.labels, START.labels))
    other = split(START.labels, 1)
    assert not edit.makes(other, changed_box(START.labels, other))
    assert edit.pixels_before.shape < START.labels.shape


@pytest.mark.parametrize("shape", [(1, 160), (50, 50)])
def test_label_images_of_different_sizes_are_not_compared(shape: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="the image is \\(64, 160\\)"):
        changed_box(START.labels, np.zeros(shape, np.int32))
