"""How the layers of a review show its cells: features, boxes, and a small layer of types that gives the colours; no Qt.

Each is written where it differs alone, so that a key press takes milliseconds also with hundreds of cells.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import pandas as pd
from napari.layers import Labels, Shapes
from napari.utils.colormaps import CyclicLabelColormap

from ..cells import Analysis, Cell
from ..config import TYPE_COLOURS, UNIDENTIFIED
from ..review import Edit
from .boxes import write_boxes
from .features import colour_of, keep_columns_of_others, labels_features
from .inputs import MAX_ID
from .layers import CONTOUR_PX, MAX_CONTOUR_MEGAPIXELS, outlines, placing
from .origin import KEY, Origin, layer_id

TYPE_NAMES = (*TYPE_COLOURS, "a type of your own", "not named yet")
"""Of the values 1, 2, 3, … of a layer of types."""

NEUTRAL = "#B0B0B0"
"""Colour of the cells under the brush; their types have the colours."""

FEW = 20
"""More cells than this are written as a whole table."""

EDITED_OPACITY, TYPES_OPACITY, TYPES_FILL_OPACITY = 0.25, 0.9, 0.4


def type_value(cell_type: str | None) -> int:
    """The value of a cell type in a layer of types."""
    if cell_type is None:
        return len(TYPE_NAMES)
    return TYPE_NAMES.index(cell_type) + 1 if cell_type in TYPE_COLOURS else len(TYPE_NAMES) - 1


def types_layer(labels: Labels, analysis: Analysis) -> Labels:
    """A layer (H, W) uint8 over the cells, value = type: the colours of the types, which the layer of cells does not have."""
    colours = ["transparent", *TYPE_COLOURS.values(), colour_of("mine"), colour_of(UNIDENTIFIED)]
    small = analysis.labels.size <= MAX_CONTOUR_MEGAPIXELS * 1e6
    layer = Labels(
        _values(analysis.cells, analysis.labels),
        name=f"{labels.name.removesuffix(' cells')} types",
        features=pd.DataFrame({"cell_type": ["", *TYPE_NAMES]}),
        colormap=CyclicLabelColormap(colors=colours, background_value=0),
        opacity=TYPES_OPACITY if small else TYPES_FILL_OPACITY,
        **placing(labels),
    )
    layer.contour = CONTOUR_PX if small else 0
    layer.editable = False
    layer.metadata[KEY] = Origin(layer_id(labels), outlines(analysis), layer.features.copy())
    return layer


def set_reviewed_look(labels: Labels) -> None:
    """The cells as faint areas to paint on."""
    labels.contour = 0
    labels.colormap = CyclicLabelColormap(colors=["transparent", NEUTRAL], background_value=0)
    labels.opacity = EDITED_OPACITY


def make_paintable(labels: Labels) -> None:
    """Copy pixels into memory that cannot be painted in place, or cannot hold all ids: a mask of a file, or of uint8."""
    data = labels.data
    wide = np.iinfo(data.dtype).max >= MAX_ID
    if not (wide and isinstance(data, np.ndarray) and data.flags.writeable):
        labels.data = np.array(data, dtype=data.dtype if wide else np.int32)


def write_edit(labels: Labels, boxes: Shapes, types: Labels, analysis: Analysis, edit: Edit, new: Collection[int] = ()) -> None:
    """Bring all layers in line with an edit that the analysis has had; `new` as of `write_features`."""
    write_pixels(labels, edit)
    write_features(labels, analysis, edit, new)
    write_boxes(boxes, labels, analysis, edit)
    write_types(types, analysis, edit)


def write_features(labels: Labels, analysis: Analysis, edit: Edit, new: Collection[int] = ()) -> None:
    """The features of the layer of cells, from the table; columns of others stay. A few cells are written in place.

    The row of a cell that is gone stays too, for undo; a `new` cell has nothing of the one that had its id before.
    """
    rows = {i: None if cell is None else cell.as_row() for i, cell in edit.cells_after.items()}
    said = {name for row in rows.values() if row is not None for name, value in row.items() if value is not None} - {"cell_id"}
    there = None not in rows.values() and all(edit.cells_before[i] is not None for i in rows)
    if there and len(rows) <= FEW and said <= set(labels.features):
        for i, row in rows.items():
            for name in set(labels.features).intersection(row or {}):
                labels.features.at[i, name] = (row or {})[name]
        labels.events.features()
        return
    before = labels.features
    last_id = int(max((cell.cell_id for cell in analysis.cells), default=0))
    ours = labels_features(analysis.cells, max(last_id, len(before) - 1))
    labels.features = keep_columns_of_others(ours, before.drop(index=[i for i in new if i in before.index]))


def write_pixels(labels: Labels, edit: Edit) -> None:
    """The outlines after an edit, as one edit of napari's, so that its own undo stays sound."""
    if edit.box is not None:
        make_paintable(labels)  # a person may have put other pixels there since the review began
        rows, columns = np.nonzero(labels.data[edit.box.slices] != edit.pixels_after)
        values = edit.pixels_after[rows, columns].astype(labels.data.dtype)
        labels.data_setitem((rows + edit.box.y0, columns + edit.box.x0), values)


def write_types(types: Labels, analysis: Analysis, edit: Edit) -> None:
    """The types after an edit, where outlines or types differ."""
    windows = [edit.box] if edit.box is not None else []
    windows += [cell.box for cell in edit.cells_after.values() if cell is not None]
    for window in windows:
        values = _values(analysis.cells, analysis.labels[window.slices])
        rows, columns = np.nonzero(types.data[window.slices] != values)
        types.data_setitem((rows + window.y0, columns + window.x0), values[rows, columns])
    if edit.box is not None:
        types.refresh()  # contours of what is no longer there stay in a partial refresh


def types_in(features: pd.DataFrame, ids: Iterable[int]) -> dict[int, str | None]:
    """What a features table whose row i is cell i says of the types of cells."""
    said = dict(features["cell_type"].items()) if "cell_type" in features else {}
    return {i: _text(said.get(i)) for i in ids}


def edited_types(labels: Labels, boxes: Shapes, analysis: Analysis) -> dict[int, str | None]:
    """The types that a person has written into the features of cells or boxes, by id, where they differ from the analysis.

    None where a type was blanked.
    """
    known = {cell.cell_id: cell.cell_type for cell in analysis.cells}
    said = {i: name for i, name in types_in(labels.features, known).items() if name != known[i]}
    if "cell_type" in boxes.features:
        columns = zip(boxes.features["cell_id"], boxes.features["cell_type"], strict=True)
        said |= {int(i): _text(name) or said.get(i) for i, name in columns if i in known and _text(name) != known[i]}
    return said


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _values(cells: Collection[Cell], labels: np.ndarray) -> np.ndarray:
    """Labels (h, w) as values of types, uint8."""
    lookup = np.full(int(labels.max(initial=0)) + 1, type_value(None), dtype=np.uint8)
    lookup[0] = 0
    for cell in cells:
        if cell.cell_id < len(lookup):
            lookup[cell.cell_id] = type_value(cell.cell_type)
    return np.asarray(lookup[labels])
