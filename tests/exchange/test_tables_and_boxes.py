"""CSV, YOLO, crops and masks: what they say besides outlines."""

from __future__ import annotations

import csv
import dataclasses
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image as Pillow
from roifile import ImagejRoi

from napari_wbc.batch.collect import collect
from napari_wbc.cells import Analysis, Box, CellTable, Labels
from napari_wbc.errors import ResultsError, UsageError
from napari_wbc.exchange.crops import folder_of
from napari_wbc.exchange.polygons import polygons
from napari_wbc.results import write_failure
from napari_wbc.results.record import InputFile
from tests.damage import DAMAGED_TIFFS
from tests.exchange.made import (
    IMAGE,
    ORIGIN,
    as_analysis,
    bring_in,
    cells_of,
    emptied,
    export,
    labels_of,
    make_results,
    one_failure,
    pixels_for,
    record_of,
    ring,
    state,
)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return make_results(tmp_path, {IMAGE: ring(), "b.png": ring()})


# -- CSV ---------------------------------------------------------------------------------------------------------------


def edit(path: Path, delimiter: str = ",", bom: bool = False, **values: str) -> None:
    """Change values of the first row of `IMAGE`, as a spreadsheet would save the table."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    next(row for row in rows if row["image"] == IMAGE).update(values)
    with path.open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize(("delimiter", "bom"), [(",", False), (";", True), ("\t", False)])
def test_types_and_reviews_come_back_from_a_spreadsheet(out: Path, tmp_path: Path, delimiter: str, bom: bool) -> None:
    before, dst = cells_of(out), export("csv", out, tmp_path / "dst")
    edit(
        dst / "cells.csv", delimiter, bom, cell_type="'=1+1", reviewed_by="Ada", reviewed_at="2026-01-02T03:04:05Z", area_px="7"
    )
    edit(dst / "images.csv", delimiter, bom, reviewed_by="Bo", reviewed_at="2026-01-03T00:00:00Z")
    assert bring_in("csv", dst, out).done == (IMAGE,)
    after = cells_of(out)
    assert after[1] == dataclasses.replace(
        before[1],
        cell_type="=1+1",
        type_source="human",
        previous_cell_type=before[1].cell_type,
        reviewed_by="Ada",
        reviewed_at="2026-01-02T03:04:05Z",
    )
    assert {i: after[i] for i in (2, 5, 9)} == {i: before[i] for i in (2, 5, 9)}
    assert (record_of(out).row.reviewed_by, record_of(out).row.reviewed_at) == ("Bo", "2026-01-03T00:00:00Z")


def test_a_review_alone_confirms_the_type_that_a_model_gave(out: Path, tmp_path: Path) -> None:
    before, dst = cells_of(out), export("csv", out, tmp_path / "dst")
    edit(dst / "cells.csv", reviewed_by="Ada", reviewed_at="2026-01-02T03:04:05Z")
    bring_in("csv", dst, out)
    after = cells_of(out)[1]
    assert (before[1].type_source, before[1].reviewed_by) == ("model", None)
    assert (after.cell_type, after.type_source, after.reviewed_by) == (before[1].cell_type, "human", "Ada")
    assert after.previous_cell_type == before[1].cell_type
    again = export("csv", out, tmp_path / "again")
    assert bring_in("csv", again, out).done == ()


def test_the_tables_of_a_folder_come_back_past_an_image_that_failed(out: Path, tmp_path: Path) -> None:
    write_failure(out, "bad.png", "the image is damaged", InputFile(), ORIGIN)
    collect(out)
    transfer = bring_in("csv", out, out)
    assert (transfer.done, transfer.failed) == ((), ())
    assert IMAGE in transfer.skipped
    dst = export("geojson", out, tmp_path / "dst")
    (dst / "bad.png.geojson").write_bytes((dst / f"{IMAGE}.geojson").read_bytes())
    assert bring_in("geojson", dst, out).failed == ("bad.png",)


def test_text_that_could_run_as_a_formula_is_neutralised(tmp_path: Path) -> None:
    analysis = as_analysis(ring(), ("=HYPERLINK(1)", "+x", "-x", "@x"))
    out = make_results(tmp_path, {"=a.png": analysis})
    dst = export("csv", out, tmp_path / "dst")
    for name in ("cells.csv", "images.csv"):
        with (dst / name).open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                assert not [text for text in row if text.startswith(("=", "+", "@", "\t", "\r"))]
    assert bring_in("csv", dst, out).skipped == ("=a.png",)


def test_rows_that_are_missing_say_nothing(out: Path, tmp_path: Path) -> None:
    before = state(out)
    path = export("csv", out, tmp_path / "dst") / "cells.csv"
    path.write_bytes(b"image,cell_id,cell_type\nb.png,2,\nnowhere.png,1,monocyte\nb.png,77,monocyte\n")
    assert bring_in("csv", path, out).done == ()
    assert state(out) == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"image,cell_type\nb.png,monocyte\n", "no column 'cell_id'"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"image,cell_id\nb.png,1,2\n", "is not a table"),
    ],
)
def test_a_table_that_is_none_is_named(out: Path, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(ResultsError, match=rf"x\.csv.*{said}"):
        bring_in("csv", tmp_path / "x.csv", out)


def test_an_id_that_is_no_number_costs_its_image(out: Path, tmp_path: Path) -> None:
    for text in ("one", "7" * 5000):  # Python reads no more than 4300 digits
        (tmp_path / "x.csv").write_text(f"image,cell_id\nb.png,{text}\n")
        message = one_failure("csv", tmp_path / "x.csv", out)
        assert f"the cell_id {text[:40]!r} of b.png" in message


# -- YOLO --------------------------------------------------------------------------------------------------------------


def test_boxes_and_types_come_back_within_half_a_pixel(out: Path, tmp_path: Path) -> None:
    dst = export("yolo", out, tmp_path / "dst")
    names = yaml.safe_load((dst / "data.yaml").read_text(encoding="utf-8"))["names"]
    lines = (dst / "labels" / f"{IMAGE}.txt").read_text().splitlines()
    for line, cell in zip(lines, cells_of(out).values(), strict=True):
        number, *shares = line.split()
        x, y, width, height = np.array(shares, float) * (60, 40, 60, 40)
        assert names[int(number)] == cell.cell_type
        box = cell.box
        np.testing.assert_allclose(
            [x - width / 2, y - height / 2, x + width / 2, y + height / 2], (box[1], box[0], box[3], box[2]), atol=0.01
        )
    image = Pillow.open(dst / "images" / f"{IMAGE}.png")
    np.testing.assert_array_equal(np.asarray(image), pixels_for(ring()))

    bare = emptied(tmp_path / "bare", {IMAGE: ring(), "b.png": ring()})
    bring_in("yolo", dst, bare)
    found, wanted = cells_of(bare), cells_of(out)
    boxes = {cell.box: cell.cell_type for cell in found.values()}
    assert boxes == {cell.box: cell.cell_type for cell in wanted.values() if cell.cell_id != 1} | {
        box: wanted[1].cell_type for box in boxes if box[0] == 5 and box[1] == 5
    }, "boxes of cells that lie in others are drawn over them"
    assert {(cell.outline_source, cell.type_source) for cell in found.values()} <= {("model", "human"), ("model", "model")}


def test_a_renamed_a_deleted_and_a_new_box(tmp_path: Path) -> None:
    out = make_results(tmp_path, {IMAGE: ring()}, reviewed_by="Ada")
    before, dst = cells_of(out), export("yolo", out, tmp_path / "dst")
    path = dst / "labels" / f"{IMAGE}.txt"
    lines = path.read_text().splitlines()
    lines[0] = f"4 {lines[0].partition(' ')[2]} 0.87"
    path.write_text("\n".join([*lines[:3], "1 0.1 0.9 0.1 0.1", lines[1]]) + "\n\n")
    bring_in("yolo", dst / "labels", out)
    after = cells_of(out)
    assert set(after) == {1, 2, 5, 10}
    assert (after[1].cell_type, after[1].type_source, after[1].area_px) == ("neutrophil", "human", before[1].area_px)
    assert (after[2], after[5]) == (before[2], before[5])
    assert (after[10].box, after[10].cell_type, after[10].outline_source, after[10].mean_red) == (
        (34, 3, 38, 9),
        "eosinophil",
        "model",
        None,
    )
    assert record_of(out).row.reviewed_by is None, "nobody vouches for a stand-in"


@pytest.mark.parametrize(
    "line", ["0 0.5 0.5 0.1", "9 0.5 0.5 0.1 0.1", "0 nan 0.5 0.1 0.1", "0 0.5 0.5 2 0.1", "x 1 1 1 1", "\x00"]
)
def test_a_bad_line_costs_its_image_and_is_named(out: Path, tmp_path: Path, line: str) -> None:
    dst, before = export("yolo", out, tmp_path / "dst"), state(out)
    path = dst / "labels" / "b.png.txt"
    path.write_text(line)
    (dst / "labels" / f"{IMAGE}.txt").unlink()
    assert str(path) in one_failure("yolo", dst, out)
    assert state(out) == before


def test_names_of_types_come_from_either_file_and_run_nothing(out: Path, tmp_path: Path) -> None:
    dst = export("yolo", out, tmp_path / "dst")
    for text in ("names: !!python/object/apply:os.system ['touch hacked']", "names: {.inf: x}"):
        (dst / "data.yaml").write_text(text)
        with pytest.raises(ResultsError, match=r"data\.yaml has no list of names"):
            bring_in("yolo", dst, out)
    (dst / "data.yaml").unlink()
    with pytest.raises(ResultsError, match=r"neither data\.yaml nor classes\.txt"):
        bring_in("yolo", dst, out)
    names = ["x", "eosinophil", "lymphocyte", "monocyte", "neutrophil", "unidentified", "artefact", "smudge"]
    (dst / "classes.txt").write_text("\n".join(names))
    bring_in("yolo", dst, out)
    assert cells_of(out)[1].cell_type == "x"


# -- crops -------------------------------------------------------------------------------------------------------------


def test_a_crop_that_was_moved_renames_its_cell(out: Path, tmp_path: Path) -> None:
    before, dst = cells_of(out), export("crops", out, tmp_path / "dst")
    files = {int(path.stem.rpartition("_")[2]): path for path in dst.rglob("a.jpg_*.png")}
    assert set(files) == set(before)
    box = before[5].box
    np.testing.assert_array_equal(np.asarray(Pillow.open(files[5])), pixels_for(ring())[box.slices])
    assert {i: path.parent.name for i, path in files.items()} == {i: cell.cell_type for i, cell in before.items()}
    (dst / "my type").mkdir()
    shutil.move(files[5], dst / "my type")
    files[2].unlink()
    assert bring_in("crops", dst, out).done == (IMAGE,)
    after = cells_of(out)
    assert (after[5].cell_type, after[5].type_source, after[5].previous_cell_type) == ("my type", "human", before[5].cell_type)
    assert {i: after[i] for i in (1, 2, 9)} == {i: before[i] for i in (1, 2, 9)}


@pytest.mark.parametrize("cell_type", ["../../x", "..", ".", "a/b", "a\\b", "con: 100 %", "Ärger 😀", "two\nlines", "\0"])
def test_a_type_is_never_a_path(tmp_path: Path, cell_type: str) -> None:
    assert not set(folder_of(cell_type)) & set("/\\\0.:")
    out = make_results(tmp_path / "a", {IMAGE: as_analysis(ring(), (cell_type,))})
    dst = export("crops", out, tmp_path / "a" / "dst")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert len(list(dst.glob("*/*.png"))) == 4
    plain = make_results(tmp_path / "b", {IMAGE: ring()})
    bring_in("crops", dst, plain)
    assert {cell.cell_type for cell in cells_of(plain).values()} == {cell_type}


def test_long_types_have_a_folder_each_and_come_back(tmp_path: Path) -> None:
    long = "ü" * 299 + "\r\n."
    out = make_results(tmp_path / "a", {IMAGE: as_analysis(ring(), (long, long + "2", "x" * 10_000, "x" * 200))})
    dst = export("crops", out, tmp_path / "dst")
    assert len(list(dst.iterdir())) == 4
    assert bring_in("crops", dst, out).skipped == (IMAGE,)
    plain = make_results(tmp_path / "b", {IMAGE: ring()})
    shutil.move(next(dst.glob("xx*/*_9.png")), next(dst.glob("*/*_1.png")).parent)
    bring_in("crops", dst, plain)
    assert [cell.cell_type for cell in cells_of(plain).values()] == [long, long + "2", "x" * 10_000, long]
    for path in dst.glob("*/type.txt"):
        path.write_bytes(b"\xff")
    assert "type.txt" in one_failure("crops", dst, plain)


def test_a_cell_in_two_folders_and_a_folder_of_no_crops_are_refused(out: Path, tmp_path: Path) -> None:
    dst = export("crops", out, tmp_path / "dst")
    path = next(dst.rglob("a.jpg_*_5.png"))
    (dst / "x").mkdir()
    shutil.copy(path, dst / "x")
    with pytest.raises(UsageError, match="are the same cell"):
        bring_in("crops", dst, out)
    shutil.move(path, dst)
    with pytest.raises(
        UsageError, match=f"lies in {dst} itself, .*Move it into one, or, if 'dst' is its type, name {tmp_path}"
    ):
        bring_in("crops", dst, out)
    with pytest.raises(UsageError, match=r"No file in .* is named as a crop"):
        bring_in("crops", out, out)


# -- label images ------------------------------------------------------------------------------------------------------


def test_a_repainted_mask_comes_back(out: Path, tmp_path: Path) -> None:
    dst = export("png-masks", out, tmp_path / "dst")
    path = dst / "masks" / f"{IMAGE}.png"
    painted = np.asarray(Pillow.open(path)).copy()
    assert painted.dtype == np.uint16
    np.testing.assert_array_equal(painted, labels_of(out))
    painted[0:3, 0:4] = 12
    Pillow.fromarray(painted).save(path)
    bring_in("png-masks", dst, out)
    assert cells_of(out)[12].area_px == 12
    assert np.array_equal(labels_of(out), painted)


@pytest.mark.parametrize("name", ["png-masks", "ome-tiff", "imagej-roi"])
def test_the_numbers_of_another_programs_masks_are_not_our_ids(tmp_path: Path, name: str) -> None:
    out = make_results(tmp_path, {IMAGE: np.where(ring() == 1, 0, ring())})
    before, labels = cells_of(out), labels_of(out)
    theirs = np.zeros_like(labels)
    for number, i in enumerate((5, 9, 2), start=1):
        theirs[labels == i] = number
    theirs[39, 59] = 0
    theirs[30:33, 2:6] = 5
    write_masks(name, theirs, tmp_path / "theirs")
    bring_in(name, tmp_path / "theirs", out)
    after = cells_of(out)
    assert set(after) == {2, 5, 9, 10}
    assert (after[2], after[5]) == (before[2], before[5])
    assert (after[9].area_px, after[9].cell_type, after[9].type_source) == (59, before[9].cell_type, "model")
    assert (after[10].area_px, after[10].cell_type) == (12, "unidentified")


def write_masks(name: str, labels: Labels, folder: Path) -> None:
    """A file for each image's masks, as cellpose writes them."""
    folder.mkdir()
    if name == "png-masks":
        Pillow.fromarray(labels.astype(np.uint16)).save(folder / "a.jpg.png")
    elif name == "ome-tiff":
        tifffile.imwrite(folder / "a.jpg.tif", labels.astype(np.uint16))
    else:
        with zipfile.ZipFile(folder / "a.jpg.zip", "w") as archive:
            for i in np.unique(labels[labels > 0]):
                rows, columns = np.nonzero(labels == i)
                box = Box(rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
                rings = [ring for polygon in polygons((labels == i)[box.slices], box) for ring in polygon]
                roi = ImagejRoi.frompoints(np.array(rings[0]), name=str(i))
                archive.writestr(f"{i}.roi", roi.tobytes())


def test_a_table_names_ids_and_not_the_numbers_of_another_programs_masks(out: Path, tmp_path: Path) -> None:
    before, labels = cells_of(out), labels_of(out)
    dst = export("ome-tiff", out, tmp_path / "dst")
    theirs = np.select([labels == 9, labels == 5, labels == 2, labels == 1], [1, 2, 5, 9]).astype(np.uint16)
    tifffile.imwrite(dst / f"{IMAGE}.ome.tif", theirs)
    assert bring_in("ome-tiff", dst, out).done == ()
    assert cells_of(out) == before


@pytest.mark.parametrize("name", ["png-masks", "ome-tiff"])
def test_a_mask_that_a_person_has_made_much_smaller_is_still_its_cell(out: Path, tmp_path: Path, name: str) -> None:
    dst, painted = export(name, out, tmp_path / "dst"), labels_of(out).copy()
    painted[34:38][painted[34:38] == 9] = 0
    path = dst / ("masks/" + f"{IMAGE}.png" if name == "png-masks" else f"{IMAGE}.ome.tif")
    Pillow.fromarray(painted.astype(np.uint16)).save(path) if name == "png-masks" else tifffile.imwrite(path, painted)
    bring_in(name, dst, out)
    assert (cells_of(out)[9].area_px, cells_of(out)[9].outline_source, set(cells_of(out))) == (20, "human", {1, 2, 5, 9})


@pytest.mark.parametrize("name", ["png-masks", "ome-tiff"])
@pytest.mark.parametrize("content", [b"", b"nonsense", b"II*\0\x08\0\0\0", b"\x89PNG\r\n\x1a\n"])
def test_a_damaged_mask_costs_its_image_and_is_named(out: Path, tmp_path: Path, name: str, content: bytes) -> None:
    dst, before = export(name, out, tmp_path / "dst"), state(out)
    path = next(path for path in dst.rglob("b.png.*") if path.parent.name in ("masks", "dst"))
    path.write_bytes(content)
    transfer = bring_in(name, dst, out)
    assert (transfer.failed, transfer.skipped) == (("b.png",), (IMAGE,))
    assert state(out) == before


@pytest.mark.parametrize("damage", DAMAGED_TIFFS)
def test_a_damaged_label_image_costs_its_image_and_is_named(
    out: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    dst, before = export("ome-tiff", out, tmp_path / "dst"), state(out)
    path = dst / "b.png.ome.tif"
    path.write_bytes(damage(path.read_bytes()))
    assert bring_in("ome-tiff", dst, out).failed == ("b.png",)
    assert state(out) == before


def test_a_mask_with_an_empty_colour_profile_is_named(out: Path, tmp_path: Path) -> None:
    path = export("png-masks", out, tmp_path / "dst") / "masks" / "b.png.png"
    data = path.read_bytes()
    profile = b"iCCP" + zlib.crc32(b"iCCP").to_bytes(4, "big")
    path.write_bytes(data[:-12] + bytes(4) + profile + data[-12:])
    assert "not a sound PNG file" in one_failure("png-masks", path, out)


def test_a_mask_of_another_size_is_refused(out: Path, tmp_path: Path) -> None:
    Pillow.fromarray(np.zeros((41, 60), np.uint16)).save(tmp_path / "b.png.png")
    assert "is 60 × 41 px" in one_failure("png-masks", tmp_path / "b.png.png", out)
    Pillow.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "b.png.png")
    assert "mode RGB" in one_failure("png-masks", tmp_path / "b.png.png", out)


def test_ids_that_a_png_cannot_hold_are_refused(tmp_path: Path) -> None:
    labels = ring()
    labels[labels == 9] = 70_000
    out = make_results(
        tmp_path, {IMAGE: Analysis(labels, CellTable(as_analysis(labels).cells.cells), as_analysis(labels).scale)}
    )
    with pytest.raises(UsageError, match="Export to ome-tiff instead"):
        export("png-masks", out, tmp_path / "dst")
    assert bring_in("ome-tiff", export("ome-tiff", out, tmp_path / "other"), out).skipped == (IMAGE,)
