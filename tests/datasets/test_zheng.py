"""Zheng's sets: masks with a nucleus, classes in a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_wbc.results import read_analysis, read_record
from tests.datasets.trees import draw, draw_mask, errors_of, run_import, save

SHAPE = (60, 64)
CELL, NUCLEUS = (30, 32, 20), (28, 30, 9)


def add(base: Path, number: int, dataset: int = 1) -> Path:
    folder = base / f"Dataset {dataset}"
    save(folder / f"{number:03d}.png", draw_mask(SHAPE, [CELL, NUCLEUS], [128, 255]))
    return save(folder / f"{number:03d}.bmp", draw(SHAPE, [CELL]))


@pytest.fixture
def zheng(tmp_path: Path) -> Path:
    base = tmp_path / "segmentation_WBC-master"
    for number in range(1, 6):
        add(base, number)
    add(base, 45, dataset=2)
    (base / "Class Labels of Dataset 1.csv").write_text("image ID,class label\n1,1\n2,2\n3,3\n4,4\n5,5\n")
    (base / "Class Labels of Dataset 2.csv").write_text("image ID,class\r\n45,3\r\n\r\n")
    return base


def test_outline_nucleus_and_type_are_read(zheng: Path, tmp_path: Path) -> None:
    seen, summary = run_import("zheng", zheng, tmp_path / "out")
    assert [step.done for step in seen] == list(range(1, 7))
    types = {}
    for step in seen:
        (cell,) = read_analysis(tmp_path / "out", step.image).cells
        types[step.image] = cell.cell_type
        assert cell.area_px == np.count_nonzero(draw_mask(SHAPE, [CELL], [1]))
        assert cell.nucleus_area_px == np.count_nonzero(draw_mask(SHAPE, [NUCLEUS], [1]))
        assert cell.nc_ratio == pytest.approx((9 / 20) ** 2, abs=0.02)
        assert (cell.outline_source, cell.type_source, cell.reviewed_by) == ("human", "human", "Zheng et al.")
    names = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil")
    assert types == {f"Dataset 1/{i:03d}.bmp": name for i, name in enumerate(names, 1)} | {"Dataset 2/045.bmp": "monocyte"}
    assert summary.left_out == ()


def test_the_image_whose_mask_lacks_a_cell_is_not_vouched_for(zheng: Path, tmp_path: Path) -> None:
    _, summary = run_import("zheng", zheng, tmp_path / "out")
    assert {image.image for image in summary.summary.images if not image.reviewed_by} == {"Dataset 2/045.bmp"}


def test_a_table_with_faults_costs_a_message_for_each(zheng: Path, tmp_path: Path) -> None:
    (zheng / "Class Labels of Dataset 1.csv").write_text("image ID,class label\n1,1\n2,7\n3\n4,x\n")
    (zheng / "Class Labels of Dataset 2.csv").unlink()
    _, summary = run_import("zheng", zheng, tmp_path / "out")
    assert summary.run.counts.done == 6
    named = [row for row in summary.summary.pooled if row.n]
    assert [(row.cell_type, row.n) for row in named] == [("neutrophil", 1), ("unidentified", 5)]
    for line, text in ((3, "found 2,7."), (4, "found 3."), (5, "found 4,x.")):
        assert sum(f"line {line}: " in message and message.endswith(text) for message in summary.left_out) == 1
    assert sum("has no class" in message for message in summary.left_out) == 4
    assert sum("Class Labels of Dataset 2.csv: is missing" in message for message in summary.left_out) == 1


def test_unpaired_files_and_two_pieces(zheng: Path, tmp_path: Path) -> None:
    (zheng / "Dataset 1/001.png").unlink()
    (zheng / "Dataset 1/002.bmp").unlink()
    save(zheng / "Dataset 1/003.png", draw_mask(SHAPE, [(15, 15, 10), (45, 45, 10)], [128, 128]))
    save(zheng / "Dataset 1/004.png", draw_mask((56, 60), [CELL], [128]))
    seen, summary = run_import("zheng", zheng, tmp_path / "out")
    errors = errors_of(seen)
    assert sorted(errors) == ["Dataset 1/001.bmp", "Dataset 1/004.bmp"]
    assert "there is no" in errors["Dataset 1/001.bmp"]
    assert "60 × 56 px; expected 64 × 60, as the image." in errors["Dataset 1/004.bmp"]
    assert [message for message in summary.left_out if "002.png: there is no image 002.bmp" in message]
    pieces = read_record(tmp_path / "out", "Dataset 1/003.bmp")
    assert pieces.row.reviewed_by is None
    assert [(cell.cell_type, cell.type_source) for cell in pieces.cells] == [("unidentified", "model")] * 2
