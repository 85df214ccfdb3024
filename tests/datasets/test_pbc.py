"""PBC: crops with a type each; dot files."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_wbc.results import read_analysis, read_record
from tests.datasets.trees import draw, run_import, save

TYPES = ("basophil", "eosinophil", "erythroblast", "ig", "lymphocyte", "monocyte", "neutrophil", "platelet")


@pytest.fixture
def pbc(tmp_path: Path) -> Path:
    base = tmp_path / "PBC_dataset_normal_DIB"
    for i, name in enumerate(TYPES):
        save(base / name / f"XY_{i}.jpg", draw((363, 360), [(180, 180, 60)]))
        (base / name / f"._XY_{i}.jpg").write_bytes(b"\0\5\x16\7 resource fork")
    (base / "neutrophil" / ".DS_169665.jpg").write_bytes(b"\xff\xd8\xff dot file")
    return base


def test_a_crop_has_a_human_type_and_a_stand_in_for_its_outline(pbc: Path, tmp_path: Path) -> None:
    seen, summary = run_import("pbc", pbc, tmp_path / "out")
    assert [step.image for step in seen] == [f"{name}/XY_{i}.jpg" for i, name in enumerate(TYPES)]
    assert summary.left_out == ()
    for step, name in zip(seen, TYPES, strict=True):
        (cell,) = read_analysis(tmp_path / "out", step.image).cells
        assert (cell.cell_type, cell.type_source, cell.outline_source) == (name, "human", "model")
        assert cell.reviewed_by == "PBC authors"
        assert (cell.p, cell.nc_ratio, cell.perimeter_px, cell.mean_red) == (None,) * 4
        assert abs(cell.centroid_x - 180) < 8
        assert abs(cell.centroid_y - 180) < 8
        assert 110 < cell.box.width < 165
        assert not cell.touches_border


def test_no_image_is_vouched_for_so_that_no_segmenter_learns_ellipses(pbc: Path, tmp_path: Path) -> None:
    _, summary = run_import("pbc", pbc, tmp_path / "out")
    assert len(summary.summary.images) == 8
    assert {image.reviewed_by for image in summary.summary.images} == {None}


def test_types_that_are_none_of_the_five_are_types_of_the_users(pbc: Path, tmp_path: Path) -> None:
    _, summary = run_import("pbc", pbc, tmp_path / "out")
    assert {row.cell_type: row.n for row in summary.summary.pooled if row.n} == dict.fromkeys(TYPES, 1)


def test_a_folder_of_no_known_type_and_a_damaged_crop(pbc: Path, tmp_path: Path) -> None:
    save(pbc / "smudge cells" / "a.jpg", draw((20, 20), []))
    whole = (pbc / "ig/XY_3.jpg").read_bytes()
    (pbc / "ig/XY_3.jpg").write_bytes(whole[: len(whole) // 2])
    _, summary = run_import("pbc", tmp_path, tmp_path / "out")
    assert (summary.run.counts.done, summary.run.counts.failed) == (7, 1)
    assert "damaged" in (read_record(tmp_path / "out", "ig/XY_3.jpg").row.error or "")
    (message,) = summary.left_out
    assert "smudge cells: a folder of no known type" in message
