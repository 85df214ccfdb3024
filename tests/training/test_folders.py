"""What is learnt from in a results folder, and what is not."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_wbc.cells import Box, Probabilities, RgbImage
from napari_wbc.config import CELL_TYPES
from napari_wbc.crop import crop
from napari_wbc.errors import ResultsError, UsageError
from napari_wbc.images import decode
from napari_wbc.pipeline import Models
from napari_wbc.pyramids import Pyramid
from napari_wbc.results import pixels, read_labels, read_record, record_path
from napari_wbc.results.pixels import Pixels, find_slide, read_pixels
from napari_wbc.results.storage import file_sha256
from napari_wbc.training.folders import classifier_items, cut_out, segmenter_items
from napari_wbc.training.sources import open_sources
from tests.fakes import FakeClassifier, FakeSegmenter
from tests.runs import go
from tests.test_slides import SETTINGS, crowded, write
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
        near = cut_out(Pixels.of(image), box, 3)
        for margin in (None, 0.15, 0.4):
            np.testing.assert_array_equal(crop(near.image, near.box, 64, margin), crop(image, box, 64, margin))
    assert cut_out(Pixels.of(image), Box(40, 40, 44, 44), 3).image.size < image.size / 4


def test_an_image_that_was_analysed_under_a_higher_limit_is_read(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "MAX_MEGAPIXELS", 0.001)
    monkeypatch.setattr(pixels, "decode", lambda data, name, most=0.001: decode(data, name, most))
    record = read_record(results, "s1/a.png")
    assert read_pixels(results, record, open_sources([results])[0].roots).shape == (120, 160, 3)


def test_a_moved_slide_of_another_size_is_refused_without_reading_it(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []
    monkeypatch.setattr(pixels, "file_sha256", lambda path: hashed.append(path) or file_sha256(path))
    roots = open_sources([results])[0].roots
    there = roots[-1] / "s1" / "a.png"
    size = there.stat().st_size
    change(results, "s1/a.png", lambda record: record["hashes"]["input"].update(size=size, mtime_ns=1))
    record = read_record(results, "s1/a.png")
    assert find_slide(results, record, roots) == there
    assert hashed == [there]
    there.write_bytes(there.read_bytes() + b" ")
    with pytest.raises(ResultsError, match=r"another file \(sha256\)"):
        find_slide(results, record, roots)
    assert hashed == [there]


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


def slide_in(folder: Path, reviewed_by: str | None = None) -> Path:
    """A slide in tiles, analysed by stand-ins, of which a person named every third cell; its results."""
    (folder / "in" / "s1").mkdir(parents=True)
    write(folder / "in" / "s1" / "whole.tif", crowded())
    go(folder / "in", folder / "results", settings=SETTINGS)

    def edit(record: Any) -> None:
        record["row"]["reviewed_by"] = reviewed_by
        for cell in record["cells"][::3]:
            cell |= {"cell_type": "monocyte", "type_source": "human", "source": "human"}

    change(folder / "results", "s1/whole.tif", edit)
    return folder / "results"


def test_a_classifier_learns_from_windows_of_a_slide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results, read, most = slide_in(tmp_path), Pyramid.read, [0]

    def seen(self: Pyramid, box: Box, level: int = 0) -> RgbImage:
        most[0] = max(most[0], box.height * box.width)
        return read(self, box, level)

    monkeypatch.setattr(Pyramid, "read", seen)
    items, cells = classifier_items(open_sources([results])), read_record(results, "s1/whole.tif").cells[::3]
    assert len(items) == len(cells) > 20
    assert 0 < most[0] < crowded().size / 3 / 20, "no window is a large part of the slide"
    assert {(item.image, item.slide, item.stratum) for item in items} == {
        ("results/s1/whole.tif", "results/s1/whole.tif", "monocyte")
    }
    for item, cell in zip(items, cells, strict=True):
        for margin in (None, 0.15, 0.4):
            same = crop(crowded(), cell.box, 64, margin)
            np.testing.assert_array_equal(crop(item.what.image, item.what.box, 64, margin), same)


def test_the_crops_of_a_slide_are_those_of_its_analysis(tmp_path: Path) -> None:
    class Spying(FakeClassifier):
        def __call__(self, crops: Sequence[RgbImage]) -> tuple[Probabilities, Probabilities]:
            seen.update(crop.tobytes() for crop in crops)
            return super().__call__(crops)

    seen: set[bytes] = set()
    results = slide_in(tmp_path)
    go(tmp_path / "in", tmp_path / "again", lambda: Models(FakeSegmenter(), Spying()), SETTINGS)
    for item in classifier_items(open_sources([results])):
        assert crop(item.what.image, item.what.box, 64, FakeClassifier.crop_margin).tobytes() in seen


def test_a_segmenter_leaves_slides_out_and_says_so(results: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    slide = slide_in(tmp_path / "slides", "A")
    with caplog.at_level(logging.WARNING):
        assert len(segmenter_items(open_sources([results, slide]), 0.8)) == 2
    assert "s1/whole.tif" in caplog.text
    assert "whole-slide image" in caplog.text
    with pytest.raises(UsageError, match="whole-slide images do not count"):
        segmenter_items(open_sources([slide]), 0.8)


def test_of_two_copies_the_reviewed_one_is_taken(results: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(results.parent, tmp_path / "copy")

    def forget(record: Any) -> None:
        record["row"]["reviewed_by"] = None
        for cell in record["cells"]:
            cell |= {"type_source": "model", "source": "model"}

    def rename(record: Any) -> None:
        record["row"]["reviewed_by"] = None
        record["cells"][0] |= {"cell_type": "smudge"}

    sources = open_sources([results, tmp_path / "copy" / "results"])
    change(results, "s1/a.png", forget)
    with caplog.at_level(logging.WARNING):
        assert [item.image for item in segmenter_items(sources, 0.8)] == ["results/s2/a.png", "results#2/s1/a.png"]
        assert {item.image for item in classifier_items(sources)} == {"results/s2/a.png", "results#2/s1/a.png"}
    assert "s1/a.png" not in caplog.text, "of what nobody reviewed, nothing is lost"
    assert "s2/a.png" in caplog.text
    change(results, "s1/a.png", rename)
    assert "results#2/s1/a.png" in {item.image for item in classifier_items(sources)}, "one person vouches for every cell"


def test_a_slide_of_which_two_folders_tell_is_one(tmp_path: Path) -> None:
    first = corrected(tmp_path, ("s1/a.png", "s2/a.png"))
    shutil.copytree(first, tmp_path / "other")
    shutil.copytree(first, tmp_path / "elsewhere" / "results")
    shutil.copytree(tmp_path / "images", tmp_path / "elsewhere" / "images")
    for folder, image in ((first, "s1/a.png"), (tmp_path / "other", "s2/a.png")):
        change(folder, image, lambda record: record["row"].update(reviewed_by=None))
    sources = open_sources([first, tmp_path / "other"])
    assert [(i.image, i.slide) for i in segmenter_items(sources, 0.8)] == [
        ("results/s2/a.png", "results/s2"),
        ("other/s1/a.png", "results/s1"),
    ]
    apart = open_sources([first, tmp_path / "elsewhere" / "results"])
    assert {i.slide for i in segmenter_items(apart, 0.8)} == {"results/s2", "results#2/s1"}


def test_names_of_sources_differ(tmp_path: Path) -> None:
    for name in ("a/x", "b/x", "c/x#2", "d/x#2"):
        corrected(tmp_path / name, ("s1/a.png",))
        shutil.move(tmp_path / name / "results", tmp_path / name / Path(name).name)
    found = [source.name for source in open_sources([tmp_path / n / Path(n).name for n in ("a/x", "b/x", "c/x#2", "d/x#2")])]
    assert found == ["x", "x#2", "x#2#2", "x#2#3"]


def test_an_artefact_is_no_cell_to_a_segmenter(results: Path) -> None:
    sources = open_sources([results])
    before = segmenter_items(sources, UM_PER_PX)[0]
    change(results, "s1/a.png", lambda record: record["cells"][0].update(cell_type="artefact"))
    after = segmenter_items(sources, UM_PER_PX)[0]
    assert set(np.unique(after.what.labels)) == set(np.unique(before.what.labels)) - {1}
    assert len(after.diameters_px) == len(before.diameters_px) - 1
    assert after.identity != before.identity, "a training that was begun with it is another one"
