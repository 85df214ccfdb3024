"""What runs in the thread, without a thread; needs no display."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest

from napari_wbc._napari import jobs
from napari_wbc._napari.status import describe_analysis, describe_run, describe_scale, describe_segmentation
from napari_wbc.batch import analyse_folder
from napari_wbc.cells import Analysis, Box, Cell, CellTable, Domain, Field, RgbImage, Scale, Segmentation
from napari_wbc.config import Settings
from napari_wbc.errors import CheckpointError, UsageError
from napari_wbc.pipeline import Models, analyse, finish
from napari_wbc.training.recipes import make_recipe
from tests.fakes import load_fakes
from tests.smears import write_slides


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


def test_a_part_is_analysed_as_if_nothing_else_were_seen(field: Field) -> None:
    part = Box(20, 10, 200, 150)  # the second cell lies outside
    steps = jobs.analyse(jobs.KeptModels(fakes), jobs.ModelChoice(), lambda: field, Settings(), part)
    found, _ = finish(steps)
    alone = analyse(Field(field.pixels[part.slices], field.um_per_px), load_fakes())
    assert len(found.cells) == len(alone.cells) == 1
    assert found.labels.shape == (200, 300)
    np.testing.assert_array_equal(found.labels[part.slices], alone.labels)
    assert found.labels.sum() == alone.labels.sum()
    (here,), (there,) = found.cells, alone.cells
    assert here.box == Box(*(a + b for a, b in zip(there.box, (20, 10, 20, 10), strict=True)))
    assert (here.area_px, here.cell_type) == (there.area_px, there.cell_type)


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
        "Unlike the images the segmenter was trained on: blurred.",
        "Outlines: fake segmenter on cpu",
        "Types: fake classifier on cpu",
    ]


def test_the_status_tells_where_the_scale_comes_from() -> None:
    assert describe_scale(Scale(0.1, 0.6, "user")) == "Pixel size: 0.1 µm (set by you)"
    assert describe_scale(Scale(None, 0.6, "assumed")).startswith("Pixel size: unknown (assumed")
    empty = Segmentation(np.zeros((9, 9), np.int32), {}, Scale(0.1, 0.6, "file"))
    assert describe_segmentation(empty, load_fakes()).startswith("No white blood cell found.\nPixel size: 0.1 µm (stated by")


def test_a_folder_gives_the_same_bytes_as_the_command_line(tmp_path: Path) -> None:
    write_slides(tmp_path / "in")
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    analyse_folder(tmp_path / "in", tmp_path / "expected", load_fakes())
    job = jobs.analyse_folder(
        jobs.KeptModels(fakes), jobs.ModelChoice(), tmp_path / "in", tmp_path / "out", Settings(), retry_failed=False
    )
    steps = [next(job) for _ in range(8)]  # one to load the models, one for each of seven images
    assert [step.stage for step in steps[1:]] == ["images"] * 7
    result = finish(job)
    assert result.run.counts.failed == 1
    assert "6 images done, 1 failed" in describe_run(result)
    assert " cells in 6 images" in describe_run(result)
    for name in ("cells.csv", "images.csv", "differential.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "expected" / name).read_bytes()


def test_one_image_is_one_image(tmp_path: Path) -> None:
    write_slides(tmp_path / "in")
    for path in sorted((tmp_path / "in").rglob("*.png"))[1:]:
        path.unlink()
    models = jobs.KeptModels(fakes), jobs.ModelChoice()
    told = describe_run(finish(jobs.analyse_folder(*models, tmp_path / "in", tmp_path / "out", Settings(), retry_failed=False)))
    assert told.startswith("1 image done, 0 failed, 0 left as they were\n")
    assert " in 1 image\n" in told


def test_training_steps_are_those_of_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_wbc.training import train as training
    from napari_wbc.training.loop import Batch

    asked = []

    def learn(request: training.Request) -> Generator[Batch, None, str]:
        asked.append(request)
        for done in (1, 2):
            yield Batch(0, done, 2, 0.5)
        return "the outcome"

    monkeypatch.setattr(training, "train", learn)
    model = tmp_path / "mine.safetensors"
    job = jobs.train("classifier", (tmp_path,), model, "cpu")
    epochs = make_recipe("classifier", "default", {}).fine_tune_epochs
    assert [(step.stage, step.done, step.total) for step in (next(job), next(job), next(job), next(job))] == [
        ("load torch", 0, 1),
        ("read the cells", 0, 1),
        (f"epoch 1 of {epochs}", 1, 2),
        (f"epoch 1 of {epochs}", 2, 2),
    ]
    assert finish(job) == "the outcome"
    (tmp_path / "mine.training").mkdir()
    finish(jobs.train("classifier", (tmp_path,), model, "cpu"))
    assert [(r.what, r.data, r.model, r.device, r.resume) for r in asked] == [
        ("classifier", (tmp_path,), model, "cpu", resume) for resume in (False, True)
    ]
