"""Slides go out and come back outline by outline; no more of one is read than its cells."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import tifffile
from pycocotools.coco import COCO
from typer.testing import CliRunner

from napari_wbc.cells import Analysis, Box, CellTable, Labels
from napari_wbc.cli import app
from napari_wbc.crop import crop
from napari_wbc.exchange import told, transfer
from napari_wbc.exchange.gallery import make_gallery
from napari_wbc.exchange.transfer import export_results, import_into
from napari_wbc.pyramids import Pyramid
from napari_wbc.results import labels_path, read_labels, read_record, write_slide
from napari_wbc.results.mosaic import Mosaic
from napari_wbc.results.pixels import Pixels, cut
from napari_wbc.results.record import InputFile, Record
from napari_wbc.results.runfile import Model, begin, read_run, relative_root, write_run
from napari_wbc.results.storage import file_sha256, size_and_time
from napari_wbc.results.summary import make_tables
from tests.exchange.made import IMAGE, ORIGIN, Settings, as_analysis, bring_in, export, make_results, pixels_for, ring, state

SLIDE = "s1/slide.tif"
WHOLE = ["geojson", "coco", "ome-tiff", "imagej-roi"]
EVERY = [*WHOLE, "csv", "crops"]


def many() -> Labels:
    """Cells with holes and pieces, at the seams of tiles of 512 px and at the border; ids with gaps."""
    labels = np.zeros((1300, 1100), dtype=np.int32)
    for n, (y, x) in enumerate([(0, 0), (500, 40), (490, 490), (1005, 1000), (1260, 300), (700, 1040), (20, 700)]):
        part = ring()
        labels[y : y + 40, x : x + 60] = np.where(part > 0, part + 20 * n, 0)
    return labels


def make_slide(folder: Path, analysis: Analysis, known: Analysis | None = None) -> Path:
    """`folder/images` and `folder/results` of a slide in tiles; `known` is what the results say, as far as it differs."""
    root, out, known = folder / "images", folder / "results", known or analysis
    path = root / SLIDE
    path.parent.mkdir(parents=True)
    tifffile.imwrite(path, pixels_for(analysis.labels), tile=(128, 128), photometric="rgb")
    size, mtime_ns = size_and_time(path)
    source = InputFile(sha256=file_sha256(path), size=size, mtime_ns=mtime_ns)
    outlines = Mosaic.of(Pixels.of(known.labels), known.cells)
    write_slide(out, SLIDE, outlines, known.cells, known.scale, None, source, ORIGIN)
    model = Model(name="m", identity="m")
    write_run(out, begin(relative_root(root, out), Settings(), model, model, "cpu", 0))
    return out


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return make_slide(tmp_path, as_analysis(many()))


@pytest.fixture(autouse=True)
def largest(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The sizes of all boxes that are read of the slide and its labels, px: none is a large part of it."""
    sizes, open_labels, read = [0], transfer.open_labels, Pyramid.read

    def seen(box: Box) -> Box:
        sizes.append(box.height * box.width)
        return box

    @contextlib.contextmanager
    def spied(out: Path, record: Record) -> Iterator[Pixels[np.int32]]:
        with open_labels(out, record) as labels:
            yield Pixels(labels.shape, lambda box: labels.read(seen(box) if record.row.is_slide else box))

    monkeypatch.setattr(transfer, "open_labels", spied)
    monkeypatch.setattr(Pyramid, "read", lambda self, box, level=0: read(self, seen(box), level))
    monkeypatch.setattr(told, "_WINDOW_PX", 300)
    yield sizes
    assert max(sizes) <= 300**2


def record_of(out: Path) -> Record:
    return read_record(out, SLIDE)


def features_of(dst: Path) -> dict[int, dict[str, Any]]:
    found = json.loads((dst / f"{SLIDE}.geojson").read_bytes())["features"]
    return {one["properties"]["measurements"]["cell_id"]: one for one in found}


def save(dst: Path, found: dict[int, dict[str, Any]]) -> None:
    (dst / f"{SLIDE}.geojson").write_text(json.dumps(list(found.values())))


@pytest.mark.parametrize("name", EVERY)
def test_a_slide_that_comes_back_as_it_went_is_not_touched(name: str, out: Path, tmp_path: Path, largest: list[int]) -> None:
    before = state(out)
    transfer = bring_in(name, export(name, out, tmp_path / "dst"), out)
    assert (transfer.done, transfer.skipped, transfer.failed) == ((), (SLIDE,), ())
    assert state(out) == before
    assert len(largest) > 20 or name == "csv"


@pytest.mark.parametrize("name", WHOLE)
def test_cells_come_back_into_a_slide_that_has_none(name: str, out: Path, tmp_path: Path) -> None:
    analysis = as_analysis(many())
    none = dataclasses.replace(analysis, labels=np.zeros_like(analysis.labels), cells=CellTable())
    bare = make_slide(tmp_path / "bare", analysis, none)
    assert bring_in(name, export(name, out, tmp_path / "dst"), bare).done == (SLIDE,)
    np.testing.assert_array_equal(read_labels(bare, SLIDE, record_of(bare).hashes.labels), many())
    for found, cell in zip(record_of(bare).cells, record_of(out).cells, strict=True):
        assert (found.cell_id, found.box, found.cell_type, found.area_px) == (
            cell.cell_id, cell.box, cell.cell_type, cell.area_px
        )  # fmt: skip
        assert (found.mean_red, found.nucleus_area_px, found.perimeter_px, found.touches_border) == (
            cell.mean_red, cell.nucleus_area_px, cell.perimeter_px, cell.touches_border
        )  # fmt: skip
        assert (found.centroid_x, found.centroid_y) == pytest.approx((cell.centroid_x, cell.centroid_y), abs=0.011)
    assert record_of(bare).row.slide == SLIDE
    with tifffile.TiffFile(labels_path(bare, SLIDE)) as tiff:
        assert tiff.series[0].keyframe.is_tiled
        assert len(tiff.series[0].levels) == 2


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_independent_readers_see_the_same_pixels(out: Path, tmp_path: Path) -> None:
    labels = many()
    areas = np.bincount(labels.ravel())
    features = features_of(export("geojson", out, tmp_path / "geojson"))
    assert set(features) == set(np.flatnonzero(areas)) - {0}
    for i, feature in features.items():
        geometry = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert geometry.is_valid
        assert geometry.area == areas[i]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(export("coco", out, tmp_path / "coco") / "annotations.json"))
    assert len(coco.anns) == len(features)
    for one in coco.anns.values():
        np.testing.assert_array_equal(coco.annToMask(one) > 0, labels == one["cell_id"])
    with tifffile.TiffFile(export("ome-tiff", out, tmp_path / "ome") / f"{SLIDE}.ome.tif") as tiff:
        np.testing.assert_array_equal(tiff.series[0].levels[0].asarray(), labels)
        np.testing.assert_array_equal(tiff.series[0].levels[1].asarray(), labels[::2, ::2])
    crops = export("crops", out, tmp_path / "crops")
    assert len(list(crops.rglob("*.png"))) == len(features)


def test_what_a_person_edits_in_a_slide_comes_back_and_nothing_else_changes(out: Path, tmp_path: Path) -> None:
    before, dst = {cell.cell_id: cell for cell in record_of(out).cells}, export("geojson", out, tmp_path / "dst")
    edited = features_of(dst)
    edited[45]["geometry"]["coordinates"] = [[[x + 2, y + 1] for x, y in edited[45]["geometry"]["coordinates"][0]]]
    edited[2]["properties"]["classification"] = {"name": "blast", "color": [1, 2, 3]}
    del edited[69]
    save(dst, edited)
    assert bring_in("geojson", dst, out).done == (SLIDE,)

    record = record_of(out)
    after = {cell.cell_id: cell for cell in record.cells}
    assert set(after) == set(before) - {69}
    assert {i for i, cell in after.items() if cell.source == "human"} == {2, 45}
    assert (after[2].cell_type, after[2].outline_source, after[2].area_px) == ("blast", "model", before[2].area_px)
    assert (after[45].outline_source, after[45].type_source) == ("human", "model")
    assert (after[45].centroid_x, after[45].centroid_y) == (before[45].centroid_x + 2, before[45].centroid_y + 1)
    assert after[41].area_px < before[41].area_px or after[41] == before[41]
    untouched = before.keys() - {2, 41, 45, 69}
    assert {i: after[i] for i in untouched} == {i: before[i] for i in untouched}
    labels, expected = read_labels(out, SLIDE, record.hashes.labels), many()
    mask = np.roll(expected == 45, (1, 2), (0, 1))
    expected[np.isin(expected, (45, 69))] = 0
    expected[mask] = 45
    np.testing.assert_array_equal(labels, expected)
    assert (record.row.slide, record.row.n_cells, record.edited) == (SLIDE, len(after), True)


def test_a_name_alone_leaves_the_label_image_as_it_is(out: Path, tmp_path: Path) -> None:
    dst, path = export("csv", out, tmp_path / "dst"), labels_path(out, SLIDE)
    written = path.stat().st_mtime_ns
    table = dst / "cells.csv"
    table.write_text(table.read_text().replace(",basophil,", ",monocyte,", 1))
    assert bring_in("csv", dst, out).done == (SLIDE,)
    assert record_of(out).cells[0].cell_type == "monocyte"
    assert path.stat().st_mtime_ns == written


@pytest.mark.parametrize("name", ["png-masks", "yolo"])
def test_a_format_of_whole_pictures_refuses_the_slide_and_takes_the_fields(name: str, out: Path, tmp_path: Path) -> None:
    fields = make_results(tmp_path / "fields", {IMAGE: ring()})
    for folder in ("labels", "records"):
        (fields / folder / "slide 1").rename(out / folder / "slide 1")
    (fields.parent / "images" / "slide 1").rename(out.parent / "images" / "slide 1")
    seen = list(export_results(name, out, tmp_path / "dst"))
    assert [(step.image, step.status) for step in seen] == [(SLIDE, "failed"), (IMAGE, "done")]
    assert "a whole-slide image does not go into" in str(seen[0].error)
    assert CliRunner().invoke(app, ["export", name, str(out), str(tmp_path / "again")]).exit_code == 1
    before = state(out)
    of_field = next((tmp_path / "dst" / ("masks" if name == "png-masks" else "labels")).rglob("a.jpg*"))
    (of_field.parents[1] / "s1").mkdir()
    (of_field.parents[1] / "s1" / f"slide.tif{of_field.suffix}").write_bytes(of_field.read_bytes())
    steps = {step.image: step for step in import_into(name, tmp_path / "dst", out)}
    assert steps[SLIDE].status == "failed"
    assert "Take geojson" in str(steps[SLIDE].error)
    assert steps[IMAGE].status == "skipped"
    assert state(out) == before


def test_a_label_image_that_is_not_the_records_costs_the_slide(out: Path, tmp_path: Path) -> None:
    dst = export("geojson", out, tmp_path / "dst")
    edited = features_of(dst)
    del edited[1]
    save(dst, edited)
    path = labels_path(out, SLIDE)
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    (step,) = import_into("geojson", dst, out)
    assert (step.status, "not the label image that its record names" in str(step.error)) == ("failed", True)


def test_the_gallery_of_the_report_shows_cells_of_a_slide(out: Path) -> None:
    found = make_gallery(out, read_run(out), make_tables(out))
    assert found.n_missing == 0
    assert sum(len(one.pictures) for one in found.types) > 5


@pytest.mark.parametrize("box", [Box(0, 0, 9, 5), Box(20, 30, 41, 52), Box(31, 90, 40, 100), Box(2, 3, 38, 99)])
@pytest.mark.parametrize("margin", [0.0, 0.15, 1.0])
def test_a_crop_of_a_slide_is_that_of_the_whole_picture(box: Box, margin: float) -> None:
    image = pixels_for(np.zeros((40, 100), np.int32))
    np.testing.assert_array_equal(cut(Pixels.of(image), box, 24, margin), crop(image, box, 24, margin))
