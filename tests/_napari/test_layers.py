"""An analysis as layers and back; needs no display."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from napari.components import LayerList
from napari.layers import Image, Labels, Layer, Shapes
from napari.layers.shapes._shapes_mouse_bindings import vertex_insert

from napari_wbc._napari import inputs, layers, replacing
from napari_wbc._napari.boxes import put_back
from napari_wbc._napari.features import box_features, labels_features, read_cells
from napari_wbc._napari.legible import hide_small_texts
from napari_wbc.cells import Analysis, Box, Cell, CellTable, Scale, Segmentation
from napari_wbc.config import TYPE_COLOURS, USER_TYPE_COLOUR
from napari_wbc.errors import UnsupportedImageError, UsageError
from tests._napari.seen import analysis_in


def cell(cell_id: int, box: Box, cell_type: str | None = "monocyte") -> Cell:
    area = box.height * box.width
    p = (0.1, 0.2, 0.05, 0.6, 0.05)
    return Cell(cell_id, box, 1.5, 2.5, area, False, 7, 0.25, segmentation_score=0.9, cell_type=cell_type, p=p, margin=0.4)


@pytest.fixture
def analysis() -> Analysis:
    """Cells 1, 2 and 4 of an image of 40 × 60; there is no cell 3."""
    found = {1: Box(0, 0, 4, 6), 2: Box(10, 20, 22, 30), 4: Box(30, 50, 40, 60)}
    labels = np.zeros((40, 60), dtype=np.int32)
    for i, box in found.items():
        labels[box.slices] = i
    labels.flags.writeable = False
    types = {1: "monocyte", 2: "basophil", 4: "my own"}
    return Analysis(labels, CellTable(tuple(cell(i, box, types[i]) for i, box in found.items())), Scale(0.1, 0.6, "file"))


@pytest.fixture
def image() -> Image:
    return Image(
        np.zeros((40, 60, 3), np.uint8), rgb=True, name="field", scale=(0.1, 0.1), translate=(5, 7), units=("um", "um")
    )


def shown(image: Image, analysis: Analysis) -> tuple[LayerList, Labels, Shapes]:
    viewer = LayerList([image])
    labels = replacing.show_analysis(viewer, image, analysis)
    return viewer, labels, viewer["field boxes"]


def test_row_i_of_the_features_is_cell_i_and_gaps_are_empty(analysis: Analysis) -> None:
    features = labels_features(analysis.cells, 4)
    assert list(features.index) == [0, 1, 2, 3, 4]
    assert "index" not in features
    assert "cell_id" not in features
    assert features.columns[0] == "cell_type"
    assert list(features["cell_type"]) == [None, "monocyte", "basophil", None, "my own"]
    assert list(features["area_px"]) == [None, 24, 120, None, 100]
    np.testing.assert_array_equal(features["p_monocyte"], [np.nan, 0.6, 0.6, np.nan, 0.6])
    assert "area_um2" not in features  # no cell has one


def test_cells_survive_the_way_through_features(analysis: Analysis) -> None:
    features = labels_features(analysis.cells, 4)
    assert read_cells(features, [0, 1, 2, 3, 4]) == analysis.cells
    assert [c.cell_id for c in read_cells(features, [0, 4, 9])] == [4]


def test_analysis_survives_the_way_through_a_layer(analysis: Analysis, image: Image) -> None:
    _, labels, _ = shown(image, analysis)
    back = analysis_in(labels)
    np.testing.assert_array_equal(back.labels, analysis.labels)
    assert back.labels.dtype == np.int32
    assert back.cells == analysis.cells
    assert back.scale == analysis.scale


def test_arrays_are_copied_in_both_directions(analysis: Analysis, image: Image) -> None:
    _, labels, _ = shown(image, analysis)
    back = analysis_in(labels)
    segmentation = inputs.read_labels(labels)
    field = inputs.read_image(image)()
    labels.data[:] = 9
    image.data[:] = 9
    for array, value in ((analysis.labels, 1), (back.labels, 1), (segmentation.labels, 1), (field.pixels, 0)):
        assert (array[0, 0] == value).all()
        assert not array.flags.writeable


def test_layers_overlay_the_image_exactly(analysis: Analysis, image: Image) -> None:
    _, labels, boxes = shown(image, analysis)
    for layer in (labels, boxes):
        np.testing.assert_allclose(layer.data_to_world((10, 20)), image.data_to_world((10, 20)))
        assert layer.units == image.units


def test_boxes_lie_on_the_edges_of_pixels(analysis: Analysis, image: Image) -> None:
    _, _, boxes = shown(image, analysis)
    assert list(boxes.shape_type) == ["rectangle"] * 3
    np.testing.assert_array_equal(boxes.data[1], [[9.5, 19.5], [9.5, 29.5], [21.5, 29.5], [21.5, 19.5]])
    np.testing.assert_allclose(boxes.data_to_world(boxes.data[0][0]), (5 - 0.05, 7 - 0.05))


def test_boxes_have_the_type_as_text_and_its_fixed_colour(analysis: Analysis, image: Image) -> None:
    _, _, boxes = shown(image, analysis)
    assert list(boxes.features["cell_id"]) == [1, 2, 4]
    assert list(boxes.text.values) == ["monocyte", "basophil", "my own"]
    np.testing.assert_allclose(boxes.features["probability"], [0.6, 0.1, np.nan])
    for colour, name in zip(
        boxes.edge_color, (TYPE_COLOURS["monocyte"], TYPE_COLOURS["basophil"], USER_TYPE_COLOUR), strict=True
    ):
        np.testing.assert_allclose(colour[:3], rgb(name), atol=1e-3)


def test_colours_do_not_depend_on_the_types_present(analysis: Analysis, image: Image) -> None:
    last = CellTable(analysis.cells[1:2].cells)
    only = Analysis(np.where(analysis.labels == 2, 2, 0).astype(np.int32), last, analysis.scale)
    _, labels, boxes = shown(image, only)
    np.testing.assert_allclose(boxes.edge_color[0][:3], rgb(TYPE_COLOURS["basophil"]), atol=1e-3)
    np.testing.assert_allclose(labels.colormap.map(2)[:3], rgb(TYPE_COLOURS["basophil"]), atol=1e-3)


def test_labels_have_the_colours_of_the_types(analysis: Analysis, image: Image) -> None:
    _, labels, _ = shown(image, analysis)
    assert labels.colormap.map(0)[3] == 0
    for i, name in ((1, "monocyte"), (2, "basophil"), (3, "unidentified"), (5, "unidentified"), (50, "unidentified")):
        np.testing.assert_allclose(labels.colormap.map(i)[:3], rgb(TYPE_COLOURS[name]), atol=1e-3)


def rgb(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def test_a_box_drawn_by_hand_does_not_inherit_a_type(analysis: Analysis, image: Image) -> None:
    _, _, boxes = shown(image, analysis)
    boxes.add_rectangles(np.array([[1, 1], [1, 5], [5, 5], [5, 1]]))
    assert boxes.features.iloc[-1]["cell_type"] == ""
    assert np.isnan(boxes.features.iloc[-1]["probability"])
    assert boxes.text.values[-1] == ""


def test_an_image_without_cells_makes_empty_layers(image: Image) -> None:
    nothing = Analysis(np.zeros((40, 60), np.int32), CellTable(), Scale(None, 0.6, "assumed"))
    _, labels, boxes = shown(image, nothing)
    assert labels.data.max() == 0
    assert len(boxes.data) == 0
    assert len(analysis_in(labels).cells) == 0


def test_a_second_run_replaces_the_layers(analysis: Analysis, image: Image) -> None:
    viewer, labels, boxes = shown(image, analysis)
    again = replacing.show_analysis(viewer, image, analysis)
    assert [layer.name for layer in viewer] == ["field", "field cells", "field boxes"]
    assert again is not labels
    assert boxes not in viewer


def test_layers_of_another_image_stay(analysis: Analysis, image: Image) -> None:
    viewer, labels, boxes = shown(image, analysis)
    other = Image(np.zeros((40, 60, 3), np.uint8), rgb=True, name="field")
    viewer.append(other)
    replacing.show_analysis(viewer, other, analysis)
    assert labels in viewer
    assert boxes in viewer
    assert len(viewer) == 6


@pytest.mark.parametrize("what", ["pixels", "type", "box", "corner"])
def test_what_a_person_edited_is_kept_hidden(analysis: Analysis, image: Image, what: str) -> None:
    viewer, labels, boxes = shown(image, analysis)
    if what == "pixels":
        labels.data_setitem((np.array([35]), np.array([3])), 7)
    elif what == "type":
        labels.features.iat[1, 0] = "smudge"
    elif what == "box":
        boxes.data = [boxes.data[0] + 1, *boxes.data[1:]]
    else:
        boxes.selected_data, boxes.mode = {0}, "vertex_insert"
        between = boxes.data[0][:2].mean(axis=0)
        event = SimpleNamespace(position=between, type="mouse_press", modifiers=[])
        vertex_insert(boxes, event)
        assert [len(corners) for corners in boxes.data] == [5, *[4] * (len(boxes.data) - 1)]
    replacing.show_analysis(viewer, image, analysis)
    replacing.show_analysis(viewer, image, analysis)
    assert [layer.name for layer in viewer] == [
        "field",
        "field cells (edited)",
        "field boxes (edited)",
        "field cells",
        "field boxes",
    ]
    assert not labels.visible
    assert analysis_in(labels).cells[0].cell_type == ("smudge" if what == "type" else "monocyte")


def test_labels_of_a_person_are_never_replaced(analysis: Analysis, image: Image) -> None:
    viewer = LayerList([image])
    drawn = Labels(analysis.labels.astype(np.uint8), name="mine", features={"note": ["", "a", "b", "c", "d"]})
    viewer.append(drawn)
    replacing.show_types(viewer, image, drawn, analysis)
    replacing.show_analysis(viewer, image, analysis)
    assert drawn in viewer
    assert drawn.visible
    assert list(drawn.features["note"]) == ["", "a", "b", "c", "d"]
    assert list(drawn.features["cell_type"])[1:3] == ["monocyte", "basophil"]
    assert list(viewer["mine boxes"].text.values) == ["monocyte", "basophil", "my own"]


def test_boxes_of_outlines_without_a_type_show_the_id(analysis: Analysis, image: Image) -> None:
    viewer = LayerList([image])
    labels = replacing.show_labels(
        viewer, image, layers.labels_layer(image, Segmentation(analysis.labels, {1: 0.5, 2: 0.75, 4: 1.0}, analysis.scale))
    )
    assert list(labels.features["segmentation_score"])[1:3] == [0.5, 0.75]
    boxes = replacing.show_boxes(viewer, labels, inputs.read_labels(labels))
    assert list(boxes.text.values) == ["1", "2", "4"]


def test_an_edited_cell_has_no_score_any_more(analysis: Analysis, image: Image) -> None:
    _, labels, _ = shown(image, analysis)
    assert inputs.read_labels(labels).scores == {1: 0.9, 2: 0.9, 4: 0.9}
    labels.data_setitem((np.array([10]), np.array([20])), 0)
    labels.data_setitem((np.array([30]), np.array([5])), 9)
    edited = inputs.read_labels(labels)
    assert edited.scores == {1: 0.9, 4: 0.9}
    assert edited.scale == analysis.scale


def test_labels_of_others_are_read(image: Image) -> None:
    data = np.zeros((40, 60), np.uint16)
    data[3:6, 3:6] = 500
    found = inputs.read_labels(Labels(data, scale=(0.2, 0.2), units=("um", "um")))
    assert found.labels.dtype == np.int32
    assert found.labels.max() == 500
    assert found.scores == {}
    assert found.scale.um_per_px == pytest.approx(0.2)


@pytest.mark.parametrize("data", [np.full((4, 4), -1), np.full((4, 4), 2_000_000), np.zeros((2, 4, 4), int)])
def test_labels_that_cannot_be_read_are_refused(data: np.ndarray) -> None:
    with pytest.raises(UsageError, match="Layer 'mine'"):
        inputs.read_labels(Labels(data, name="mine"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, None),
        ({"scale": (0.2, 0.2)}, None),
        ({"scale": (0.2, 0.2), "units": ("um", "um")}, 0.2),
        ({"scale": (200, 200), "units": ("nm", "nm")}, 0.2),
        ({"scale": (1, 1), "units": ("um", "um")}, None),
        ({"scale": (0.2, 0.3), "units": ("um", "um")}, None),
        ({"metadata": {layers.KEY: {"um_per_px": 0.3}}}, 0.3),
        ({"metadata": {layers.KEY: {"um_per_px": None}}}, None),
    ],
)
def test_pixel_size_of_a_layer(arguments: dict[str, object], expected: float | None) -> None:
    found = inputs.pixel_size(Image(np.zeros((4, 5, 3), np.uint8), rgb=True, **arguments))
    assert found == (None if expected is None else pytest.approx(expected))


def test_images_are_converted_or_refused() -> None:
    grey = inputs.read_image(Image(np.full((4, 5), 200, np.uint8)))()
    assert grey.pixels.shape == (4, 5, 3)
    assert (grey.pixels == 200).all()
    with pytest.raises(UnsupportedImageError, match="Layer 'stack' has 3 dimensions"):
        inputs.read_image(Image(np.zeros((9, 4, 5)), name="stack"))
    with pytest.raises(UnsupportedImageError, match="Layer 'odd': some values are negative"):
        inputs.read_image(Image(np.full((4, 5), -3.0), name="odd"))()


def test_probability_is_that_of_the_type() -> None:
    person = dataclasses.replace(cell(1, Box(0, 0, 2, 2), "eosinophil"), previous_cell_type="monocyte")
    table = box_features(labels_features([person], 1), [1, 2])
    assert table["probability"][0] == 0.2
    assert table["cell_type"][1] == ""
    assert isinstance(table, pd.DataFrame)


def test_cells_are_outlined_not_covered(analysis: Analysis, image: Image) -> None:
    _, labels, _ = shown(image, analysis)
    assert labels.contour == layers.CONTOUR_PX


def zoom(boxes: Shapes, screen_px_per_px: float) -> bool:
    """Whether texts are shown where a pixel of the image has so many on the screen."""
    boxes.scale_factor = abs(boxes.scale[-1]) / screen_px_per_px
    return bool(boxes.text.visible)


@pytest.fixture
def boxes(analysis: Analysis) -> Shapes:
    """Boxes of sides 4, 6, 12, 10, 10 and 10 px, looked after in a viewer."""
    viewer, _, made = shown(Image(np.zeros((40, 60, 3), np.uint8), rgb=True, name="field"), analysis)
    hide_small_texts(viewer)
    return made


def test_texts_are_shown_while_boxes_are_large_enough(boxes: Shapes) -> None:
    assert [zoom(boxes, 2.9), zoom(boxes, 3.1), zoom(boxes, 1), zoom(boxes, 3)] == [False, True, False, True]


def test_texts_stay_as_they_are_when_boxes_are_put_back(boxes: Shapes, analysis: Analysis, image: Image) -> None:
    labels = layers.analysis_layers(image, analysis)[0]
    for screen_px_per_px in (5, 1):
        before = zoom(boxes, screen_px_per_px)
        put_back(boxes, labels, analysis)
        assert bool(boxes.text.visible) == before
    assert zoom(boxes, 5)


def test_what_a_person_wants_of_texts_is_kept(boxes: Shapes) -> None:
    assert zoom(boxes, 5)
    boxes.text.visible = False
    assert [zoom(boxes, 1), zoom(boxes, 5)] == [False, False]
    boxes.text.visible = True
    assert not zoom(boxes, 1)
    boxes.text.visible = True
    assert [zoom(boxes, 0.9), zoom(boxes, 5), zoom(boxes, 0.9)] == [True, True, True]


def test_without_boxes_texts_stay_as_they_are(boxes: Shapes) -> None:
    assert not zoom(boxes, 1)
    boxes.data = []
    assert not zoom(boxes, 0.9)


def test_texts_of_boxes_that_come_follow_too(boxes: Shapes) -> None:
    viewer = LayerList()
    hide_small_texts(viewer)
    zoom(boxes, 1)
    viewer.append(Layer.create(*boxes.as_layer_data_tuple()))
    assert [zoom(viewer[0], 1), zoom(viewer[0], 5)] == [False, True]
    theirs = Shapes(np.array([[[0, 0], [0, 2], [2, 2], [2, 0]]]), text={"string": {"constant": "theirs"}})
    viewer.append(theirs)
    assert zoom(theirs, 1)


def test_napari_places_no_text_anew_at_a_zoom(boxes: Shapes) -> None:
    class Napari:
        placed = 0

        def _update_text(self) -> None:
            self.placed += 1

    napari = Napari()
    boxes.events.scale_factor.connect(napari._update_text)
    assert [zoom(boxes, 4), zoom(boxes, 5), zoom(boxes, 6)] == [True] * 3
    assert napari.placed <= 1
