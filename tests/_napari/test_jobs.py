"""What runs in the thread, without a thread; needs no display."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_wbc._napari import jobs
from napari_wbc._napari.status import describe_analysis, describe_scale, describe_segmentation
from napari_wbc.cells import Analysis, Box, Cell, CellTable, Domain, Field, RgbImage, Scale, Segmentation
from napari_wbc.config import Settings
from napari_wbc.errors import CheckpointError, UsageError
from napari_wbc.pipeline import Models, analyse, finish
from tests.fakes import load_fakes


@pytest.fixture
def field() -> Field:
    """Two purple cells on a pale ground."""
    pixels: RgbImage = np.full((200, 300, 3), (235, 225, 220), np.uint8)
    rows, columns = np.mgrid[:200, :300]
    for y, x, shade in ((60, 70, 90), (130, 220, 130)):
        pixels[(rows - y) ** 2 + (columns - x) ** 2 < 35**2] = (shade, 40, 170)
    return Field(pixels, 0.17)


def fakes(**_: str) -> Models:
    return load_fakes()


def rows(analysis: Analysis) -> list[dict[str, object]]:
    return [cell.as_row() for cell in analysis.cells]


def test_analyse_is_the_pipeline(field: Field) -> None:
    found, models = finish(jobs.analyse(jobs.KeptModels(fakes), jobs.ModelChoice(), lambda: field, Settings()))
    expected = analyse(field, load_fakes())
    assert len(expected.cells) == 2
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert rows(found) == rows(expected)
    assert models.segmenter.name == "fake segmenter"


def test_segment_then_classify_is_analyse(field: Field) -> None:
    kept = jobs.KeptModels(fakes)
    outlines, _ = finish(jobs.segment(kept, jobs.ModelChoice(), lambda: field, Settings()))
    found, _ = finish(jobs.classify(kept, jobs.ModelChoice(), lambda: field, outlines))
    assert rows(found) == rows(analyse(field, load_fakes()))


def test_labels_of_another_size_are_refused(field: Field) -> None:
    outlines = Segmentation(np.zeros((10, 20), np.int32), {}, Scale(None, 1, "assumed"))
    with pytest.raises(UsageError, match="labels are 20 × 10 px, the image is 300 × 200 px"):
        finish(jobs.classify(jobs.KeptModels(fakes), jobs.ModelChoice(), lambda: field, outlines))


def test_models_are_loaded_once_per_choice(field: Field) -> None:
    asked = []

    def load(**choice: str) -> Models:
        asked.append(choice)
        return load_fakes()

    kept = jobs.KeptModels(load)
    for choice in (jobs.ModelChoice(), jobs.ModelChoice(), jobs.ModelChoice(device="cpu")):
        finish(kept.steps(choice))
    assert asked == [
        {"segmenter": "default", "classifier": "default", "device": "auto"},
        {"segmenter": "default", "classifier": "default", "device": "cpu"},
    ]


def test_models_that_do_not_load_are_asked_for_again() -> None:
    answers: list[Callable[[], Models]] = [_damaged, load_fakes]
    kept = jobs.KeptModels(lambda **_: answers.pop(0)())
    with pytest.raises(CheckpointError):
        finish(kept.steps(jobs.ModelChoice()))
    assert finish(kept.steps(jobs.ModelChoice())).segmenter.name == "fake segmenter"


def _damaged() -> Models:
    raise CheckpointError("wbc.safetensors: the file is damaged.")


def test_the_status_tells_what_was_found_and_how() -> None:
    types = ["neutrophil", "neutrophil", "lymphocyte", "unidentified"]
    cells = tuple(Cell(i, Box(0, 0, 9, 9), 4, 4, 81, False, cell_type=name) for i, name in enumerate(types, start=1))
    analysis = Analysis(
        np.zeros((9, 9), np.int32), CellTable(cells), Scale(0.1234, 0.7, "estimated"), Domain(False, "blurred.")
    )
    assert describe_analysis(analysis, load_fakes()).splitlines() == [
        "4 white blood cells",
        "  lymphocyte: 1 (33 %)",
        "  neutrophil: 2 (67 %)",
        "  unidentified: 1",
        "Pixel size: 0.123 µm (estimated from the cells in the image)",
        "Unlike the images the models were trained on: blurred.",
        "Outlines: fake segmenter on cpu",
        "Types: fake classifier on cpu",
    ]


def test_the_status_tells_where_the_scale_comes_from() -> None:
    assert describe_scale(Scale(0.1, 0.6, "user")) == "Pixel size: 0.1 µm (set by you)"
    assert describe_scale(Scale(None, 0.6, "assumed")).startswith("Pixel size: unknown (assumed")
    empty = Segmentation(np.zeros((9, 9), np.int32), {}, Scale(0.1, 0.6, "file"))
    assert describe_segmentation(empty, load_fakes()).startswith("No white blood cell found.\nPixel size: 0.1 µm (stated by")
