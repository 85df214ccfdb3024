"""What all importers share: the results folder, importing again, corrections that are kept, wrong folders, the command line."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_wbc.cli import app
from napari_wbc.datasets import LAYOUTS, import_dataset
from napari_wbc.datasets.common import find_images
from napari_wbc.errors import UsageError
from napari_wbc.measure import measure
from napari_wbc.results import images_in, read_analysis, read_labels, read_record, write_analysis
from tests.datasets.trees import draw, draw_mask, errors_of, run_import, save

SHAPE = (60, 64)


@pytest.fixture
def zheng(tmp_path: Path) -> Path:
    base = tmp_path / "zheng"
    for number in (1, 2, 3):
        save(base / "Dataset 1" / f"{number:03d}.png", draw_mask(SHAPE, [(30, 32, 20), (28, 30, 9)], [128, 255]))
        save(base / "Dataset 1" / f"{number:03d}.bmp", draw(SHAPE, [(30, 32, 20)]))
    (base / "Class Labels of Dataset 1.csv").write_text("image ID,class label\n1,1\n2,2\n3,3\n")
    return base


def contents(folder: Path) -> dict[str, bytes]:
    """What does not depend on the time: all files but `run.json` and the report."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in ("run.json", "report.html"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_results_folder_is_whole_and_the_pixels_stay_where_they_are(zheng: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = contents(zheng)
    _, summary = run_import("zheng", zheng, out)
    assert contents(zheng) == before
    assert images_in(out) == [f"Dataset 1/{i:03d}.bmp" for i in (1, 2, 3)]
    assert not list(out.rglob("*.bmp"))
    assert {path.name for path in out.iterdir()} == {
        *("run.json", "images.csv", "cells.csv", "differential.csv", "report.html", "labels", "records")
    }
    assert summary.run.input_root == "../zheng"
    assert summary.run.finished_at is not None
    labels = read_labels(out, "Dataset 1/001.bmp")
    assert np.array_equal(labels, draw_mask(SHAPE, [(30, 32, 20)], [1]))
    row = read_record(out, "Dataset 1/001.bmp").row
    assert (row.height, row.width, row.scale_source, row.reviewed_by) == (*SHAPE, "estimated", "Zheng et al.")
    assert row.sha256 is not None


def test_the_measurements_are_those_of_the_pipeline(zheng: Path, tmp_path: Path) -> None:
    (cell,) = read_analysis(run_out(zheng, tmp_path), "Dataset 1/001.bmp").cells
    labels = draw_mask(SHAPE, [(30, 32, 20)], [1]).astype(np.int32)
    (measured,) = measure(draw(SHAPE, [(30, 32, 20)]), labels, {}, 15 / (2 * np.sqrt(labels.sum() / np.pi)))
    for name in ("box", "area_px", "area_um2", "centroid_x", "perimeter_px", "solidity", "mean_green"):
        assert getattr(cell, name) == getattr(measured, name)


@pytest.mark.parametrize("radius", [20, 60])
def test_outlined_white_cells_are_the_ruler_where_there_is_no_other(radius: int, tmp_path: Path) -> None:
    shape, disc = (200, 200), (100.0, 100.0, float(radius))
    save(tmp_path / "Dataset 1" / "1.bmp", draw(shape, [disc]))
    save(tmp_path / "Dataset 1" / "1.png", draw_mask(shape, [disc], [255]))
    scale = read_analysis(run_out(tmp_path, tmp_path), "Dataset 1/1.bmp").scale
    assert (scale.analysis_scale, scale.source) == (1.0, "estimated")
    assert scale.um_per_px == pytest.approx(15 / (2 * radius), rel=0.02)


def run_out(src: Path, tmp_path: Path) -> Path:
    run_import("zheng", src, tmp_path / "out")
    return tmp_path / "out"


def test_importing_again_gives_equal_bytes(zheng: Path, tmp_path: Path) -> None:
    first = contents(run_out(zheng, tmp_path))
    assert contents(run_out(zheng, tmp_path)) == first


def test_importing_again_sees_what_has_been_mended(zheng: Path, tmp_path: Path) -> None:
    mask = zheng / "Dataset 1/002.png"
    kept = mask.read_bytes()
    mask.unlink()
    _, broken = run_import("zheng", zheng, tmp_path / "out")
    assert broken.exit_code == 1
    mask.write_bytes(kept)
    _, mended = run_import("zheng", zheng, tmp_path / "out")
    assert (mended.exit_code, mended.run.counts.done) == (0, 3)


def test_what_a_person_corrected_since_is_kept(zheng: Path, tmp_path: Path) -> None:
    out, image = run_out(zheng, tmp_path), "Dataset 1/002.bmp"
    record, analysis = read_record(out, image), read_analysis(out, image)
    write_analysis(out, image, analysis, record.hashes.input, record.hashes.origin, edited=True, reviewed_by="AB")
    seen, summary = run_import("zheng", zheng, out)
    assert [step.status for step in seen] == ["done", "skipped", "done"]
    assert summary.run.kept == (image,)
    assert read_record(out, image).row.reviewed_by == "AB"


def test_stopping_in_the_middle_keeps_what_is_finished(zheng: Path, tmp_path: Path) -> None:
    steps = import_dataset("zheng", zheng, tmp_path / "out")
    next(steps)
    steps.close()
    assert images_in(tmp_path / "out") == ["Dataset 1/001.bmp"]
    _, summary = run_import("zheng", zheng, tmp_path / "out")
    assert summary.run.counts.done == 3


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_wrong_folder_is_told_with_what_is_expected_and_found(layout: str, tmp_path: Path) -> None:
    (tmp_path / "src" / "holiday pictures").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"src is not laid out as .*: expected .*folder.* in it; found holiday pictures"):
        run_import(layout, tmp_path / "src", tmp_path / "out")
    with pytest.raises(UsageError, match="nowhere cannot be read: No such file"):
        run_import(layout, tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "set.zip").write_bytes(b"PK")
    with pytest.raises(UsageError, match=r"set\.zip is a file. Unpack it"):
        run_import(layout, tmp_path / "set.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_layout_and_an_empty_set_are_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no layout 'coco'\. Known layouts: bccd, lisc, pbc, raabin, zheng"):
        run_import("coco", tmp_path, tmp_path / "out")
    (tmp_path / "src" / "Dataset 1").mkdir(parents=True)
    with pytest.raises(UsageError, match="No image found in"):
        run_import("zheng", tmp_path / "src", tmp_path / "out")


def test_a_folder_that_holds_other_things_is_not_written_to(zheng: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not empty"):
        run_import("zheng", zheng, zheng)


def test_an_image_that_is_too_large_is_told_with_what_to_do(zheng: Path, tmp_path: Path) -> None:
    data = bytearray((zheng / "Dataset 1/002.bmp").read_bytes())
    struct.pack_into("<ii", data, 18, 20_000, 10_000)
    (zheng / "Dataset 1/002.bmp").write_bytes(data)
    seen, _ = run_import("zheng", zheng, tmp_path / "out")
    assert errors_of(seen) == {
        "Dataset 1/002.bmp": "20000 × 10000 = 200.0 megapixels: an import takes at most 150, if memory suffices. "
        "Cut the image, and what belongs to it, into smaller ones."
    }


def test_names_that_cannot_be_recorded_are_left_out(tmp_path: Path) -> None:
    save(tmp_path / "good.png", draw((4, 4), []))
    (tmp_path / "gone.png").symlink_to("nothing.png")
    (tmp_path / f"{'a' * 248}.png").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.png")).write_bytes(b"")
    left_out: list[str] = []
    assert [path.name for path in find_images(tmp_path, left_out)] == ["good.png"]
    assert sorted(message.rpartition(": ")[2][:20] for message in left_out) == [
        "not a regular file, ",
        *["the file name is too"] * 2,
    ]


def call(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["import", *map(str, arguments)], catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def test_the_command_counts_and_says_what_failed(zheng: Path, tmp_path: Path) -> None:
    (zheng / "Dataset 1/002.png").unlink()
    save(zheng / "Dataset 1/009.png", draw_mask(SHAPE, [(30, 32, 20)], [128]))
    code, out, err = call("zheng", zheng, tmp_path / "out")
    assert code == 1
    assert "2 images imported, 1 failed, 1 files or folders left out." in out
    assert "neutrophil          1" in out
    assert "2 cells. For training: outlines of 2 images" in out
    assert err.count("Failed: Dataset 1/002.bmp: has no mask") == 1
    assert err.count("Warning: Left out: ") == 1
    assert "009.png: there is no image 009.bmp" in err


def test_wrong_use_of_the_command_is_exit_code_2(zheng: Path, tmp_path: Path) -> None:
    code, out, err = call("voc", zheng, tmp_path / "out")
    assert (code, out) == (2, "")
    assert err.strip().startswith("Error: There is no format or data set 'voc'")
    assert call("lisc", zheng, tmp_path / "out")[0] == 2
    assert call("zheng", zheng, tmp_path / "out")[0] == 0
