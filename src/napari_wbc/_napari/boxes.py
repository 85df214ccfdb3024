"""The layer of boxes in line with the table of cells; no Qt.

Each of napari's own steps redraws all boxes and places all texts anew, so they are muted, and one redraw follows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.layers import Labels, Shapes
from napari.utils.colormaps.standardize_color import transform_color

from ..cells import Analysis, Box, Cell, CellTable
from ..review import Edit
from .features import box_features, colour_of
from .layers import boxes_layer, outlines, rectangles, text_colours

SELECTED = "#FFFFFF59"
"""Tint of the boxes of selected cells."""


FEW = 20
"""Where more boxes than this move, all are made anew."""

BEHIND = "napari_wbc_behind"
"""Where a layer says that its boxes are not yet as the outlines say; `put_back` mends that."""


def write_boxes(boxes: Shapes, labels: Labels, analysis: Analysis, edit: Edit) -> None:
    """The boxes after an edit: those that moved are replaced and stand last, of the others texts and colours are renewed.

    Boxes that wait to be outlined stay. While the mouse draws or moves one, `strayed` is left to tell that others have moved.
    """
    moved = {i for i in edit.cells_after if _box(edit.cells_before[i]) != _box(edit.cells_after[i])}
    there = set(boxes.features["cell_id"]) - {0}
    agree = {cell.cell_id for cell in analysis.cells} == (there - moved) | {i for i in moved if edit.cells_after[i]}
    if _in_hand(boxes):
        boxes.metadata[BEHIND] = bool(moved) or not agree or boxes.metadata.get(BEHIND, False)
        agree, moved = True, set()
    elif boxes.metadata.get(BEHIND):
        agree = False
    with boxes.events.blocker_all(), boxes.text.events.blocker_all():
        if not agree or len(moved) > FEW or (moved and moved >= there):
            _write_all(boxes, labels, analysis)
            moved |= there
        else:
            _replace(boxes, moved, [cell for i in moved if (cell := edit.cells_after[i]) is not None], len(analysis.labels))
            _name(boxes, labels, edit.cells_after.keys())
    if moved:
        boxes.refresh()
    else:
        with _one_list(boxes):
            boxes.events.edge_color()
    boxes.events.features()


def strayed(boxes: Shapes, cells: CellTable) -> tuple[set[int], bool]:
    """The cells whose boxes a person has removed; and whether others were moved, copied or given other ids: see `put_back`.

    While a box is being drawn or moved, or waits to be outlined, there are none.
    """
    if _in_hand(boxes) or boxes.metadata.get(BEHIND):
        return set(), not _in_hand(boxes)
    ids = [int(i) for i in boxes.features["cell_id"]]
    if 0 in ids:
        return set(), False
    at = {cell.cell_id: cell.box for cell in cells}
    there = [i for i in ids if i in at]
    in_place = ids == there and len(set(ids)) == len(ids) and all(len(corners) == 4 for corners in boxes.data)
    in_place = in_place and np.array_equal(np.reshape(boxes.data, (-1, 4, 2)), rectangles([at[i] for i in ids]))
    return at.keys() - set(ids) if len(ids) < len(at) else set(), not in_place


def put_back(boxes: Shapes, labels: Labels, analysis: Analysis) -> None:
    """All boxes as the outlines say, and those that wait to be outlined."""
    with boxes.events.blocker_all(), boxes.text.events.blocker_all():
        _write_all(boxes, labels, analysis)
    boxes.refresh()
    boxes.events.features()


def _in_hand(boxes: Shapes) -> bool:
    """Whether the mouse draws or moves a box: napari knows it by its row, and as the one that is selected."""
    return bool(getattr(boxes, "_is_moving", False) or getattr(boxes, "_is_creating", False))


def _box(cell: Cell | None) -> Box | None:
    return None if cell is None else cell.box


def _write_all(boxes: Shapes, labels: Labels, analysis: Analysis) -> None:
    fresh = boxes_layer(labels, outlines(analysis))
    waiting = [(boxes.data[row], boxes.shape_type[row]) for row in np.flatnonzero(boxes.features["cell_id"] == 0)]
    boxes.selected_data = set()
    boxes.data = [(corners, "rectangle") for corners in rectangles([cell.box for cell in analysis.cells])]
    boxes.features, boxes.feature_defaults = fresh.features, fresh.feature_defaults
    fresh.text.visible = boxes.text.visible
    boxes.text = fresh.text
    boxes.edge_width = fresh.edge_width or 1
    boxes.edge_color = fresh.edge_color if len(fresh.data) else colour_of(None)
    if waiting:
        boxes.add(waiting, edge_width=fresh.edge_width[0] if len(fresh.data) else 1, face_color="transparent")
    boxes.metadata[BEHIND] = False


def _replace(boxes: Shapes, moved: set[int], fresh: list[Cell], height: int) -> None:
    """Take the boxes of some cells out, and put others in, in an image of so many rows."""
    if not moved:
        return
    boxes.selected_data = {row for row, i in enumerate(boxes.features["cell_id"]) if i in moved}
    boxes.remove_selected()
    boxes.selected_data = set()
    if fresh:
        width, n_before = boxes.edge_width[0], len(boxes.data)
        boxes.add_rectangles(rectangles([cell.box for cell in fresh]), edge_width=width, face_color="transparent")
        boxes.features.loc[n_before:, "cell_id"] = [cell.cell_id for cell in fresh]
    boxes.text.color = text_colours([float(corners[:, 0].min()) for corners in boxes.data], height)


def _name(boxes: Shapes, labels: Labels, ids: Collection[int]) -> None:
    """Features, texts and colours of the boxes of some cells."""
    rows = [row for row, i in enumerate(boxes.features["cell_id"]) if i in ids]
    if not rows:
        return
    fresh = box_features(labels.features, boxes.features["cell_id"].iloc[rows])
    for name in fresh:
        if boxes.features[name].dtype != fresh[name].dtype:
            boxes.features[name] = boxes.features[name].astype(fresh[name].dtype)
        boxes.features.iloc[rows, boxes.features.columns.get_loc(name)] = fresh[name].to_numpy()
    boxes.refresh_text()
    boxes._data_view.update_edge_colors(rows, transform_color([colour_of(name) for name in fresh["cell_type"]]))


def light(boxes: Shapes, rows: set[int]) -> None:
    """Select some boxes, and only these are tinted: napari marks selected shapes in the active layer alone."""
    if _in_hand(boxes):
        return
    lit = {int(row) for row in np.flatnonzero(boxes.face_color[:, 3] > 0)} if len(boxes.data) else set[int]()
    if lit == rows == set(boxes.selected_data):
        return
    with boxes.events.blocker_all(), boxes.block_thumbnail_update():  # which takes nine milliseconds, each time
        for group, colour in ((lit - rows, "transparent"), (rows - lit, SELECTED)):
            if group:
                boxes.selected_data = group
                boxes.current_face_color = colour
        boxes.selected_data = rows
        with boxes.block_update_properties():  # for boxes that are drawn from now on
            boxes.current_face_color = "transparent"
    if lit != rows:
        with _one_list(boxes):
            boxes.events.face_color()
    boxes.events.highlight()


class _OneList:
    """The shapes of a layer, whose corners are listed once."""

    def __init__(self, shapes: Any) -> None:
        self._shapes, self.data = shapes, shapes.data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shapes, name)


@contextmanager
def _one_list(boxes: Shapes) -> Iterator[None]:
    """Within it, redraw: napari places each text from a list of all corners that it makes anew for each of them."""
    shapes = boxes._data_view
    boxes._data_view = _OneList(shapes)
    try:
        yield
    finally:
        boxes._data_view = shapes
