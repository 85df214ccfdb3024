"""A review on layers, without a window: whichever layer a person edits, the others agree; everything can be undone."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_wbc._napari import shown
from napari_wbc._napari.drawn import take_drawn
from napari_wbc._napari.inputs import MAX_ID
from napari_wbc._napari.layers import rectangles
from napari_wbc._napari.replacing import show_analysis
from napari_wbc._napari.reviews import open_reviews, reviewed, session_of
from napari_wbc._napari.session import Session
from napari_wbc.cells import Analysis, Box, Cell, CellTable, Field, Scale
from napari_wbc.config import CELL_TYPES, TYPE_COLOURS
from napari_wbc.crop import boxes
from napari_wbc.errors import UsageError
from napari_wbc.pipeline import analyse, finish
from napari_wbc.review import add, classify_steps, delete, merge, split
from tests._napari.seen import analysis_in
from tests.fakes import FakeClassifier, load_fakes
from tests.smears import smear

PIXELS = smear(3, n_cells=3, shape=(96, 240))
FOUND = analyse(Field(PIXELS, 0.3), load_fakes())


@pytest.fixture
def session() -> Session:
    viewer = ViewerModel()
    image = viewer.add_image(PIXELS.copy(), rgb=True, name="field", scale=(0.3, 0.3))
    return session_of(viewer, show_analysis(viewer.layers, image, FOUND))


def cell(session: Session, cell_id: int) -> Cell:
    return next(cell for cell in session.analysis.cells if cell.cell_id == cell_id)


def check_all_agree(session: Session) -> None:
    """Features, boxes and colours say what the table says."""
    analysis = session.analysis
    np.testing.assert_array_equal(session.labels.data, analysis.labels)
    assert analysis_in(session.labels).cells == analysis.cells
    assert list(boxes(analysis.labels)) == [cell.cell_id for cell in analysis.cells]
    features = session.boxes.features.sort_values("cell_id")
    rows = list(features.index)
    assert list(features["cell_id"]) == [cell.cell_id for cell in analysis.cells]
    assert list(features["cell_type"]) == [cell.cell_type or "" for cell in analysis.cells]
    assert [session.boxes.text.values[row] for row in rows] == [cell.cell_type or "" for cell in analysis.cells]
    np.testing.assert_array_equal(
        np.array(session.boxes.data).reshape(-1, 4, 2)[rows], rectangles([cell.box for cell in analysis.cells])
    )
    for row, cell in zip(rows, analysis.cells, strict=True):
        assert hex_of(session.boxes.edge_color[row]) == (TYPE_COLOURS.get(cell.cell_type or "unidentified") or "#CC79A7")
        inside = analysis.labels == cell.cell_id
        assert set(np.unique(session.types.data[inside])) == {shown.type_value(cell.cell_type)}
    assert not session.types.data[analysis.labels == 0].any()
    drawn = session.types._slice.image.view.copy()
    session.types.refresh()
    np.testing.assert_array_equal(drawn, session.types._slice.image.view)


def hex_of(colour: np.ndarray) -> str:
    return "#" + "".join(f"{round(float(c) * 255):02X}" for c in colour[:3])


def test_a_review_shows_what_was_found_and_changes_nothing(session: Session) -> None:
    assert [layer.name for layer in session.viewer.layers] == ["field", "field cells", "field types", "field boxes"]
    check_all_agree(session)
    assert session.analysis.cells == FOUND.cells
    assert session_of(session.viewer, session.labels) is session
    assert session.types.data.dtype == np.uint8
    assert not session.types.editable


def test_a_name_goes_to_features_boxes_and_colours(session: Session) -> None:
    changes: list[frozenset[int]] = []
    session.changed.connect(changes.append)
    session.by = "Ada"
    session.selection.select([2])
    for name in ("basophil", "blast", "smudge"):
        session.name(name)
        check_all_agree(session)
        assert (cell(session, 2).cell_type, cell(session, 2).reviewed_by) == (name, "Ada")
    assert changes == [frozenset([2])] * 3
    for _ in range(3):
        session.undo()
        check_all_agree(session)
    assert session.analysis.cells == FOUND.cells
    assert session.undo() == ""
    session.redo()
    assert cell(session, 2).cell_type == "basophil"


def test_without_a_selection_nothing_is_named(session: Session) -> None:
    with pytest.raises(UsageError, match="No cell is selected"):
        session.name("basophil")
    with pytest.raises(UsageError, match="No cell is selected"):
        session.confirm([99])


# trap 1: the Features table selects by row position


def test_rows_stay_ids_after_deleting_and_adding(session: Session) -> None:
    mask = np.zeros(PIXELS.shape[:2], bool)
    mask[:5, :5] = True
    session.change_outlines("delete", partial(delete, ids=[2]))
    session.change_outlines("new cell", partial(add, mask=mask))
    check_all_agree(session)
    features = session.labels.features
    assert "index" not in features
    assert list(features["area_px"].notna()) == [False, True, False, True, True]
    assert features["area_px"][4] == 25


@pytest.mark.parametrize("closed", [False, True])
def test_a_new_cell_takes_no_id_that_was_used_in_the_review(session: Session, closed: bool) -> None:
    mask = np.zeros(PIXELS.shape[:2], bool)
    mask[:5, :5] = True
    session.labels.features["read by Bob"] = ["", "monocyte", "monocyte", "blast"]
    session.change_outlines("delete", partial(delete, ids=[3]))
    session.undo()
    assert list(session.labels.features["read by Bob"]) == ["", "monocyte", "monocyte", "blast"]
    session.redo()
    if closed:
        session.viewer.layers.remove(session.types)
        session = session_of(session.viewer, session.labels)
    session.change_outlines("new cell", lambda labels: add(labels, mask, last_id=session.last_id))
    assert [cell.cell_id for cell in session.analysis.cells] == [1, 2, 4]
    session.change_outlines("split", lambda labels: split(labels, 2, last_id=session.last_id))
    assert [cell.cell_id for cell in session.analysis.cells] == [1, 2, 4, 5]
    check_all_agree(session)


def test_a_cell_painted_into_a_gap_has_nothing_of_the_one_that_had_its_id(session: Session) -> None:
    session.labels.features["read by Bob"] = ["", "monocyte", "blast", "smudge"]
    session.change_outlines("delete", partial(delete, ids=[2]))
    paint(session.labels, slice(0, 6), slice(0, 6), 2)
    session.sync()
    column = session.labels.features["read by Bob"]
    assert pd.isna(column[2])
    assert (column[1], column[3]) == ("monocyte", "smudge")
    check_all_agree(session)


# trap 2: edits in the Features table and in the boxes emit no event


@pytest.mark.parametrize("where", ["table", "boxes"])
def test_a_type_typed_into_a_table_is_taken(session: Session, where: str) -> None:
    if where == "table":
        session.labels.features.loc[3, "cell_type"] = "blast"
    else:
        session.boxes.features.loc[2, "cell_type"] = "blast"
    session.sync()
    assert cell(session, 3).cell_type == "blast"
    assert cell(session, 3).type_source == "human"
    check_all_agree(session)
    session.undo()
    assert session.analysis.cells == FOUND.cells
    check_all_agree(session)


# traps 3 and 4: undo of labels covers pixels only; plugin edits use data_setitem


def paint(labels: Labels, rows: slice, columns: slice, value: int) -> None:
    """A stroke of the brush."""
    y, x = np.mgrid[rows, columns]
    labels.data_setitem((y.ravel(), x.ravel()), value)


def test_napari_undo_of_a_stroke_restores_the_old_row_exactly(session: Session) -> None:
    box = cell(session, 2).box
    paint(session.labels, slice(box.y0, box.y0 + 6), slice(box.x0, box.x1), 0)
    session.sync()
    check_all_agree(session)
    assert cell(session, 2).outline_source == "human"
    assert session.waiting == {2}
    session.labels.undo()
    session.sync()
    check_all_agree(session)
    assert session.analysis.cells == FOUND.cells
    assert session.waiting == set()
    session.labels.redo()
    session.sync()
    assert cell(session, 2).outline_source == "human"
    check_all_agree(session)


def test_our_undo_takes_strokes_and_types_in_their_order(session: Session) -> None:
    box = cell(session, 2).box
    paint(session.labels, slice(box.y0, box.y0 + 6), slice(box.x0, box.x1), 0)
    session.name("blast", [2])  # reads the stroke first
    assert [edit.name for edit in session.history.done] == ["paint", "name blast"]
    assert session.undo() == "name blast"
    assert cell(session, 2).outline_source == "human"
    assert session.undo() == "paint"
    assert session.analysis.cells == FOUND.cells
    check_all_agree(session)


def test_a_key_does_not_look_for_pixels_of_which_napari_tells_nothing(session: Session) -> None:
    session.labels.data[cell(session, 2).box.slices] = 0
    assert session.name("blast", [1])
    assert [edit.name for edit in session.history.done] == ["name blast"]
    session.sync()
    assert [edit.name for edit in session.history.done] == ["name blast", "paint"]
    check_all_agree(session)
    session.undo(), session.undo()
    assert session.analysis.cells == FOUND.cells
    check_all_agree(session)


def test_labels_of_another_size_and_ids_out_of_range_are_refused(session: Session) -> None:
    before, good = session.analysis, session.labels.data
    session.labels.data = np.zeros((50, 50), np.int32)
    with pytest.raises(UsageError, match=r"The outlines are \(50, 50\), the image is \(96, 240\)"):
        session.sync()
    for wrong in (-1, MAX_ID + 1):
        data = good.copy()
        data[0, 0] = wrong
        session.labels.data = data
        with pytest.raises(UsageError, match=rf"has ids .*{wrong}.* they must be 0..{MAX_ID}"):
            session.sync()
    session.labels.data = good
    session.sync()
    assert session.analysis is before
    check_all_agree(session)


def test_a_key_that_changes_nothing_says_so(session: Session) -> None:
    assert session.confirm([1])
    assert not session.confirm([1])
    assert [edit.name for edit in session.history.done] == ["confirm"]


@pytest.mark.parametrize(
    "change",
    [partial(split, cell_id=2), partial(merge, ids=[1, 2]), partial(delete, ids=[1, 3]), partial(delete, ids=[1, 2, 3])],
)
def test_outline_verbs_can_be_undone_by_us_and_by_napari(session: Session, change: partial) -> None:
    for undo in (session.undo, session.labels.undo):
        session.change_outlines("change", change)
        check_all_agree(session)
        assert not np.array_equal(session.labels.data, FOUND.labels)
        undo()
        session.sync()
        check_all_agree(session)
        assert session.analysis.cells == FOUND.cells
        np.testing.assert_array_equal(session.labels.data, FOUND.labels)


def test_an_edited_cell_is_classified_and_undo_still_restores(session: Session) -> None:
    session.change_outlines("split", partial(split, cell_id=2))
    assert session.waiting == {2, 4}
    assert cell(session, 4).cell_type is None
    said = finish(classify_steps(session.analysis, session.pixels, session.waiting, FakeClassifier()))
    session.accept(said)
    assert session.waiting == set()
    assert cell(session, 4).cell_type in CELL_TYPES
    check_all_agree(session)
    session.undo()
    assert session.analysis.cells == FOUND.cells
    check_all_agree(session)


# trap 5: colours do not depend on the types present; trap 8: a small uint8 layer has them


def test_a_cell_that_only_a_model_has_outlined_does_not_wait_for_a_name() -> None:
    first, *others = FOUND.cells
    unnamed = [dataclasses.replace(one, cell_type=None, p=None) for one in (first, *others)]
    cells = CellTable((dataclasses.replace(unnamed[0], outline_source="human"), *unnamed[1:]))
    viewer = ViewerModel()
    image = viewer.add_image(PIXELS.copy(), rgb=True, name="field", scale=(0.3, 0.3))
    found = show_analysis(viewer.layers, image, dataclasses.replace(FOUND, cells=cells))
    assert session_of(viewer, found).waiting == {first.cell_id}


def test_colours_are_fixed(session: Session) -> None:
    for name, colour in TYPE_COLOURS.items():
        session.name(name, [1, 2, 3])
        assert {hex_of(c) for c in session.boxes.edge_color} == {colour}
        shown_colour = session.types.colormap.map(int(session.types.data[session.analysis.labels == 1][0]))
        assert hex_of(shown_colour) == colour


# boxes follow the outlines, and a cell goes with its box


@pytest.mark.parametrize("removed", [{1}, {2}, {0, 2}])
def test_a_removed_box_removes_its_cell_and_can_be_undone(session: Session, removed: set[int]) -> None:
    session.boxes.selected_data = removed
    session.boxes.remove_selected()
    session.sync_types()
    assert [cell.cell_id for cell in session.analysis.cells] == [i for i in (1, 2, 3) if i - 1 not in removed]
    assert session.selection.ids == ()
    check_all_agree(session)
    assert session.undo() == "remove boxes"
    assert session.analysis.cells == FOUND.cells
    check_all_agree(session)


def square(y: float, x: float, side: float = 18) -> np.ndarray:
    return np.array([[y, x], [y, x + side], [y + side, x + side], [y + side, x]])


def new_cell(session: Session) -> None:
    mask = np.zeros(session.analysis.labels.shape, bool)
    mask[2:20, 2:20] = True
    session.change_outlines("new cell", partial(add, mask=mask, last_id=session.last_id))


def test_a_drawn_box_waits_through_every_edit(session: Session) -> None:
    drawn, ellipse = square(2, 2), square(70, 100)
    session.boxes.add_rectangles([drawn, square(2, 60)])
    session.boxes.add_ellipses(ellipse)
    assert take_drawn(session.boxes, session.analysis.labels.shape) == Box(2, 2, 20, 20)
    new_cell(session)
    session.name("blast", [1])
    session.change_outlines("split", partial(split, cell_id=2))
    session.labels.data_setitem(np.nonzero(session.labels.data), 0)  # nothing agrees: all are made anew
    session.sync()
    session.undo()
    session.sync()
    waits = np.flatnonzero(session.boxes.features["cell_id"] == 0)
    assert [session.boxes.shape_type[row] for row in waits] == ["rectangle", "ellipse"]
    np.testing.assert_allclose([session.boxes.data[row] for row in waits], [square(2, 60), ellipse])
    for _ in waits:
        take_drawn(session.boxes, session.analysis.labels.shape)
    assert set(session.boxes.shape_type) == {"rectangle"}
    check_all_agree(session)


def test_what_happens_while_a_box_is_drawn_shows_when_it_is_done(session: Session) -> None:
    session.selection.select([1])
    session.boxes.mode = "add_rectangle"
    session.boxes._is_creating = True  # as napari's mouse does
    session.boxes.add(square(2, 60), gui=True)
    session.boxes.selected_data = {3}
    new_cell(session)
    session.change_outlines("split", partial(split, cell_id=2))
    session.name("blast", [3])
    assert session.boxes.features["cell_id"].tolist() == [1, 2, 3, 0]
    assert set(session.boxes.selected_data) == {3}
    session.sync()
    session.boxes._is_creating = False
    session.sync()
    assert len(session.analysis.cells) == 5
    assert cell(session, 3).cell_type == "blast"
    take_drawn(session.boxes, session.analysis.labels.shape)
    check_all_agree(session)
    session.sync()
    assert len(session.analysis.cells) == 5


@pytest.mark.parametrize("change", ["move", "copy", "remove all", "other id"])
def test_boxes_follow_the_outlines(session: Session, change: str) -> None:
    if change == "move":
        data = [corners + 5 for corners in session.boxes.data]
        session.boxes.data = data
    elif change == "copy":
        session.boxes.add_rectangles(session.boxes.data[1])
        session.boxes.features.loc[3, "cell_id"] = 2
    elif change == "other id":
        session.boxes.features.loc[1, "cell_id"] = 7
    else:
        session.boxes.selected_data = {0, 1, 2}
        session.boxes.remove_selected()
    session.sync()
    n = 0 if change == "remove all" else 3
    assert len(session.boxes.data) == len(session.analysis.cells) == n
    check_all_agree(session)
    if not n:
        session.undo()
        assert session.analysis.cells == FOUND.cells
        check_all_agree(session)


def test_boxes_removed_before_the_review_are_made_again() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(PIXELS.copy(), rgb=True, name="field")
    labels = show_analysis(viewer.layers, image, FOUND)
    viewer.layers["field boxes"].selected_data = {0}
    viewer.layers["field boxes"].remove_selected()
    session = session_of(viewer, labels)
    assert session.analysis.cells == FOUND.cells
    check_all_agree(session)


def test_a_review_whose_layer_was_closed_follows_no_more(session: Session) -> None:
    listeners = len(session.labels.mouse_drag_callbacks), len(session.labels.events.paint.callbacks)
    session.viewer.layers.remove(session.types)
    again = session_of(session.viewer, session.labels)
    assert again is not session
    assert (len(again.labels.mouse_drag_callbacks), len(again.labels.events.paint.callbacks)) == listeners
    again.selection.select([2])
    assert session.selection.ids == ()


@pytest.mark.parametrize("closed", ["field boxes", "field types"])
def test_a_review_goes_on_after_one_of_its_layers_was_closed(session: Session, closed: str) -> None:
    session.by = "Ada"
    session.mark_saved()
    session.change_outlines("split", partial(split, cell_id=2))
    session.name("blast", [4])
    session.vouch(True)
    session.viewer.layers.remove(session.viewer.layers[closed])
    again = session_of(session.viewer, session.labels)
    assert again.analysis.cells == session.analysis.cells
    assert (cell(again, 4).cell_type, cell(again, 4).reviewed_by) == ("blast", "Ada")
    assert again.waiting == {2, 4}
    assert (again.key, again.by, again.vouched, again.unsaved) == (session.key, "Ada", session.vouched, True)
    assert [layer.name for layer in again.viewer.layers] == ["field", "field cells", "field types", "field boxes"]
    check_all_agree(again)
    assert [again.undo(), again.undo()] == ["name blast", "split"]
    assert again.analysis.cells == FOUND.cells
    check_all_agree(again)


def test_a_copied_layer_begins_with_the_cells_as_they_are(session: Session) -> None:
    session.change_outlines("split", partial(split, cell_id=2))
    session.name("blast", [4])
    twin = Labels.create(*copy.deepcopy(session.labels.as_layer_data_tuple()))
    session.viewer.layers.append(twin)
    assert session_of(session.viewer, twin).analysis.cells == session.analysis.cells


def test_the_review_of_cells_that_are_analysed_again_is_left(session: Session) -> None:
    session.name("blast", [1])
    show_analysis(session.viewer.layers, session.image, FOUND)
    assert not session.open
    assert session not in open_reviews(session.viewer)
    again = session_of(session.viewer, session.labels)  # unless that is asked for
    assert again.open
    assert cell(again, 1).cell_type == "blast"
    ours = [layer for layer in session.viewer.layers if "(edited)" in layer.name]
    assert ours == [again.labels, again.types, again.boxes]


# trap 6: a box drawn by hand does not inherit the last row


def test_a_box_drawn_after_a_selection_has_no_type(session: Session) -> None:
    session.selection.select([2])
    session.name("basophil")
    session.boxes.add_rectangles(np.array([[1, 1], [1, 5], [5, 5], [5, 1]]))
    assert session.boxes.features.iloc[-1]["cell_type"] == ""
    assert session.boxes.features.iloc[-1]["cell_id"] == 0


def test_selection_is_the_same_everywhere(session: Session) -> None:
    session.selection.select([2])
    assert session.labels.selected_label == 2
    assert set(session.boxes.selected_data) == {1}
    session.labels.selected_label = 3  # as the Features table does
    assert session.selection.ids == (3,)
    assert set(session.boxes.selected_data) == {2}
    session.boxes.selected_data = {0, 1}  # as a rectangle in the layer of boxes does
    assert session.selection.ids == (1, 2)
    session.name("smudge")
    assert [c.cell_type == "smudge" for c in session.analysis.cells] == [True, True, False]
    assert session.selection.ids == (1, 2)


def test_the_brush_keeps_its_cell_where_more_are_selected(session: Session) -> None:
    session.selection.select([1, 2])
    session.labels.selected_label = 2
    assert session.selection.ids == (2, 1)
    for _ in range(2):
        box = cell(session, 2).box
        session.labels.paint((box.y0 - 1, (box.x0 + box.x1) // 2), session.labels.selected_label)
        session.sync()
        assert session.labels.selected_label == 2
        assert cell(session, 2).box.y0 < box.y0
    assert session.selection.ids == (2, 1)


@pytest.mark.parametrize("stack", [False, True])
def test_the_next_cell_comes_into_view_of_transposed_axes(session: Session, stack: bool) -> None:
    if stack:
        session.viewer.add_image(np.zeros((2, 4, 4)))
    session.viewer.dims.transpose()
    session.selection.select([3], look=True)
    where = cell(session, 3)
    np.testing.assert_allclose(session.viewer.scene.camera.center, (0, where.centroid_x * 0.3, where.centroid_y * 0.3))


def test_the_next_cell_comes_into_view(session: Session) -> None:
    seen = []
    for by in (1, 1, 1, 1, -1):
        session.selection.step(by)
        seen.append(session.selection.ids)
    assert seen == [(1,), (2,), (3,), (1,), (3,)]
    where = cell(session, 3)
    np.testing.assert_allclose(session.viewer.scene.camera.center[1:], (where.centroid_y * 0.3, where.centroid_x * 0.3))
    assert session.selection.at((where.centroid_y * 0.3, where.centroid_x * 0.3)) == 3
    assert session.selection.at((0, 0)) == 0


def test_cells_without_measurements_or_image_are_refused(session: Session) -> None:
    viewer = ViewerModel()
    with pytest.raises(UsageError, match="is not open"):
        session_of(viewer, viewer.add_labels(np.ones((4, 4), int), name="mine"))
    session.viewer.layers.remove(session.image)
    assert not session.open
    for _ in range(2):
        with pytest.raises(UsageError, match="image of layer 'field cells' is not open"):
            session_of(session.viewer, session.labels)


def test_a_copied_layer_begins_its_own_review(session: Session) -> None:
    twin = Labels.create(*copy.deepcopy(session.labels.as_layer_data_tuple()))
    session.viewer.layers.append(twin)
    assert session_of(session.viewer, twin) is not session


def test_what_was_painted_before_the_review_is_an_edit_of_it() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(PIXELS.copy(), rgb=True, name="field")
    labels = show_analysis(viewer.layers, image, FOUND)
    paint(labels, slice(0, 6), slice(0, 6), 7)
    session = session_of(viewer, labels)
    assert [cell.cell_id for cell in session.analysis.cells] == [1, 2, 3, 7]
    assert session.waiting == {7}
    check_all_agree(session)
    session.undo()
    assert session.analysis.cells == FOUND.cells


def test_a_new_run_hides_a_review_with_edits_and_removes_one_without(session: Session) -> None:
    layers = session.viewer.layers
    show_analysis(layers, session.image, FOUND)
    assert [layer.name for layer in layers] == ["field", "field cells", "field boxes"]
    again = session_of(session.viewer, layers["field cells"])
    again.name("smudge", [1])
    show_analysis(layers, session.image, FOUND)
    assert [layer.visible for layer in again.layers] == [True, False, False, False]
    assert [layer.name for layer in layers if layer.visible] == ["field", "field cells", "field boxes"]
    assert reviewed(again.labels)


def test_classified_anew_a_persons_type_stays(session: Session) -> None:
    session.name("smudge", [1])
    fresh = [dataclasses.replace(cell, cell_type="monocyte", margin=0.5) for cell in FOUND.cells]
    session.accept(fresh)
    assert [cell.cell_type for cell in session.analysis.cells] == ["smudge", "monocyte", "monocyte"]
    assert [cell.margin for cell in session.analysis.cells] == [0.5] * 3
    check_all_agree(session)


def test_a_click_selects_and_a_drag_does_not(session: Session) -> None:
    def click(cell_id: int, *modifiers: str, moved: bool = False) -> None:
        where = cell(session, cell_id)
        event = SimpleNamespace(
            type="mouse_press", position=(where.centroid_y * 0.3, where.centroid_x * 0.3), modifiers=modifiers
        )
        (ours,) = [f for f in session.labels.mouse_drag_callbacks if getattr(f, "__self__", None) is session.selection]
        steps = ours(session.labels, event)
        next(steps)
        event.type = "mouse_move" if moved else "mouse_release"
        next(steps, None)

    click(2)
    assert session.selection.ids == (2,)
    click(3, "Shift")
    assert session.selection.ids == (3, 2)
    click(1, moved=True)
    assert session.selection.ids == (3, 2)
    session.labels.mode = "paint"
    with pytest.raises(StopIteration):
        click(1)
    assert session.selection.ids == (3, 2)


def test_a_cell_painted_otherwise_that_measures_the_same_is_followed() -> None:
    """Mirrored in an even colour, it has the same box, centre and area."""
    shape = np.array([[0, 1, 1], [1, 1, 0]], np.int32).repeat(8, axis=0).repeat(8, axis=1)
    there, mirrored = (np.pad(cell, 10) for cell in (shape, shape[:, ::-1]))
    viewer = ViewerModel()
    image = viewer.add_image(np.full((*there.shape, 3), 200, np.uint8), rgb=True)
    empty = Analysis(np.zeros_like(there), CellTable(()), Scale(None, 1.0, "assumed"))
    session = session_of(viewer, show_analysis(viewer.layers, image, empty))
    for painted in (there, mirrored):
        session.labels.data[:] = painted
        session.sync()
        np.testing.assert_array_equal(session.analysis.labels, painted)
        check_all_agree(session)
    assert len(session.history.done) == 2
    session.undo()
    np.testing.assert_array_equal(session.labels.data, there)


# what a person did before the review, and layers of other programs


def shown_layers(data: np.ndarray | None = None) -> tuple[ViewerModel, Labels]:
    """What was found, under no review yet, on pixels of its own or on others that show the same."""
    viewer = ViewerModel()
    labels = show_analysis(viewer.layers, viewer.add_image(PIXELS.copy(), rgb=True, name="field"), FOUND)
    if data is not None:
        labels.data = data
    return viewer, labels


@pytest.mark.parametrize("table", ["cells", "boxes"])
def test_a_type_written_before_the_review_is_the_persons(table: str) -> None:
    viewer, labels = shown_layers()
    if table == "cells":
        labels.features.loc[1, "cell_type"] = "blast"
    else:
        viewer.layers["field boxes"].features.loc[0, "cell_type"] = "blast"
    session = session_of(viewer, labels)
    first = cell(session, 1)
    assert (first.cell_type, first.type_source, first.previous_cell_type) == ("blast", "human", FOUND.cells[0].cell_type)
    check_all_agree(session)
    assert session.undo() == "edit the table"
    assert session.analysis.cells == FOUND.cells
    check_all_agree(session)


@pytest.mark.parametrize("column", ["area_px", "margin"])
def test_measurements_typed_over_are_not_taken(column: str) -> None:
    viewer, labels = shown_layers()
    labels.features[column] = labels.features[column].astype(object)
    labels.features.loc[2, column] = "abc"
    session = session_of(viewer, labels)
    assert session.analysis.cells == FOUND.cells
    session.name("smudge", [2])
    assert labels.features.loc[2, column] == getattr(FOUND.cells[1], column)


@pytest.mark.parametrize("table", ["cells", "boxes"])
def test_a_type_that_was_blanked_is_written_again(session: Session, table: str) -> None:
    if table == "cells":
        session.labels.features.loc[3, "cell_type"] = None
    else:
        session.boxes.features.loc[2, "cell_type"] = ""
    session.sync()
    assert session.analysis.cells == FOUND.cells
    assert not session.history.done
    check_all_agree(session)


def read_only(labels: np.ndarray) -> np.ndarray:
    labels = labels.copy()
    labels.flags.writeable = False
    return labels


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.uint64, read_only, da.from_array])
@pytest.mark.parametrize("when", ["before the review", "in it"])
def test_pixels_of_any_kind_can_be_edited(kind: Callable[[np.ndarray], np.ndarray], when: str) -> None:
    viewer, labels = shown_layers(kind(FOUND.labels) if when == "before the review" else None)
    session = session_of(viewer, labels)
    if when == "in it":
        labels.data = kind(FOUND.labels)
    session.change_outlines("split", partial(split, cell_id=2, last_id=2**16))
    assert [cell.cell_id for cell in session.analysis.cells] == [1, 2, 3, 2**16 + 1]
    np.testing.assert_array_equal(labels.data, session.analysis.labels)
    session.sync()
    assert [edit.name for edit in session.history.done] == ["split"]
    session.undo()
    np.testing.assert_array_equal(labels.data, FOUND.labels)
    assert session.analysis.cells == FOUND.cells


@pytest.mark.parametrize("kind", [np.uint8, read_only, da.from_array])
def test_the_first_stroke_of_the_brush_is_kept_in_pixels_of_any_kind(kind: Callable[[np.ndarray], np.ndarray]) -> None:
    viewer, labels = shown_layers(kind(FOUND.labels))
    session = session_of(viewer, labels)
    at = tuple(np.argwhere(FOUND.labels == 0)[0])
    labels.brush_size = 1
    labels.paint(at, 2**16)
    session.sync()
    assert session.analysis.labels[at] == labels.data[at] == 2**16


def test_pixels_that_are_good_are_not_copied() -> None:
    viewer, labels = shown_layers()
    data = labels.data
    session_of(viewer, labels)
    assert labels.data is data


def test_a_box_removed_over_outlines_of_another_size_is_refused(session: Session) -> None:
    session.labels.data = np.zeros((50, 60), np.int32)
    with pytest.raises(UsageError, match=r"The outlines are \(50, 60\)"):
        session.sync_told()
    session.boxes.selected_data = {0}
    session.boxes.remove_selected()
    for read in (session.sync_told, session.undo):
        with pytest.raises(UsageError, match=r"The outlines are \(50, 60\)"):
            read()
    assert session.analysis.cells == FOUND.cells
    assert not session.history.done


def test_a_stroke_of_an_id_out_of_range_can_be_undone(session: Session) -> None:
    session.name("blast", [1])
    for _ in range(2):
        paint(session.labels, slice(0, 6), slice(0, 6), 2 * MAX_ID)
        with pytest.raises(UsageError, match=r"Press Ctrl\+Z"):
            session.sync()
        assert session.undo() == "paint"
        check_all_agree(session)
    assert session.undo() == "name blast"
    assert session.analysis.cells == FOUND.cells
