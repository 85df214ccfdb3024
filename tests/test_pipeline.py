"""The order of the stages, with stand-in networks: one path for one image, many, and corrected outlines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_wbc import scale
from napari_wbc.cells import Analysis, Domain, Field, Probabilities, RgbImage, Segmentation
from napari_wbc.config import CELL_TYPES, UNIDENTIFIED, Settings
from napari_wbc.errors import ImageTooLargeError, UnsupportedImageError
from napari_wbc.pipeline import (
    Models,
    analyse,
    analyse_many,
    analyse_steps,
    as_field,
    finish,
    reclassify,
    segment_cells,
    unidentified,
)
from napari_wbc.synthetic import draw_field
from tests.fakes import FakeClassifier, FakeSegmenter, load_fakes

SETTINGS = Settings(um_per_px=0.1)


def smear(seed: int, n_cells: int = 3, shape: tuple[int, int] = (420, 540)) -> np.ndarray:
    return draw_field(np.random.default_rng(seed), shape=shape, n_cells=n_cells).image


def same(one: Analysis, other: Analysis) -> None:
    assert_array_equal(one.labels, other.labels)
    assert one.cells == other.cells
    assert (one.scale, one.domain) == (other.scale, other.domain)


def test_a_smear_gives_labels_and_one_row_per_cell() -> None:
    image = smear(0)
    analysis = analyse(image, load_fakes(), SETTINGS)
    assert analysis.labels.shape == image.shape[:2]
    assert analysis.labels.dtype == np.int32
    assert [cell.cell_id for cell in analysis.cells] == list(np.unique(analysis.labels)[1:])
    assert len(analysis.cells) >= 3
    for cell in analysis.cells:
        inside = analysis.labels == cell.cell_id
        assert cell.area_px == inside.sum()
        assert inside[cell.box.slices].sum() == cell.area_px
        assert cell.area_um2 == pytest.approx(cell.area_px * 0.01, abs=0.01)
        assert cell.p is not None
        assert sum(cell.p) == pytest.approx(1, abs=3e-4)
        assert cell.cell_type == CELL_TYPES[int(np.argmax(cell.p))]
        assert cell.margin == pytest.approx(np.diff(np.sort(cell.p)[-2:])[0], abs=2e-4)
        assert cell.nc_ratio is not None
        assert 0 < cell.nc_ratio <= 1
        assert cell.segmentation_score is not None
        assert cell.segmentation_score > 0.75
        assert cell.source == "model"


def test_the_labels_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        analyse(smear(0), load_fakes(), SETTINGS).labels[0, 0] = 1


def test_many_images_at_once_are_each_as_if_alone() -> None:
    images = [smear(1), smear(2, 1), np.full((50, 60, 3), 230, np.uint8), smear(3, 2)]
    together = analyse_many(images, load_fakes(), SETTINGS)
    assert [len(analysis.cells) for analysis in together] == [3, 1, 0, 2]
    for image, analysis in zip(images, together, strict=True):
        same(analysis, analyse(image, load_fakes(), SETTINGS))


def test_segmenting_then_naming_is_analysing() -> None:
    image = smear(4)
    models = load_fakes()
    segmentation = segment_cells(image, models.segmenter, SETTINGS)
    same(reclassify(image, segmentation, models.classifier), analyse(image, models, SETTINGS))


def test_corrected_outlines_are_measured_as_drawn() -> None:
    image = smear(5)
    models = load_fakes()
    found = segment_cells(image, models.segmenter, SETTINGS)
    labels = found.labels.copy()
    labels[labels == 2] = 0
    labels[10:30, 5:45] = 7
    scores = {i: score for i, score in found.scores.items() if i != 2}
    analysis = reclassify(image, Segmentation(labels, scores, found.scale), models.classifier)
    drawn = analysis.cells[-1]
    assert [cell.cell_id for cell in analysis.cells] == [1, 3, 7]
    assert (drawn.box, drawn.area_px, drawn.segmentation_score) == ((10, 5, 30, 45), 800, None)


class Knowing(FakeSegmenter):
    """Knows images with a background of a certain brightness."""

    def __init__(self, low: float, high: float) -> None:
        self.domain = {"lab": {"background": (low, high)}}


def test_an_image_is_compared_with_what_the_segmenter_knows() -> None:
    image, classifier = smear(0), FakeClassifier()
    assert analyse(image, load_fakes(), SETTINGS).domain is None
    assert analyse(image, Models(Knowing(150, 255), classifier), SETTINGS).domain == Domain(True)
    strange = segment_cells(image, Knowing(0, 50), SETTINGS)
    assert strange.domain is not None
    assert strange.domain.reason.startswith("a brighter background")
    assert reclassify(image, strange, classifier).domain == strange.domain
    assert analyse(image, Models(Knowing(0, 50), classifier), SETTINGS).domain == strange.domain


class Doubtful(FakeClassifier):
    """Says `none of the five` of every second crop, at the threshold."""

    def __call__(self, crops: Sequence[RgbImage]) -> tuple[Probabilities, Probabilities]:
        five, _ = super().__call__(crops)
        return five, np.where(np.arange(len(crops)) % 2 == 0, 0.99, 0.98).astype(np.float32)


def test_from_the_threshold_on_a_cell_is_unidentified_and_keeps_its_probabilities() -> None:
    cells = analyse(smear(0), Models(FakeSegmenter(), Doubtful()), SETTINGS).cells
    assert [cell.cell_type == UNIDENTIFIED for cell in cells] == [i % 2 == 0 for i in range(len(cells))]
    assert all(cell.p is not None and cell.none_of_five_score in (0.99, 0.98) for cell in cells)


def test_what_is_unidentified_by_hand() -> None:
    """None of the five from 0.9 on; or nothing has at least half."""
    classifier = FakeClassifier()
    classifier.none_of_five_threshold, classifier.least_probability = 0.9, 0.5
    p = np.array([[0.6, 0.1, 0.1, 0.1, 0.1], [0.6, 0.1, 0.1, 0.1, 0.1], [0.49, 0.21, 0.1, 0.1, 0.1], [0.5, 0.2, 0.1, 0.1, 0.1]])
    none = np.array([0.89, 0.9, 0.0, 0.0])
    assert unidentified(p.astype(np.float32), none.astype(np.float32), classifier).tolist() == [False, True, True, False]


def test_an_unsure_network_names_nothing() -> None:
    classifier = FakeClassifier()
    classifier.least_probability = 1.1
    cells = analyse(smear(0), Models(FakeSegmenter(), classifier), SETTINGS).cells
    assert len(cells) > 0
    assert {cell.cell_type for cell in cells} == {UNIDENTIFIED}


class Faint(FakeSegmenter):
    """Sure of nothing."""

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        return [0.7 * found for found in super().__call__(images)]


def test_an_object_of_low_mean_probability_is_no_cell() -> None:
    models = Models(Faint(), FakeClassifier())
    assert len(analyse(smear(0), models, SETTINGS).cells) == 0
    assert len(analyse(smear(0), models, SETTINGS.model_copy(update={"min_score": 0.5})).cells) == 3


class Counting(FakeSegmenter):
    """Notes the shapes of the images that it is given."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        self.shapes += [image.shape for image in images]
        return super().__call__(images)


def test_pixels_below_the_threshold_of_the_settings_are_no_cell() -> None:
    image = smear(0)
    surest = max(float(FakeSegmenter()([image])[0][0].max()), 0)

    class Unsure(FakeSegmenter):
        def __init__(self, most: float) -> None:
            self.most = most

        def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
            return [probabilities * self.most / surest for probabilities in super().__call__(images)]

    for most, threshold, found in ((0.6, 0.5, True), (0.6, 0.7, False), (0.4, 0.5, False), (0.4, 0.3, True)):
        settings = Settings(um_per_px=0.17, min_score=0, min_area_px=1, mask_threshold=threshold)
        assert bool(segment_cells(image, Unsure(most), settings).scores) is found


def test_a_large_image_is_cut_into_tiles_of_one_shape_and_gives_the_cells_of_its_parts() -> None:
    part = smear(6, 4, (500, 600))
    image = np.tile(part, (2, 3, 1))
    segmenter = Counting()
    settings = Settings(um_per_px=segmenter.um_per_px)
    analysis = analyse(image, Models(segmenter, FakeClassifier()), settings)
    assert set(segmenter.shapes) == {(768, 768, 3)}
    assert len(segmenter.shapes) > 3
    alone = analyse(part, Models(FakeSegmenter(), FakeClassifier()), settings)
    assert_array_equal(analysis.labels[:500, :600] > 0, alone.labels > 0)
    assert len(analysis.cells) == 6 * len(alone.cells)


def test_steps_tell_how_far_it_is_and_may_be_abandoned() -> None:
    steps = analyse_steps([smear(0), smear(1)], load_fakes(), SETTINGS)
    seen = []
    for _ in range(4):
        seen.append(next(steps))
    steps.close()
    assert [step.stage for step in seen] == ["scale", "segment", "outline", "scale"]
    assert all(0 <= step.done < step.total for step in seen)
    stages = [step.stage for step in analyse_steps([smear(0)], load_fakes(), SETTINGS)]
    assert stages == ["scale", "segment", "outline", "measure", "classify"]
    assert len(finish(analyse_steps([], load_fakes(), SETTINGS))) == 0


def test_where_no_size_is_known_the_white_cells_give_the_scale() -> None:
    """A cell of 200 px and 13 µm, no red cells: the image is segmented again at 0.065 instead of 0.1 µm per pixel."""
    y, x = np.indices((420, 420))
    image = np.full((420, 420, 3), 230, np.uint8)
    image[np.hypot(y - 210, x - 210) < 100] = (120, 60, 160)
    segmenter = Counting()
    segmentation = segment_cells(image, segmenter)
    assert segmentation.scale.source == "estimated"
    assert segmentation.scale.um_per_px == pytest.approx(13 / 200, rel=0.03)
    assert len(segmenter.shapes) == 2
    assert segmenter.shapes[1][0] < segmenter.shapes[0][0]


class OnlyAt(FakeSegmenter):
    """Sees a cell only in images of at least 200 rows."""

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        return [found * (len(image) >= 200) for image, found in zip(images, super().__call__(images), strict=True)]


def test_where_an_assumed_scale_shows_nothing_another_is_tried() -> None:
    y, x = np.indices((240, 240))
    image = np.full((240, 240, 3), 230, np.uint8)
    image[np.hypot(y - 120, x - 120) < 35] = (120, 60, 160)
    found = segment_cells(image, OnlyAt())
    assert (found.scale.um_per_px, found.scale.source) == (0.2, "estimated")
    assert found.scale.analysis_scale == pytest.approx(0.2 / 0.17)
    assert list(found.scores) == [1]
    assert segment_cells(image[:, :, ::-1] * 0 + np.uint8(230), OnlyAt()).scale.source == "assumed"


class ResizedError(Exception):
    """The image would have been resized."""


@pytest.mark.parametrize(
    ("shape", "um_per_px", "settings", "says"),
    [
        ((1200, 1600), None, Settings(um_per_px=8.5), r"1600 × 1200 px .* 8\.5 µm/px, as the settings say, .* 4800 megapixels"),
        ((1200, 1600), 5.0, Settings(), r"5 µm/px, as the file says, .* 1661 megapixels .* more than the 1200"),
        ((1200, 1600), 5.0, Settings(max_megapixels=1), "more than the 1200"),
        ((1200, 1600), 5.0, Settings(max_megapixels=200), "more than the 1600"),
        ((1200, 1600), 5.0, Settings(max_megapixels=250), None),
        ((10_000, 15_000), 0.45, Settings(), None),
    ],
)
def test_what_would_be_too_large_at_the_analysis_scale_is_refused_before_it_is_resized(
    shape: tuple[int, int], um_per_px: float | None, settings: Settings, says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 8.5 µm per pixel every pixel becomes 50 × 50 at 0.17: 1.92 megapixels become 4800."""

    def resize(*_: object) -> RgbImage:
        raise ResizedError

    monkeypatch.setattr(scale, "to_analysis", resize)
    field = Field(np.broadcast_to(np.uint8(200), (*shape, 3)), um_per_px)
    with pytest.raises(ResizedError if says is None else ImageTooLargeError, match=says):
        segment_cells(field, FakeSegmenter(), settings)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4)),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.uint16),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 0, 3), np.uint8),
    ],
)
def test_arrays_that_are_no_rgb_image_are_refused(array: np.ndarray) -> None:
    for image in (array, Field(array, 0.1)):
        with pytest.raises(UnsupportedImageError, match=r"\(H, W, 3\) uint8 with at least one pixel, found \("):
            as_field(image)
    assert as_field(Field(np.zeros((4, 4, 3), np.uint8), 0.1)).um_per_px == 0.1


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (2, 2), (17, 5)])
def test_tiny_images_have_no_cells(shape: tuple[int, int]) -> None:
    analysis = analyse(np.full((*shape, 3), 200, np.uint8), load_fakes())
    assert analysis.labels.shape == shape
    assert len(analysis.cells) == 0


def test_a_pixel_size_that_the_red_cells_contradict_is_doubted() -> None:
    image = draw_field(np.random.default_rng(3), um_per_px=0.1, n_cells=1).image
    models = Models(Knowing(0, 255), load_fakes().classifier)
    right, wrong = (analyse(image, models, Settings(um_per_px=size)).domain for size in (0.1, 0.3))
    assert right == Domain(True)
    assert wrong is not None
    assert wrong.reason.startswith("a pixel size of 0.3 µm")
