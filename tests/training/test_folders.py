"""What is learnt from in a results folder, and what is not."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_wbc.cells import Box, Cell
from napari_wbc.config import CELL_TYPES
from napari_wbc.crop import crop
from napari_wbc.errors import ResultsError, UsageError
from napari_wbc.results import read_labels, read_record, record_path
from napari_wbc.results.pixels import read_pixels
from napari_wbc.training.folders import classifier_items, cut_out, open_sources, segmenter_items
from tests.training.drawn import UM_PER_PX, corrected


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return corrected(tmp_path / "set", ("s1/a.png", "s2/a.png"))


def change(results: Path, image: str, edit: Callable[[Any], None]) -> None:
    """Edit a record."""
    path = record_path(results, image)
    record = json.loads(path.read_text())
    edit(record)
    path.write_text(json.dumps(record))


def test_reviewed_images_come_at_the_scale_asked_for(results: Path) -> None:
    items = segmenter_items(open_sources([results]), 2 * UM_PER_PX)
    assert [(i.image, i.slide, i.stratum) for i in items] == [
        ("results/s1/a.png", "results/s1", "with cells"),
        ("results/s2/a.png", "results/s2", "with cells"),
    ]
    labels = read_labels(results, "s1/a.png")
    sample = items[0].what
    assert sample.labels.shape == (labels.shape[0] // 2, labels.shape[1] // 2) == sample.image.shape[:2]
    assert (sample.labels > 0).sum() == pytest.approx((labels > 0).sum() / 4, rel=0.1)
    areas = np.bincount(labels.ravel())[1:]
    assert items[0].um_per_px == 2 * UM_PER_PX
    assert max(items[0].diameters_px) == pytest.approx(np.sqrt(4 * areas.max() / np.pi) / 2, rel=0.06)


def test_fields_of_the_paper_are_square(results: Path) -> None:
    (item, _) = segmenter_items(open_sources([results]), 0.19, 227)
    assert item.what.image.shape == (227, 227, 3)
    assert item.um_per_px == pytest.approx(UM_PER_PX * np.sqrt(120 * 160) / 227)


def test_only_reviewed_images_train_a_segmenter(results: Path) -> None:
    change(results, "s1/a.png", lambda record: record["row"].update(reviewed_by=None))
    assert [item.image for item in segmenter_items(open_sources([results]), 0.8)] == ["results/s2/a.png"]
    change(results, "s2/a.png", lambda record: record["row"].update(reviewed_by=None))
    with pytest.raises(UsageError, match="none of the 2 analysed images is marked as reviewed"):
        segmenter_items(open_sources([results]), 0.8)


def test_only_cells_that_a_person_named_train_a_classifier(results: Path) -> None:
    def edit(record: Any) -> None:
        record["row"]["reviewed_by"] = None
        record["cells"][0] |= {"type_source": "model", "source": "model"}

    change(results, "s1/a.png", edit)
    change(results, "s2/a.png", lambda record: record["cells"][0].update(cell_type="unidentified"))
    change(results, "s2/a.png", lambda record: record["cells"][1].update(cell_type="erythroblast"))
    named = read_record(results, "s1/a.png").cells[1].cell_type
    assert named is not None
    found = [(item.image, item.what.target, item.stratum) for item in classifier_items(open_sources([results]))]
    assert found == [("results/s1/a.png", CELL_TYPES.index(named), named), ("results/s2/a.png", 5, "other")]


def test_a_cut_out_gives_the_crop_of_the_whole_image() -> None:
    image = np.random.default_rng(0).integers(0, 255, (90, 100, 3)).astype(np.uint8)
    for box in (Box(30, 40, 50, 55), Box(0, 0, 20, 30), Box(80, 70, 90, 100)):
        cell = Cell(1, box, 0, 0, 0, False)
        near = cut_out(image, cell, 3)
        for margin in (None, 0.15, 0.4):
            np.testing.assert_array_equal(crop(near.image, near.box, 64, margin), crop(image, box, 64, margin))
    assert cut_out(image, Cell(1, Box(40, 40, 44, 44), 0, 0, 0, False), 3).image.size < image.size / 4


def test_images_that_moved_are_found_and_others_of_that_name_are_refused(results: Path, tmp_path: Path) -> None:
    images, moved = results.parent / "images", tmp_path / "elsewhere"
    shutil.move(images, moved)
    record = read_record(results, "s1/a.png")
    with pytest.raises(ResultsError, match=r"no file .*--images"):
        read_pixels(results, record, open_sources([results])[0].roots)
    assert read_pixels(results, record, open_sources([results], [moved])[0].roots).shape == (120, 160, 3)
    shutil.copytree(moved, images)
    shutil.copy(moved / "s2" / "a.png", moved / "s1" / "a.png")
    assert read_pixels(results, record, open_sources([results], [moved])[0].roots).shape == (120, 160, 3), (
        "the one that is the same file"
    )
    shutil.copy(moved / "s2" / "a.png", images / "s1" / "a.png")
    with pytest.raises(ResultsError, match=r"another file \(sha256\)"):
        read_pixels(results, record, open_sources([results])[0].roots)


def test_a_copy_of_an_image_is_taken_once(results: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(results.parent, tmp_path / "copy")
    sources = open_sources([results, tmp_path / "copy" / "results"])
    assert [source.name for source in sources] == ["results", "results#2"]
    with caplog.at_level(logging.WARNING):
        assert len(segmenter_items(sources, 0.8)) == 2
    assert "is a copy" in caplog.text
