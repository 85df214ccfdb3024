"""The gallery of the report: which cells, in which order, from which images; and that it stays small."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from napari_wbc.batch import run
from napari_wbc.batch.collect import collect
from napari_wbc.cells import Analysis, Box, Cell, CellTable, RgbImage, Scale
from napari_wbc.config import Settings
from napari_wbc.exchange import gallery
from napari_wbc.exchange.gallery import CROP_PX, Gallery, make_gallery
from napari_wbc.results import write_analysis
from napari_wbc.results.least_certain import MOST_PER_TYPE, LeastCertain
from napari_wbc.results.record import InputFile, Origin
from napari_wbc.results.runfile import read_run, write_run
from napari_wbc.results.summary import make_tables
from tests.fakes import load_fakes
from tests.smears import write_slides
from tests.test_report import make_run

P = (0.1, 0.0, 0.5, 0.4, 0.0)
"""A lymphocyte, or else a monocyte."""


def cell(cell_id: int, cell_type: str = "lymphocyte", margin: float | None = 0.1, **values: object) -> Cell:
    given = {"box": Box(20, 20, 40, 40), "p": P, **values}
    place = {"centroid_x": 29.5, "centroid_y": 29.5, "area_px": 400, "touches_border": False}
    return Cell(cell_id, cell_type=cell_type, margin=margin, **place, **given)  # type: ignore[arg-type]


def add(root: Path, image: str, cells: list[Cell], pixels: RgbImage | None = None) -> None:
    """An image, below `root/in`, and its record, below `root/out`."""
    path = root / "in" / image
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((60, 80, 3), np.uint8) if pixels is None else pixels
    Pillow.fromarray(pixels).save(path)
    labels = np.zeros(pixels.shape[:2], np.int32)
    source = InputFile(sha256=hashlib.sha256(path.read_bytes()).hexdigest(), size=path.stat().st_size, mtime_ns=0)
    analysis = Analysis(labels, CellTable(tuple(cells)), Scale(0.1, 1.0, "user"))
    write_analysis(root / "out", image, analysis, source, Origin(segmenter="s", classifier="c", settings="x"))
    write_run(root / "out", make_run(input_root="../in"))


def of(root: Path) -> Gallery:
    return make_gallery(root / "out", read_run(root / "out"), make_tables(root / "out"))


def shown(found: Gallery) -> dict[str, list[tuple[str, int]]]:
    return {
        type_.cell_type: [(picture.example.image, picture.example.cell.cell_id) for picture in type_.pictures]
        for type_ in found.types
    }


def opened(found: Gallery, cell_type: str) -> list[RgbImage]:
    jpegs = [picture.jpeg for type_ in found.types if type_.cell_type == cell_type for picture in type_.pictures]
    return [np.asarray(Pillow.open(BytesIO(base64.b64decode(jpeg)))) for jpeg in jpegs]


def test_the_least_certain_come_first_and_the_reviewed_last(tmp_path: Path) -> None:
    add(tmp_path, "s/b.png", [cell(1, margin=0.3), cell(2, margin=None), cell(3, margin=0.01, type_source="human")])
    add(tmp_path, "s/a.png", [cell(1, margin=0.3), cell(2, margin=0.2), cell(3, margin=0.0, reviewed_by="me")])
    assert shown(of(tmp_path)) == {
        "lymphocyte": [("s/a.png", 2), ("s/a.png", 1), ("s/b.png", 1), ("s/b.png", 2), ("s/a.png", 3), ("s/b.png", 3)]
    }


def test_types_stand_in_the_order_of_the_differential_with_their_numbers(tmp_path: Path) -> None:
    types = ["smudge", "unidentified", "blast", "monocyte", "basophil", "blast"]
    add(tmp_path, "a.png", [cell(i, name) for i, name in enumerate(types, start=1)])
    found = of(tmp_path)
    assert [(type_.cell_type, type_.n) for type_ in found.types] == [
        ("basophil", 1), ("monocyte", 1), ("blast", 2), ("unidentified", 1), ("smudge", 1),
    ]  # fmt: skip
    seconds = {type_.cell_type: type_.pictures[0].second_type for type_ in found.types}
    assert seconds["monocyte"] == "lymphocyte"
    assert seconds["unidentified"] == "lymphocyte"
    add(tmp_path, "a.png", [cell(1), cell(2, p=None)])
    assert [picture.second_type for picture in of(tmp_path).types[0].pictures] == ["monocyte", None]


def test_a_crop_shows_the_cell_and_a_little_round_it(tmp_path: Path) -> None:
    pixels = np.full((60, 80, 3), 230, np.uint8)
    pixels[20:40, 20:40] = (120, 40, 160)
    pixels[0:20, 60:80] = (120, 40, 160)
    add(tmp_path, "a.png", [cell(1), cell(2, "monocyte", box=Box(0, 60, 20, 80))], pixels)
    found = of(tmp_path)
    [inside], [corner] = opened(found, "lymphocyte"), opened(found, "monocyte")
    assert inside.shape == corner.shape == (CROP_PX, CROP_PX, 3)
    for crop, (y, x) in ((inside, (CROP_PX // 2, CROP_PX // 2)), (corner, (8, CROP_PX - 8))):
        assert np.abs(crop[y, x].astype(int) - (120, 40, 160)).max() < 12
        assert crop[CROP_PX - 4, 4].min() > 215
        assert (crop[..., 1] < 128).mean() == pytest.approx(1 / 1.4**2, abs=0.03)


def test_the_number_of_pictures_and_their_bytes_are_bounded(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    add(tmp_path, "a.png", [cell(i, f"type {i % 20:02}", margin=i / 1000) for i in range(1, 401)], noise)
    found = of(tmp_path)
    assert len(found.types) == gallery.MOST_TYPES
    assert {len(type_.pictures) for type_ in found.types} == {MOST_PER_TYPE}
    assert [picture.example.cell.cell_id for picture in found.types[1].pictures] == [1 + 20 * k for k in range(MOST_PER_TYPE)]
    assert max(len(picture.jpeg) for type_ in found.types for picture in type_.pictures) < 20_000


def test_images_that_are_gone_changed_or_broken_are_left_out_quietly(tmp_path: Path) -> None:
    for name in ("gone.png", "changed.png", "folder.png", "here.png"):
        add(tmp_path, name, [cell(1), cell(2, "monocyte")])
    (tmp_path / "in" / "gone.png").unlink()
    with (tmp_path / "in" / "changed.png").open("ab") as file:
        file.write(b"x")
    (tmp_path / "in" / "folder.png").unlink()
    (tmp_path / "in" / "folder.png").mkdir()
    found = of(tmp_path)
    assert shown(found) == {"lymphocyte": [("here.png", 1)], "monocyte": [("here.png", 2)]}
    assert found.n_missing == 6
    (tmp_path / "in").rename(tmp_path / "moved")
    collect(tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<img" not in page
    assert "no longer where it was, has changed or is too large: 8." in page


def test_few_pixels_are_read_the_least_certain_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "MOST_MEGAPIXELS", 2.5 * 60 * 80 / 1e6)
    for i, margin in enumerate((0.3, 0.1, 0.4, 0.2)):
        add(tmp_path, f"{i}.png", [cell(1, margin=margin)])
    found = of(tmp_path)
    assert shown(found) == {"lymphocyte": [("1.png", 1), ("3.png", 1)]}
    assert found.n_missing == 2


def test_equal_results_give_an_equal_report(tmp_path: Path) -> None:
    for root in (tmp_path / "1", tmp_path / "2"):
        for i in range(5) if root.name == "1" else reversed(range(5)):
            add(root, f"{i}.png", [cell(1, margin=0.2), cell(2, margin=0.2)])
        collect(root / "out")
    first, second = ((tmp_path / name / "out" / "report.html").read_bytes() for name in "12")
    assert first == second
    assert first.count(b"<img") == 10


def test_the_report_of_a_run_differs_only_in_times(tmp_path: Path) -> None:
    smears = write_slides(tmp_path / "in")
    pages = []
    for group_images in (1, 5):
        out = tmp_path / f"out-{group_images}"
        for _ in run(smears, out, load_fakes, Settings(um_per_px=0.17, min_area_px=20), group_images=group_images):
            pass
        page = (out / "report.html").read_text(encoding="utf-8")
        pages.append(re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", page))
    assert pages[0] == pages[1]
    assert (pages[0].count("<img"), pages[0].count("TIME")) == (10, 2)


def test_the_order_in_which_cells_are_seen_does_not_matter() -> None:
    def kept(order: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Mapping[str, object]:
        seen = LeastCertain()
        for i in order:
            seen.add(f"{i % 7}.png", cell(int(i), margin=(i % 10) / 10), "lymphocyte", bool(i % 3 == 0))
        return seen.by_type()

    rng = np.random.default_rng(1)
    first = kept(np.arange(300))
    assert all(kept(rng.permutation(300)) == first for _ in range(5))
    ids = sorted(range(300), key=lambda i: (i % 3 == 0, i % 10, i % 7, i))[:MOST_PER_TYPE]
    assert [example.cell.cell_id for example in first["lymphocyte"]] == ids  # type: ignore[attr-defined]
