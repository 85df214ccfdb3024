"""BCCD: VOC boxes of white cells among those of red cells and platelets."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_wbc.cells import Box
from napari_wbc.results import read_analysis, read_record
from tests.datasets.trees import draw, errors_of, run_import, save

SHAPE = (48, 64)
VocBox = tuple[object, object, object, object]


def voc(boxes: list[tuple[str, VocBox]], size: tuple[int, int] = SHAPE) -> str:
    objects = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
        for name, (x0, y0, x1, y1) in boxes
    )
    return f"<annotation><size><width>{size[1]}</width><height>{size[0]}</height></size>{objects}</annotation>"


def add(base: Path, name: str, note: str | None) -> None:
    save(base / "JPEGImages" / f"{name}.jpg", draw(SHAPE, [(24, 24, 10)]))
    (base / "Annotations").mkdir(exist_ok=True)
    if note is not None:
        (base / "Annotations" / f"{name}.xml").write_text(note)


@pytest.fixture
def bccd(tmp_path: Path) -> Path:
    base = tmp_path / "BCCD"
    white: list[tuple[str, VocBox]] = [("WBC", (1, 3, 20, 30)), ("WBC", (40, 20, 64, 48))]
    add(base, "a", voc([("RBC", (5, 5, 9, 9)), *white, ("Platelets", (7, 7, 7, 7))]))
    add(base, "b", voc([("RBC", (5, 5, 9, 9))]))
    return base


def test_only_white_cells_are_imported_and_voc_counts_from_one(bccd: Path, tmp_path: Path) -> None:
    _, summary = run_import("bccd", bccd, tmp_path / "out")
    first, second = read_analysis(tmp_path / "out", "JPEGImages/a.jpg").cells
    assert (first.box, second.box) == (Box(2, 0, 30, 20), Box(19, 39, 48, 64))
    assert (first.touches_border, second.touches_border) == (True, True)
    assert {(cell.cell_type, cell.type_source, cell.outline_source) for cell in (first, second)} == {
        ("unidentified", "model", "model")
    }
    assert len(read_analysis(tmp_path / "out", "JPEGImages/b.jpg").cells) == 0
    assert {image.reviewed_by for image in summary.summary.images} == {None}


def test_batch_does_not_overwrite_boxes_that_a_person_drew(bccd: Path, tmp_path: Path) -> None:
    run_import("bccd", bccd, tmp_path / "out")
    assert read_record(tmp_path / "out", "JPEGImages/a.jpg").has_human_work


def test_faults_cost_one_image_each(bccd: Path, tmp_path: Path) -> None:
    add(bccd, "c", None)
    add(bccd, "d", "<annotation><object>")
    add(bccd, "e", voc([("WBC", (5, 5, 9, 9))], size=(480, 640)))
    add(bccd, "f", voc([("WBC", (5, 5, "?", 9))]))
    add(bccd, "g", voc([("WBC", (50, 5, 70, 9))]))
    add(bccd, "h", voc([("WBC", (9, 5, 5, 9))]))
    add(bccd, "i", "<annotation><object><name>WBC</name></object></annotation>")
    (bccd / "Annotations/z.xml").write_text(voc([]))
    seen, summary = run_import("bccd", tmp_path, tmp_path / "out")
    assert summary.run.counts.done == 2
    errors = {Path(image).stem: error for image, error in errors_of(seen).items()}
    assert sorted(errors) == list("cdefghi")
    for name, text in {
        "c": "c.xml. Restore it",
        "d": "d.xml cannot be read",
        "e": "e.xml was made for 640 × 480",
        "f": "f.xml, found xmin=5, ymin=5, xmax=?, ymax=9",
        "g": "g.xml is empty or outside the image: (4, 49, 9, 70)",
        "h": "h.xml is empty or outside the image",
        "i": "i.xml has no bndbox",
    }.items():
        assert text in errors[name]
    (message,) = summary.left_out
    assert "z.xml: there is no image of that name" in message
