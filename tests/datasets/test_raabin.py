"""Raabin-WBC: crops; fields with boxes as strings, two opinions, and photographs that lie on their side."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_wbc.cells import Box
from napari_wbc.datasets.orientation import Corners, stored_orientation, turn
from napari_wbc.datasets.raabin import agreed_type
from napari_wbc.errors import UnreadableImageError
from napari_wbc.images import read_image
from napari_wbc.results import read_analysis
from tests.datasets.trees import GROUND, STAIN, Disc, draw, errors_of, imported, run_import, save

SHAPE = (60, 90)
"""Of the upright image, px."""
DISCS: list[Disc] = [(20, 25, 10), (40, 70, 14)]

STORED_BY = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}
"""How a camera stores an upright picture under each EXIF orientation."""


def cell(box: tuple[float, float, float, float], *labels: str) -> dict[str, str]:
    """A cell as the set writes it, from (y0, x0, y1, x1)."""
    y0, x0, y1, x1 = (str(value) for value in box)
    return {"x1": x0, "x2": x1, "y1": y0, "y2": y1} | {f"Label{i}": label for i, label in enumerate(labels, 1)}


def add(smear: Path, name: str, cells: list[dict[str, str]], orientation: int = 1, count: object = None) -> Path:
    """A field that shows `DISCS` when it is upright, and its JSON."""
    image = save(
        smear / "images" / f"{name}.jpg", np.ascontiguousarray(STORED_BY[orientation](draw(SHAPE, DISCS))), orientation
    )
    content = {"Cell Numbers": len(cells) if count is None else count} | {f"Cell_{i}": c for i, c in enumerate(cells)}
    (smear / "jsons").mkdir(exist_ok=True)
    (smear / "jsons" / f"{name}.json").write_text(json.dumps(content))
    return image


def boxes_on(array_of: int) -> list[tuple[float, float, float, float]]:
    """The boxes of `DISCS` on the picture as a camera stores it under an orientation."""
    boxes = []
    for y, x, r in DISCS:
        one = np.zeros(SHAPE, bool)
        one[int(y - r) : int(y + r), int(x - r) : int(x + r)] = True
        rows, columns = np.nonzero(STORED_BY[array_of](one))
        boxes.append((float(rows.min()), float(columns.min()), float(rows.max() + 1), float(columns.max() + 1)))
    return boxes


def test_an_orientation_is_asked_of_a_picture_only(tmp_path: Path) -> None:
    (tmp_path / "words.jpg").write_text("no picture")
    with pytest.raises(UnreadableImageError, match=r"words\.jpg"):
        stored_orientation(tmp_path / "words.jpg")


UPRIGHT = [Box(10, 15, 30, 35), Box(26, 56, 54, 84)]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_are_those_of_the_upright_image_however_they_were_drawn(orientation: int, tmp_path: Path) -> None:
    for drawn_on, name in ((1, "on-upright"), (orientation, "as-stored")):
        path = add(tmp_path / "s1", name, [cell(box, "Neutrophil") for box in boxes_on(drawn_on)], orientation)
        assert read_image(path).pixels.shape[:2] == SHAPE
        cells = imported("raabin", tmp_path, tmp_path / "out", f"s1/images/{name}.jpg").cells
        assert [c.box for c in cells] == UPRIGHT, name


def test_a_tiff_states_its_orientation_in_a_tag(tmp_path: Path) -> None:
    jpeg = add(tmp_path / "s1", "a", [cell(box, "Neutrophil") for box in boxes_on(6)], 6)
    jpeg.unlink()
    stored = np.ascontiguousarray(STORED_BY[6](draw(SHAPE, DISCS)))
    tifffile.imwrite(jpeg.with_suffix(".tif"), stored, photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    assert [c.box for c in imported("raabin", tmp_path, tmp_path / "out", "s1/images/a.tif").cells] == UPRIGHT


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_is_turned_as_the_pixels_are(orientation: int, tmp_path: Path) -> None:
    stored = STORED_BY[orientation](draw(SHAPE, []))
    height, width = stored.shape[:2]
    marked = np.ascontiguousarray(stored)
    marked[4:20, 8:40] = STAIN
    path = save(tmp_path / "a.jpg", marked, orientation)
    pixels = read_image(path).pixels
    rows, columns = np.nonzero(pixels[..., 1] < (GROUND[1] + STAIN[1]) / 2)
    box = turn(Corners(4, 8, 20, 40), orientation, *pixels.shape[:2])
    assert box == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    assert sorted((height, width)) == sorted(SHAPE)


def test_boxes_that_fit_in_neither_orientation_are_refused(tmp_path: Path) -> None:
    add(tmp_path / "s1", "a", [cell((10, 10, 200, 200), "Neutrophil")], orientation=6)
    add(tmp_path / "s1", "b", [cell((10, 10, 10, 30), "Neutrophil")])
    add(tmp_path / "s1", "c", [cell((-1, 50, 25, 90.5), "Neutrophil")])
    seen, _ = run_import("raabin", tmp_path, tmp_path / "out")
    errors = errors_of(seen)
    assert sorted(errors) == ["s1/images/a.jpg", "s1/images/b.jpg"]
    assert "a.json lies outside the image of 90 × 60 px, also if it is turned (EXIF orientation 6)" in errors["s1/images/a.jpg"]
    (at_border,) = read_analysis(tmp_path / "out", "s1/images/c.jpg").cells
    assert at_border.box == Box(0, 50, 25, 90)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("Neutrophil", "Neutrophil"), "neutrophil"),
        (("Large Lymph", "Small Lymph"), "lymphocyte"),
        (("Lymphocyte", "Monocyte"), None),
        (("Monocyte", ""), "monocyte"),
        (("", ""), None),
        ((), None),
        (("Band", "Neutrophil"), "neutrophil"),
        (("Artifact", "artefact"), "artefact"),
        (("Burst", "Burst"), "smudge"),
        (("Meta", "meta"), "meta"),
    ],
)
def test_the_type_is_what_the_experts_agree_on(labels: tuple[str, ...], expected: str | None) -> None:
    assert agreed_type(cell((0, 0, 1, 1), *labels)) == expected


def test_a_field_has_stand_ins_and_human_types_where_the_experts_agree(tmp_path: Path) -> None:
    first, second = boxes_on(1)
    add(tmp_path / "s1", "a", [cell(first, "Eosinophil", "Eosinophil"), cell(second, "Monocyte", "Lymphocyte")], count="2")
    out = tmp_path / "out"
    _, summary = run_import("raabin", tmp_path, out)
    agreed, disputed = read_analysis(out, "s1/images/a.jpg").cells
    assert (agreed.cell_type, agreed.type_source, agreed.outline_source) == ("eosinophil", "human", "model")
    assert (disputed.cell_type, disputed.type_source) == ("unidentified", "model")
    assert [image.reviewed_by for image in summary.summary.images] == [None]


def test_one_smear_can_be_named_alone(tmp_path: Path) -> None:
    add(tmp_path / "s1", "a", [cell(boxes_on(1)[0], "Monocyte")])
    add(tmp_path / "s2", "b", [])
    assert [step.image for step in run_import("raabin", tmp_path / "s1", tmp_path / "out-1")[0]] == ["images/a.jpg"]
    both = run_import("raabin", tmp_path, tmp_path / "out-2")[0]
    assert [step.image for step in both] == ["s1/images/a.jpg", "s2/images/b.jpg"]


def test_damaged_and_unpaired_json(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    smear = tmp_path / "s1"
    box = boxes_on(1)[0]
    for name in ("cut", "list", "text", "gone", "notext", "few", "empty"):
        add(smear, name, [cell(box, "Monocyte")] if name != "empty" else [], count=3 if name == "few" else None)
    (smear / "jsons/cut.json").write_text('{"Cell Numbers": 1, "Cell_0": {')
    (smear / "jsons/list.json").write_text("[1, 2]")
    (smear / "jsons/text.json").write_text('{"Cell Numbers": 1, "Cell_0": "none"}')
    (smear / "jsons/gone.json").rename(smear / "jsons/other.json")
    (smear / "jsons/notext.json").write_text(json.dumps({"Cell_0": cell(box) | {"x2": "wide"}}))
    seen, summary = run_import("raabin", tmp_path, tmp_path / "out")
    errors = {Path(image).stem: error for image, error in errors_of(seen).items()}
    assert sorted(errors) == ["cut", "gone", "list", "notext", "text"]
    assert "cut.json cannot be read" in errors["cut"]
    assert "there is no" in errors["gone"]
    assert "list.json, found neither" in errors["list"]
    assert "'x2': 'wide'" in errors["notext"]
    assert "Cell_0 in" in errors["text"]
    assert "few.json speaks of 3 cells and has 1." in caplog.text
    assert len(read_analysis(tmp_path / "out", "s1/images/empty.jpg").cells) == 0
    (message,) = summary.left_out
    assert "other.json: there is no image of that name" in message


def test_crops_take_their_type_from_the_folder(tmp_path: Path) -> None:
    for part in ("Train", "TestA", "TestB"):
        for name in ("Basophil", "Neutrophil"):
            save(tmp_path / "Raabin" / part / name / "95-9-3-4_30_1.jpg", draw((575, 575), [(280, 290, 120)]))
    seen, _ = run_import("raabin", tmp_path, tmp_path / "out")
    assert len(seen) == 6
    (found,) = read_analysis(tmp_path / "out", "TestA/Basophil/95-9-3-4_30_1.jpg").cells
    assert (found.cell_type, found.type_source, found.outline_source) == ("basophil", "human", "model")
    assert found.box.height == pytest.approx(2.3 * 120, abs=30)
