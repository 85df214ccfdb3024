"""COCO, against pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as reference
from pycocotools.coco import COCO

from napari_wbc.cells import Box, Mask
from napari_wbc.errors import ResultsError, UsageError
from napari_wbc.exchange.budget import Budget
from napari_wbc.exchange.coco import decode, encode, uncompress
from tests.exchange.made import (
    IMAGE,
    bring_in,
    cells_of,
    emptied,
    export,
    labels_of,
    make_results,
    one_failure,
    quick,
    ring,
    state,
)

masks = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return make_results(tmp_path, {IMAGE: ring(), "b.png": ring()})


@pytest.fixture
def path(out: Path, tmp_path: Path) -> Path:
    return export("coco", out, tmp_path / "dst") / "annotations.json"


def load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@quick
@given(mask=masks, shift=st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_run_lengths_are_those_of_the_reference(mask: Mask, shift: tuple[int, int]) -> None:
    height, width = mask.shape
    full = np.pad(mask, ((shift[0], 1), (shift[1], 2)))
    expected = reference.encode(np.asfortranarray(full.astype(np.uint8)))
    assert decode(uncompress(expected["counts"].decode()), Budget(full.shape, Path("x"))) is None or mask.any()
    if not mask.any():
        return
    box = Box(shift[0], shift[1], shift[0] + height, shift[1] + width)
    counts = encode(mask, box, full.shape)
    assert uncompress(expected["counts"].decode()) == counts
    back = decode(counts, Budget(full.shape, Path("x")))
    assert back is not None
    again = np.zeros_like(full)
    again[back[1].slices] = back[0]
    np.testing.assert_array_equal(again, full)


def test_long_runs_are_uncompressed_as_the_reference_compressed_them() -> None:
    full = np.zeros((3000, 700), dtype=np.uint8)
    full[100:2900, 3] = full[5:7, 300:] = 1
    counts = uncompress(reference.encode(np.asfortranarray(full))["counts"].decode())
    rows, columns = np.nonzero(full)
    box = Box(int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
    assert counts == encode(full[box.slices] > 0, box, full.shape)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_reference_reads_the_same_cells(out: Path, path: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
    assert [one["file_name"] for one in coco.imgs.values()] == ["b.png", IMAGE]
    image = next(i for i, one in coco.imgs.items() if one["file_name"] == IMAGE)
    found = {one["cell_id"]: one for one in coco.loadAnns(coco.getAnnIds(imgIds=[image]))}
    assert set(found) == set(cells_of(out))
    for i, cell in cells_of(out).items():
        mask = coco.annToMask(found[i])
        np.testing.assert_array_equal(mask > 0, labels_of(out) == i)
        assert reference.area(coco.annToRLE(found[i])) == found[i]["area"] == cell.area_px
        assert reference.toBbox(coco.annToRLE(found[i])).tolist() == found[i]["bbox"]
        assert coco.cats[found[i]["category_id"]]["name"] == cell.cell_type


@pytest.mark.parametrize("form", ["compressed", "polygons"])
def test_other_forms_of_segmentation_are_read(out: Path, path: Path, tmp_path: Path, form: str) -> None:
    content = load(path)
    image = next(one["id"] for one in content["images"] if one["file_name"] == IMAGE)
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] == image]
    for one in content["annotations"]:
        box, size = one["bbox"], one["segmentation"]["size"]
        if form == "compressed":
            one["segmentation"]["counts"] = reference.frPyObjects(one["segmentation"], *size)["counts"].decode()
        else:
            x, y, width, height = box
            one["segmentation"] = [[x, y, x + width, y, x + width, y + height, x, y + height], [0, 0, 1, 0, 1, 1, 0, 1]]
            content["annotations"] = content["annotations"][-1:]
    path.write_text(json.dumps(content), encoding="utf-8")
    bare = emptied(tmp_path / "bare", {IMAGE: ring(), "b.png": ring()})
    bring_in("coco", path, bare)
    if form == "compressed":
        np.testing.assert_array_equal(labels_of(bare), labels_of(out))
    else:
        expected = np.where(labels_of(out) == 9, 9, 0)
        expected[0, 0] = 9
        np.testing.assert_array_equal(labels_of(bare), expected)


def test_outlines_of_another_program_are_matched_and_what_differs_is_a_persons(out: Path, path: Path) -> None:
    content, before = load(path), cells_of(out)
    for one in content["annotations"]:
        del one["cell_id"]
    changed = next(one for one in content["annotations"] if one["bbox"][:2] == [50, 34] and one["image_id"] == 2)
    changed["segmentation"] = [[50, 34, 59, 34, 59, 40, 50, 40]]
    content["images"][1]["file_name"] = "images/slide 1/a.jpg.jpeg"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert bring_in("coco", path, out).done == (IMAGE,)
    after = cells_of(out)
    assert {i: cell for i, cell in after.items() if i != 9} == {i: cell for i, cell in before.items() if i != 9}
    assert (after[9].area_px, after[9].outline_source) == (54, "human")


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "/etc/passwd", "C:\\x\\y.png", "http://x/y", "..", "", "a\0b", "/../x"]
)
def test_names_that_are_paths_elsewhere_are_names_of_no_image(out: Path, path: Path, name: str) -> None:
    content = load(path)
    for one in content["images"]:
        one["file_name"] = name
    path.write_text(json.dumps(content), encoding="utf-8")
    before = state(out.parent)
    with pytest.raises(UsageError, match="says nothing of an image of"):
        bring_in("coco", path, out)
    assert state(out.parent) == before


@pytest.mark.parametrize("name", ["coco", "csv"])
def test_two_images_of_another_program_are_not_taken_for_one(out: Path, tmp_path: Path, name: str) -> None:
    dst = export(name, out, tmp_path / "theirs")
    for path in dst.iterdir():
        path.write_text(path.read_text(encoding="utf-8").replace(IMAGE, "x/b.png"), encoding="utf-8")
    before = state(out)
    with pytest.raises(UsageError, match=r"Both .* and .* are named as the image b\.png"):
        bring_in(name, dst, out)
    assert state(out) == before


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("segmentation", {"size": [40, 60], "counts": [5, -3]}, "do not fit"),
        ("segmentation", {"size": [40, 60], "counts": [2**62, 2**62]}, "do not fit"),
        ("segmentation", {"size": [40, 60], "counts": [2**80]}, "annotation"),
        ("segmentation", {"size": [41, 60], "counts": [5, 3]}, "its size is"),
        ("segmentation", {"size": [40, 60], "counts": "~~é"}, "compressed run lengths"),
        ("segmentation", {"size": [40, 60], "counts": "o" * 13}, "do not end"),
        ("segmentation", [[1, 2, 3]], "annotation"),
        ("segmentation", 7, "annotation"),
        ("segmentation", [], "a box alone"),
        ("category_id", 99, "99 is missing"),
    ],
)
def test_a_bad_annotation_costs_its_image_and_is_named(out: Path, path: Path, key: str, value: object, said: str) -> None:
    content, before = load(path), state(out)
    content["annotations"] = content["annotations"][-1:]
    content["images"] = content["images"][1:]
    content["annotations"][0][key] = value
    path.write_text(json.dumps(content), encoding="utf-8")
    message = one_failure("coco", path, out)
    assert said in message
    assert str(path) in message
    assert state(out) == before


def test_a_file_that_is_no_coco_is_named(out: Path, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"images": []}')
    with pytest.raises(ResultsError, match=r"x\.json is not a COCO file of instances: 'categories' is missing"):
        bring_in("coco", tmp_path / "x.json", out)
    with pytest.raises(UsageError, match=r"annotations\.json is not a file"):
        bring_in("coco", tmp_path, out)
