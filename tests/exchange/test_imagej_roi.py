"""ImageJ's regions, edited as the ROI Manager edits them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import shapely
from roifile import ROI_TYPE, ImagejRoi, roiread

from tests.exchange.made import IMAGE, bring_in, cells_of, export, make_results, one_failure, ring, state


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return make_results(tmp_path, {IMAGE: ring()})


@pytest.fixture
def path(out: Path, tmp_path: Path) -> Path:
    return export("imagej-roi", out, tmp_path / "dst") / f"{IMAGE}.zip"


def regions(path: Path) -> dict[int, ImagejRoi]:
    found = roiread(path)
    assert isinstance(found, list)
    return {int(roi.properties["cell_id"]): roi for roi in found}


def save(path: Path, rois: list[ImagejRoi]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for i, roi in enumerate(rois):
            archive.writestr(f"../../{i}.roi", roi.tobytes())  # a name in an archive is no path
        archive.writestr("notes.txt", b"not a region")


def test_areas_follow_the_edges_of_pixels(out: Path, path: Path) -> None:
    for i, roi in regions(path).items():
        cell, rings = cells_of(out)[i], roi.coordinates(multi=True)
        outer, *holes = sorted(map(shapely.Polygon, rings), key=lambda one: -one.area)
        assert outer.area - sum(hole.area for hole in holes) == cell.area_px
        assert (roi.top, roi.left) == (cell.box.y0, cell.box.x0)
        assert roi.name == f"{i} {cell.cell_type}"
    assert regions(path)[1].composite
    assert regions(path)[5].roitype == ROI_TYPE.TRACED


def test_a_renamed_a_redrawn_a_new_and_a_deleted_region(out: Path, path: Path) -> None:
    before, rois = cells_of(out), regions(path)
    rois[1].name = "1 blast"
    new = ImagejRoi(roitype=ROI_TYPE.RECT, top=30, left=2, bottom=34, right=7, name="0032-0004")
    point = ImagejRoi(roitype=ROI_TYPE.POINT, name="0001-0001")
    assert rois[5].integer_coordinates is not None
    rois[5].left += 3
    rois[5].right += 3
    save(path, [rois[1], rois[2], rois[5], new, point])
    assert bring_in("imagej-roi", path, out).done == (IMAGE,)
    after = cells_of(out)
    assert set(after) == {1, 2, 5, 10}
    assert (after[1].cell_type, after[1].type_source, after[1].outline_source) == ("blast", "human", "model")
    assert after[2] == before[2]
    assert (after[5].centroid_x, after[5].area_px) == (before[5].centroid_x + 3, before[5].area_px)
    assert (after[10].box, after[10].cell_type) == ((30, 2, 34, 7), "unidentified")


@pytest.mark.parametrize("cut", [0, 10, 60, 300])
def test_a_cut_archive_is_named(out: Path, path: Path, cut: int) -> None:
    before = state(out)
    path.write_bytes(path.read_bytes()[:cut])
    assert str(path) in one_failure("imagej-roi", path, out)
    assert state(out) == before


@pytest.mark.parametrize("content", [b"", b"Iout", b"nonsense" * 20, b"Iout" + bytes(60), b"Iout" + b"\xff" * 200])
def test_a_damaged_region_is_named(out: Path, path: Path, content: bytes) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("1.roi", content)
    path.write_bytes(file.getvalue())
    seen = bring_in("imagej-roi", path, out)
    assert seen.failed == (IMAGE,) or not cells_of(out), "either it is refused, or it is a region without an area"


def test_an_archive_that_cannot_be_unpacked_is_named(out: Path, path: Path) -> None:
    data = path.read_bytes()
    start = data.index(b".roi") + 4
    path.write_bytes(data[:start] + b"\xff" * 8 + data[start + 8 :])
    assert "not a zip file of ImageJ regions" in one_failure("imagej-roi", path, out)


def test_a_region_that_unpacks_to_more_than_any_outline_is_not_unpacked(out: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.roi", bytes(20_000_000))
    assert "is larger than 10000000 bytes" in one_failure("imagej-roi", path, out)


def test_large_images_keep_exact_coordinates(tmp_path: Path) -> None:
    labels = np.zeros((3, 33000), dtype=np.int32)
    labels[1:3, 32900:32999] = 4
    out = make_results(tmp_path, {"wide.png": labels})
    assert bring_in("imagej-roi", export("imagej-roi", out, tmp_path / "dst"), out).skipped == ("wide.png",)
