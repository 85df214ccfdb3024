"""LISC: smaller masks, pairing by number, nuclei, several cells, and the folder's spellings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_wbc.cells import Box
from napari_wbc.results import read_analysis, read_record
from tests.datasets.trees import Disc, draw, draw_mask, errors_of, run_import, save

SHAPE = (576, 720)
INNER = (568, 712)


def add(base: Path, folder: str, number: int, discs: list[Disc], nuclei: bool = False, masked: bool = True) -> None:
    """An image with cells, and its mask, which lacks 4 px on every side; nuclei have half the radius."""
    save(base / "Main Dataset" / folder / f"{number}.bmp", draw(SHAPE, discs))
    if masked:
        drawn = [(y - 4, x - 4, r) for y, x, r in discs]
        drawn += [(y, x, r / 2) for y, x, r in drawn] if nuclei else []
        levels = [120] * len(discs) + [255] * (len(drawn) - len(discs))
        save(mask_path(base, folder, number), draw_mask(INNER, drawn, levels))


def mask_path(base: Path, folder: str, number: int) -> Path:
    return base / "Ground Truth Segmentation" / folder / "areaforexpert1" / f"{number}_expert.bmp"


@pytest.fixture
def lisc(tmp_path: Path) -> Path:
    base = tmp_path / "LISC Database"
    add(base, "Baso", 1, [(100, 110, 30)], nuclei=True)
    add(base, "Baso", 2, [(200, 210, 30)])
    add(base, "Baso", 10, [(300, 310, 30)])
    add(base, "lymp", 3, [(100, 110, 30), (300, 500, 40)])
    add(base, "mixt", 1, [(100, 110, 30), (300, 500, 40)])
    return base


def test_masks_are_padded_and_paired_by_number(lisc: Path, tmp_path: Path) -> None:
    _, summary = run_import("lisc", lisc, tmp_path / "out")
    assert summary.exit_code == 0
    assert summary.left_out == ()
    for number, (y, x) in {1: (100, 110), 2: (200, 210), 10: (300, 310)}.items():
        (cell,) = read_analysis(tmp_path / "out", f"Main Dataset/Baso/{number}.bmp").cells
        assert cell.box == Box(y - 29, x - 29, y + 30, x + 30)
        assert (cell.centroid_y, cell.centroid_x) == (y, x)
        assert (cell.cell_type, cell.type_source, cell.outline_source) == ("basophil", "human", "human")


def test_the_nucleus_is_known_where_it_was_drawn(lisc: Path, tmp_path: Path) -> None:
    run_import("lisc", lisc, tmp_path / "out")
    (with_nucleus,) = read_analysis(tmp_path / "out", "Main Dataset/Baso/1.bmp").cells
    (without,) = read_analysis(tmp_path / "out", "Main Dataset/Baso/2.bmp").cells
    assert with_nucleus.nucleus_area_px == np.count_nonzero(draw_mask(INNER, [(100, 100, 15)], [1]))
    assert with_nucleus.area_px == without.area_px == np.count_nonzero(draw_mask(INNER, [(100, 100, 30)], [1]))
    assert (without.nucleus_area_px, without.nc_ratio) == (None, None)


def test_the_expert_vouches_for_every_image_and_nobody_named_the_mixed_cells(lisc: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _, summary = run_import("lisc", lisc, out)
    assert {image.reviewed_by for image in summary.summary.images} == {"LISC expert"}
    assert [cell.cell_type for cell in read_analysis(out, "Main Dataset/lymp/3.bmp").cells] == ["lymphocyte"] * 2
    mixed = read_analysis(out, "Main Dataset/mixt/1.bmp").cells
    assert [(cell.cell_type, cell.type_source) for cell in mixed] == [("unidentified", "model")] * 2
    assert {cell.reviewed_by for cell in mixed} == {"LISC expert"}


def test_an_unexpected_number_of_pieces_is_told_and_not_vouched_for(
    lisc: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add(lisc, "neut", 31, [(100, 110, 30)])
    add(lisc, "neut", 5, [(100, 110, 30), (300, 500, 40)])
    _, summary = run_import("lisc", lisc, tmp_path / "out")
    assert summary.run.counts.done == 7
    for number, message in ((31, "several cells are expected, and its mask has 1 piece."), (5, "one cell is expected")):
        assert read_record(tmp_path / "out", f"Main Dataset/neut/{number}.bmp").row.reviewed_by is None
        assert f"Main Dataset/neut/{number}.bmp: {message}" in caplog.text


def test_unpaired_damaged_and_misfit_files_cost_one_message_each(lisc: Path, tmp_path: Path) -> None:
    add(lisc, "mono", 1, [(100, 110, 30)], masked=False)
    add(lisc, "mono", 2, [(100, 110, 30)])
    (lisc / "Main Dataset/mono/2.bmp").write_bytes(b"BM, but not much more")
    add(lisc, "mono", 3, [(100, 110, 30)])
    save(mask_path(lisc, "mono", 3), draw_mask((560, 700), [(100, 100, 30)], [255]))
    add(lisc, "mono", 4, [(100, 110, 30)])
    mask_path(lisc, "mono", 4).write_bytes(b"")
    save(mask_path(lisc, "mono", 99), draw_mask(INNER, [(100, 100, 30)], [255]))
    (lisc / "Main Dataset/mono/.5.bmp").write_bytes(b"a dot file")
    (lisc / "Main Dataset/mono/Thumbs.db").write_bytes(b"no image")
    save(lisc / "Main Dataset/mono/cell.bmp", draw((8, 8), []))
    seen, summary = run_import("lisc", lisc, tmp_path / "out")
    assert summary.run.counts.done == 5
    assert summary.exit_code == 1
    errors = errors_of(seen)
    assert sorted(errors) == [f"Main Dataset/mono/{i}.bmp" for i in (1, 2, 3, 4)]
    expected = ("has no mask: there is no", "damaged", "700 × 560 px; expected 720 × 576", "4_expert.bmp: the file is empty")
    for number, text in enumerate(expected, start=1):
        assert text in errors[f"Main Dataset/mono/{number}.bmp"]
    cell, mask = summary.left_out
    assert "cell.bmp: a file name with a number is expected" in cell
    assert "99_expert.bmp: there is no image 99" in mask


def test_other_spellings_and_the_folder_above_are_understood(lisc: Path, tmp_path: Path) -> None:
    lisc.rename(lisc.with_name("LISC_Database"))
    _, summary = run_import("lisc", tmp_path, tmp_path / "out")
    assert summary.run.counts.done == 5
    assert summary.run.input_root == "../LISC_Database"
