"""The results folder: what is written reads back exactly; commits are whole; nothing leaves the folder."""

from __future__ import annotations

import csv
import dataclasses
import errno
import getpass
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_wbc.cells import COLUMNS, Analysis, Box, Cell, CellTable, Domain, Scale
from napari_wbc.errors import ResultsError, StorageError
from napari_wbc.results import (
    has_record,
    images_in,
    iter_records,
    labels_path,
    read_analysis,
    read_labels,
    read_record,
    record_path,
    tables,
    write_analysis,
    write_failure,
)
from napari_wbc.results.label_images import encode_labels
from napari_wbc.results.record import InputFile, Origin, as_stored
from napari_wbc.results.replaced import copy_old
from napari_wbc.results.runfile import read_run, user
from napari_wbc.results.storage import place
from napari_wbc.results.summary import CELL_COLUMNS, IMAGE_COLUMNS, make_tables
from napari_wbc.results.unfinished import unfinished_in
from tests.damage import DAMAGED_TIFFS, with_a_page_of_negative_length
from tests.test_report import make_run

SOURCE = InputFile(sha256="ab" * 32, size=123, mtime_ns=1_700_000_000_123_456_789)
ORIGIN = Origin(segmenter="seg", classifier="cls", settings="set")


def cell(cell_id: int = 1, **values: object) -> Cell:
    plain = Cell(
        cell_id=cell_id,
        box=Box(2, 3, 12, 15),
        centroid_x=8.5,
        centroid_y=6.25,
        area_px=100,
        touches_border=False,
        nucleus_area_px=40,
        nc_ratio=0.4,
        diameter_px=11.28,
        area_um2=1 / 3,
        segmentation_score=0.98765432,
        cell_type="monocyte",
        p=(0.1, 0.2, 0.05, 0.6, 0.05),
        none_of_five_score=0.0123,
        margin=0.4,
    )
    return dataclasses.replace(plain, **values)  # type: ignore[arg-type]


def analysis(
    *cells: Cell, scale: Scale | None = None, domain: Domain | None = None, shape: tuple[int, int] = (20, 30)
) -> Analysis:
    labels = np.zeros(shape, dtype=np.int32)
    for one in cells:
        labels[one.box.slices] = one.cell_id
    return Analysis(labels, CellTable(cells), scale or Scale(0.1, 0.5882352941176471, "file"), domain)


def write(out: Path, image: str = "s1/a.jpg", *cells: Cell, **values: object) -> None:
    write_analysis(out, image, analysis(*(cells or (cell(),))), SOURCE, ORIGIN, **values)  # type: ignore[arg-type]


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


# -- records and labels ------------------------------------------------------------------------------------------------


def test_an_analysis_reads_back_as_it_was_written(tmp_path: Path) -> None:
    full = cell(
        7,
        outline_source="human",
        type_source="human",
        previous_cell_type="basophil",
        reviewed_by="Ada",
        reviewed_at="2026-01-02T03:04:05Z",
    )
    wanted = analysis(
        cell(3, box=Box(0, 0, 2, 2), cell_type=None, p=None, margin=None), full, domain=Domain(False, "focus: blurred")
    )
    record = write_analysis(tmp_path, "s1/a.jpg", wanted, SOURCE, ORIGIN, reviewed_by="Ada", reviewed_at="2026-01-02T03:04:05Z")
    found = read_analysis(tmp_path, "s1/a.jpg")
    assert np.array_equal(found.labels, wanted.labels)
    assert found.labels.dtype == np.int32
    assert not found.labels.flags.writeable
    assert list(found.cells) == [as_stored(one) for one in wanted.cells]
    assert (found.scale, found.domain) == (wanted.scale, wanted.domain)
    assert read_record(tmp_path, "s1/a.jpg") == record
    assert (record.row.slide, record.row.reviewed_by) == ("s1", "Ada")


def test_what_is_stored_of_a_cell_is_rounded_as_the_tables_are() -> None:
    stored = as_stored(
        cell(
            segmentation_score=0.987654321, p=(0.12345678, 0.2, 0.3, 0.3, 0.07654322), eccentricity=float("nan"), reviewed_by=""
        )
    )
    assert (stored.segmentation_score, stored.p) == (0.9877, (0.1235, 0.2, 0.3, 0.3, 0.0765))
    assert (stored.eccentricity, stored.reviewed_by) == (None, None)
    assert stored.area_um2 == 1 / 3


def test_labels_are_compressed_upright_and_carry_the_pixel_size(tmp_path: Path) -> None:
    write(tmp_path)
    with tifffile.TiffFile(tmp_path / "labels" / "s1" / "a.jpg.tif") as tif:
        page = tif.pages.first
        assert (str(page.dtype), page.shape, page.compression) == ("uint16", (20, 30), tifffile.COMPRESSION.ADOBE_DEFLATE)
        numerator, denominator = page.tags["XResolution"].value
        assert 1e4 / (numerator / denominator) == pytest.approx(0.1)
        assert page.tags["ResolutionUnit"].value == tifffile.RESUNIT.CENTIMETER
        assert "DateTime" not in page.tags


def test_equal_labels_give_equal_bytes_and_large_ids_keep_their_value(tmp_path: Path) -> None:
    assert encode_labels(analysis(cell()).labels, 0.1) == encode_labels(analysis(cell()).labels, 0.1)
    write(tmp_path, "a.png", cell(70_000))
    assert tifffile.imread(labels_path(tmp_path, "a.png")).dtype == np.uint32
    assert read_labels(tmp_path, "a.png").max() == 70_000


def test_an_image_without_cells_has_labels_of_zeros(tmp_path: Path) -> None:
    write_analysis(tmp_path, "a.png", analysis(), SOURCE, ORIGIN)
    found = read_analysis(tmp_path, "a.png")
    assert (found.labels.shape, found.labels.max(), len(found.cells)) == ((20, 30), 0, 0)


def test_a_failure_removes_the_labels_of_an_earlier_analysis(tmp_path: Path) -> None:
    write(tmp_path)
    write_failure(tmp_path, "s1/a.jpg", "the file is empty", SOURCE, ORIGIN)
    assert not labels_path(tmp_path, "s1/a.jpg").exists()
    row = read_record(tmp_path, "s1/a.jpg").row
    assert (row.status, row.error, row.n_cells) == ("failed", "the file is empty", None)
    with pytest.raises(ResultsError, match="the file is empty"):
        read_analysis(tmp_path, "s1/a.jpg")


def test_the_record_holds_the_lines_of_the_tables_and_the_hashes(tmp_path: Path) -> None:
    write(tmp_path)
    stored = json.loads(record_path(tmp_path, "s1/a.jpg").read_text(encoding="utf-8"))
    assert tuple(stored["row"]) == IMAGE_COLUMNS
    assert tuple(stored["cells"][0]) == COLUMNS
    assert stored["hashes"]["labels"] == hashlib.sha256(labels_path(tmp_path, "s1/a.jpg").read_bytes()).hexdigest()
    assert stored["hashes"]["input"] == SOURCE.model_dump()
    assert stored["hashes"]["origin"] == ORIGIN.model_dump()


def test_labels_that_are_not_the_records_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    labels_path(tmp_path, "s1/a.jpg").write_bytes(encode_labels(analysis(cell(2)).labels, 0.1))
    with pytest.raises(ResultsError, match="not the label image that its record names"):
        read_analysis(tmp_path, "s1/a.jpg")


@pytest.mark.parametrize("damage", DAMAGED_TIFFS)
def test_a_damaged_label_image_is_an_error_that_names_the_file(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    write(tmp_path)
    path = labels_path(tmp_path, "s1/a.jpg")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ResultsError, match=r"a\.jpg\.tif cannot be read"):
        read_labels(tmp_path, "s1/a.jpg")


def test_a_label_image_with_a_page_of_negative_size_is_not_read_for_ever(tmp_path: Path) -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, np.ones((64, 64), np.uint16))  # as others write them: with the shape told
    write_failure(tmp_path, "s1/a.jpg", "broken", InputFile(), ORIGIN)
    path = labels_path(tmp_path, "s1/a.jpg")
    path.parent.mkdir(parents=True)
    path.write_bytes(with_a_page_of_negative_length(file.getvalue()))
    with pytest.raises(ResultsError, match=r"a\.jpg\.tif cannot be read: the TIFF is damaged.*again\. Restore it"):
        read_labels(tmp_path, "s1/a.jpg")


@pytest.mark.parametrize("damage", [b"", b"{", b'{"schema_version": 2}', b"\xff\xfe"])
def test_a_damaged_record_is_an_error_that_names_the_file(tmp_path: Path, damage: bytes) -> None:
    write(tmp_path)
    record_path(tmp_path, "s1/a.jpg").write_bytes(damage)
    with pytest.raises(ResultsError, match=r"a\.jpg\.json"):
        read_record(tmp_path, "s1/a.jpg")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda content: content["row"].update(um_per_px=float("nan")), "row.um_per_px: Input should be a finite number"),
        (lambda content: content["cells"][0].update(cell_id=0), "cell_id of a cell is not positive"),
        (lambda content: content["cells"].append(content["cells"][0]), "another cell has it too"),
        (lambda content: content["cells"][0].update(x1=31), "the box of cell 1 is not in the image of 30 × 20 px"),
        (lambda content: content["cells"][0].update(y0=-1), "the box of cell 1 is not in the image"),
        (lambda content: content["cells"][0].update(y0=12), "the box of cell 1 is not in the image"),
        (lambda content: content["row"].update(height=None), "the box of cell 1 is not in the image"),
    ],
)
def test_a_record_of_cells_that_cannot_be_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    write(tmp_path)
    path = record_path(tmp_path, "s1/a.jpg")
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ResultsError, match=f"cannot be read: .*{re.escape(says)}"):
        read_record(tmp_path, "s1/a.jpg")


def test_folders_too_deep_to_be_searched_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deep(*_: object, **__: object) -> Iterator[object]:
        raise RecursionError
        yield

    monkeypatch.setattr(os, "walk", deep)  # of Python 3.11, after some thousand of them
    with pytest.raises(ResultsError, match="too deep to be searched"):
        images_in(tmp_path)


@pytest.mark.parametrize(
    ("values", "says"),
    [({"input_root": "a\0b"}, "input_root"), ({"input_root": "x" * 5000}, "input_root"), ({"threads": 0}, "threads")],
)
def test_a_run_json_of_what_cannot_be_is_refused(tmp_path: Path, values: dict[str, object], says: str) -> None:
    (tmp_path / "run.json").write_text(json.dumps(make_run().model_dump() | values))
    with pytest.raises(ResultsError, match=rf"run\.json cannot be read: {says}: "):
        read_run(tmp_path)


def test_a_record_in_the_wrong_place_and_a_missing_one_are_errors(tmp_path: Path) -> None:
    write(tmp_path)
    os.rename(record_path(tmp_path, "s1/a.jpg"), record_path(tmp_path, "s1/b.jpg"))
    with pytest.raises(ResultsError, match=r"is of the image s1/a\.jpg"):
        read_record(tmp_path, "s1/b.jpg")
    with pytest.raises(ResultsError, match="is missing"):
        read_record(tmp_path, "s1/a.jpg")


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image", ["../a.png", "s/../../a.png", "/etc/a.png", "", ".", "s//a.png", "s/./a.png", "a\0.png"])
def test_no_image_name_leaves_the_folder(tmp_path: Path, image: str) -> None:
    out = tmp_path / "deep" / "out"
    with pytest.raises(ResultsError, match="not a path below the input root"):
        write(out, image)
    assert list(tmp_path.rglob("*.tif")) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows does not allow these names")
@pytest.mark.parametrize(
    "image", ["s 1/new\nline.png", 'quo"te,.png', "🩸/❤.jpg", "=1+1.png", "..a/b...png", "-x/@y.tif", "\\back.png"]
)
def test_odd_names_are_names_like_others(tmp_path: Path, image: str) -> None:
    write(tmp_path, image)
    assert images_in(tmp_path) == [image]
    assert read_analysis(tmp_path, image).cells[0].cell_id == 1
    make_tables(tmp_path)
    assert [row["image"] for row in tables.read((tmp_path / "images.csv").read_bytes())] == [image]
    assert [row["image"] for row in tables.read((tmp_path / "cells.csv").read_bytes())] == [image]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_nothing_is_written_or_removed_through_a_link(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    for folder in (out / "labels", elsewhere):
        folder.mkdir(parents=True)
    (elsewhere / "a.jpg.tif").write_text("precious")
    (out / "labels" / "s1").symlink_to(elsewhere)
    with pytest.raises(StorageError, match="is a link"):
        write(out)
    with pytest.raises(StorageError, match="is a link"):
        write_failure(out, "s1/a.jpg", "bad", SOURCE, ORIGIN)
    assert [(path.name, path.read_text()) for path in elsewhere.iterdir()] == [("a.jpg.tif", "precious")]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_a_linked_file_is_replaced_not_followed(tmp_path: Path) -> None:
    out, precious = tmp_path / "out", tmp_path / "precious"
    precious.write_text("precious")
    path = record_path(out, "a.png")
    path.parent.mkdir(parents=True)
    path.symlink_to(precious)
    write(out, "a.png")
    assert precious.read_text() == "precious"
    assert not path.is_symlink()


# -- writing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "words"), [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "permission is missing"), (errno.EROFS, "read-only")]
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_says_why_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int, words: str
) -> None:
    write(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(StorageError, match=words):
        write(tmp_path, "s1/a.jpg", cell(5))
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_record_that_fails_leaves_the_label_image_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    real, synced = os.fsync, []

    def fill_the_disk(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fill_the_disk)
    with pytest.raises(StorageError, match="the disk is full"):
        write(tmp_path, "s1/a.jpg", cell(5))
    monkeypatch.undo()
    assert [one.cell_id for one in read_analysis(tmp_path, "s1/a.jpg").cells] == [1]
    assert not list(tmp_path.rglob(".tmp-*"))


def test_labels_are_on_the_disk_before_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, names = os.replace, []

    def note(source: Path, target: Path) -> None:
        names.append(Path(target).name)
        real(source, target)

    monkeypatch.setattr(os, "replace", note)
    write(tmp_path)
    assert names == ["a.jpg.tif", "a.jpg.json"]


# -- tables ------------------------------------------------------------------------------------------------------------


def test_the_columns_are_those_of_the_contract() -> None:
    assert ",".join(IMAGE_COLUMNS) == (
        "image,slide,sha256,width,height,um_per_px,analysis_scale,scale_source,domain_ok,domain_reason,"
        "status,error,n_cells,reviewed_by,reviewed_at"
    )
    columns = ",".join(CELL_COLUMNS)
    assert columns.startswith(
        "image,cell_id,x0,y0,x1,y1,centroid_x,centroid_y,area_px,touches_border,nucleus_area_px,nc_ratio,"
    )
    assert columns.endswith(
        "segmentation_score,cell_type,p_basophil,p_eosinophil,p_lymphocyte,p_monocyte,p_neutrophil,none_of_five_score,margin,"
        "source,outline_source,type_source,previous_cell_type,reviewed_by,reviewed_at"
    )


def test_the_tables_are_made_from_the_records_alone(tmp_path: Path) -> None:
    write(tmp_path, "s2/b.png", cell(2, touches_border=True), cell(1, cell_type="=cmd", type_source="human"))
    write(tmp_path, "s1/a.jpg", cell(segmentation_score=None))
    write_failure(tmp_path, "top.png", "broken, it is", InputFile(), ORIGIN)
    for path in (tmp_path / "labels").rglob("*.tif"):
        path.unlink()
    summary = make_tables(tmp_path)
    images, cells = rows_of(tmp_path / "images.csv"), rows_of(tmp_path / "cells.csv")
    assert [(row["image"], row["slide"], row["status"], row["n_cells"], row["error"]) for row in images] == [
        ("s1/a.jpg", "s1", "done", "1", ""),
        ("s2/b.png", "s2", "done", "2", ""),
        ("top.png", ".", "failed", "", "broken, it is"),
    ]
    assert [(row["image"], row["cell_id"], row["cell_type"], row["source"], row["touches_border"]) for row in cells] == [
        ("s1/a.jpg", "1", "monocyte", "model", "false"),
        ("s2/b.png", "1", "'=cmd", "human", "false"),
        ("s2/b.png", "2", "monocyte", "model", "true"),
    ]
    assert (cells[0]["segmentation_score"], cells[1]["segmentation_score"]) == ("", "0.9877")
    assert (cells[0]["p_eosinophil"], cells[0]["margin"], cells[0]["none_of_five_score"]) == ("0.2000", "0.4000", "0.0123")
    assert (cells[0]["centroid_y"], cells[0]["area_um2"], images[0]["um_per_px"]) == ("6.25", repr(1 / 3), "0.1")
    differential = rows_of(tmp_path / "differential.csv")
    assert [row["cell_type"] for row in differential if row["slide"] == "s2" and row["n"] == "1"] == ["monocyte", "'=cmd"]
    assert [row["n_unreviewed"] for row in differential if row["slide"] == "s2" and row["n"] == "1"] == ["1", "0"]
    assert next(row["percent"] for row in differential if row["slide"] == "*" and row["cell_type"] == "monocyte") == "66.67"
    assert (summary.n_cells, [row.image for row in summary.failed]) == (3, ["top.png"])
    for name in ("images.csv", "cells.csv", "differential.csv"):
        data = (tmp_path / name).read_bytes()
        assert b"\r" not in data
        assert data.endswith(b"\n")


def test_cells_of_an_image_that_a_person_vouches_for_are_reviewed(tmp_path: Path) -> None:
    write(tmp_path, "a/a.png", reviewed_by="Ada")
    write(tmp_path, "b/b.png", cell(reviewed_by="Bob"))
    write(tmp_path, "c/c.png")
    counts = {row.slide: row.n_unreviewed for row in make_tables(tmp_path).differential if row.cell_type == "monocyte"}
    assert counts == {"a": 0, "b": 0, "c": 1, "*": 1}


def test_the_same_records_give_the_same_bytes_whatever_the_order_of_writing(tmp_path: Path) -> None:
    for out, names in ((tmp_path / "1", ("b.png", "a.png")), (tmp_path / "2", ("a.png", "b.png"))):
        for name in names:
            write(out, name)
        make_tables(out)
    for name in ("images.csv", "cells.csv", "differential.csv"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_damaged_record_leaves_the_tables_as_they_were(tmp_path: Path) -> None:
    write(tmp_path, "a.png")
    make_tables(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*") if path.is_file()}
    write(tmp_path, "b.png")
    record_path(tmp_path, "c.png").write_text("{")
    with pytest.raises(ResultsError):
        make_tables(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*") if path.is_file()} == before


def test_human_work_is_known(tmp_path: Path) -> None:
    write(tmp_path, "model.png")
    write(tmp_path, "outline.png", cell(outline_source="human"))
    write(tmp_path, "type.png", cell(type_source="human"))
    write(tmp_path, "vouched.png", reviewed_by="Ada")
    write(tmp_path, "saved.png", edited=True)
    human = {record.image: record.has_human_work for record in iter_records(tmp_path)}
    assert human == {"model.png": False, "outline.png": True, "saved.png": True, "type.png": True, "vouched.png": True}


# -- the CSV -----------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(st.lists(st.tuples(texts, texts), min_size=1))
def test_every_text_reads_back(pairs: list[tuple[str, str]]) -> None:
    columns = ("a", "b")
    data = tables.header(columns) + b"".join(tables.row(columns, {"a": a, "b": b}) for a, b in pairs)
    assert list(tables.read(data)) == [{"a": a, "b": b} for a, b in pairs]


@given(texts)
def test_no_text_starts_like_a_formula(text: str) -> None:
    written = tables.as_text("cell_type", text)
    assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))
    data = tables.header(["a"]) + tables.row(["a"], {"a": text})
    assert list(csv.reader(io.StringIO(data.decode(), newline="")))[1:] == [[written]]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_read_back_exactly(value: float) -> None:
    assert float(tables.as_text("area_um2", value)) == value


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("touches_border", True, "true"),
        ("domain_ok", False, "false"),
        ("area_px", 12, "12"),
        ("p_monocyte", 1.0, "1.0000"),
        ("margin", 0.00004, "0.0000"),
        ("segmentation_score", None, ""),
        ("percent", 33.333, "33.33"),
        ("centroid_x", -1.5, "-1.5"),
        ("eccentricity", float("nan"), ""),
        ("cell_type", "'quoted", "''quoted"),
        ("cell_type", "-", "'-"),
    ],
)
def test_values_as_the_contract_writes_them(column: str, value: tables.Value, text: str) -> None:
    assert tables.as_text(column, value) == text


def test_what_macos_leaves_beside_a_record_is_no_image(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "records" / "s1" / "._a.jpg.json").write_bytes(b"\0\5\x16\7")
    assert images_in(tmp_path) == ["s1/a.jpg"]


def test_blank_lines_of_a_table_are_passed_over() -> None:
    assert list(tables.read(b"a,b\n1,2\n\n3,\n\n")) == [{"a": "1", "b": "2"}, {"a": "3", "b": None}]


@pytest.mark.parametrize("error", [KeyError("uid not found: 1234"), OSError("No username set in the environment")])
def test_a_user_without_a_name_is_unknown(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", fail)
    assert user() == "unknown"


def test_place_keeps_the_suffix() -> None:
    assert place(Path("out"), "labels", "s1/a.jpg", ".tif") == Path("out/labels/s1/a.jpg.tif")


def forbid(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    """Nobody may look into folders of this name."""

    def scandir(path: str) -> object:
        if str(path).endswith(folder):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path)

    real = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)


def test_a_folder_that_cannot_be_looked_at_is_no_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert images_in(tmp_path / "nowhere") == images_in(tmp_path) == unfinished_in(tmp_path) == []
    for folder in ("records/s1", "unfinished/s1"):
        (tmp_path / folder).mkdir(parents=True)
    assert images_in(tmp_path) == unfinished_in(tmp_path) == []
    forbid(monkeypatch, "s1")
    for look in (images_in, unfinished_in):
        with pytest.raises(ResultsError, match="s1 cannot be looked at: Permission denied"):
            look(tmp_path)


def test_a_record_that_cannot_be_looked_at_is_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_record(tmp_path, "a.png")
    write_failure(tmp_path, "a.png", "broken", InputFile(), ORIGIN)
    assert has_record(tmp_path, "a.png")
    assert not has_record(tmp_path, "a.png.json/b.png")

    look = os.stat

    def stat(path: object, **options: object) -> object:
        if str(path).endswith("a.png.json"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path, **options)

    monkeypatch.setattr(os, "stat", stat)
    with pytest.raises(ResultsError, match=r"a\.png\.json cannot be looked at: Permission denied"):
        has_record(tmp_path, "a.png")


def test_an_earlier_copy_of_what_is_replaced_is_never_overwritten(tmp_path: Path) -> None:
    for n in (1, 2, 3):
        for image in ("a.png", "s/b.png"):
            write_failure(tmp_path, image, f"reason {n}", InputFile(), ORIGIN)
            copy_old(tmp_path, image, "2026-01-02T030405Z")
    copies = sorted((tmp_path / "replaced").iterdir())
    assert [folder.name.removeprefix("2026-01-02T030405Z") for folder in copies] == ["", "-2", "-3"]
    for n, folder in enumerate(copies, start=1):
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        assert [path.relative_to(folder).as_posix() for path in found] == ["records/a.png.json", "records/s/b.png.json"]
        assert all(f"reason {n}" in path.read_text() for path in found)


def test_the_message_names_the_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "labels").touch()
    with pytest.raises(StorageError, match=r"Cannot write .*labels.a\.png\.tif"):
        write(tmp_path, "a.png")
