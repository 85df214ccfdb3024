"""Drawing: the truth is what is drawn, sizes are those of blood, and the same seed draws the same."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from napari_wbc.cells import Mask
from napari_wbc.config import CELL_TYPES
from napari_wbc.errors import StorageError, UsageError
from napari_wbc.images import read_image
from napari_wbc.synthetic import RECIPES, Drawn, draw_field, write_smears


@pytest.fixture(scope="module")
def drawn() -> list[Drawn]:
    return [draw_field(np.random.default_rng(seed), n_cells=5) for seed in range(4)]


def diameter_um(field: Drawn, cell_id: int) -> float:
    """Diameter of the disc of the same area, µm."""
    return float(2 * np.sqrt((field.labels == cell_id).sum() / np.pi) * field.um_per_px)


def at_border(mask: Mask) -> bool:
    """Whether a mask reaches the border of its image."""
    return bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())


def test_the_same_seed_draws_the_same(drawn: list[Drawn]) -> None:
    again = draw_field(np.random.default_rng(0), n_cells=5)
    assert np.array_equal(again.image, drawn[0].image)
    assert np.array_equal(again.labels, drawn[0].labels)
    assert again.cell_types == drawn[0].cell_types
    assert not np.array_equal(drawn[0].image, drawn[1].image)


def test_form(drawn: list[Drawn]) -> None:
    for field in drawn:
        assert field.image.shape == (480, 640, 3)
        assert field.image.dtype == np.uint8
        assert field.labels.shape == (480, 640)
        assert field.labels.dtype == np.int32
        assert set(np.unique(field.labels)) == {0, 1, 2, 3, 4, 5}
        assert set(field.cell_types) == {1, 2, 3, 4, 5}
        assert set(field.cell_types.values()) == set(CELL_TYPES)


def test_every_cell_is_one_piece_of_its_size_and_away_from_the_border(drawn: list[Drawn]) -> None:
    for field in drawn:
        for cell_id, cell_type in field.cell_types.items():
            mask = field.labels == cell_id
            assert ndimage.label(mask)[1] == 1
            low, high = RECIPES[cell_type].diameter_um
            assert 0.93 * low <= diameter_um(field, cell_id) <= 1.07 * high
            assert not at_border(mask)


def test_the_truth_is_where_the_purple_is(drawn: list[Drawn]) -> None:
    """Cells are much darker in green than what surrounds them, and what is as dark as a nucleus lies in cells."""
    for field in drawn:
        green = field.image[..., 1].astype(float)
        dark = ndimage.binary_opening(green < 95, iterations=4)
        assert dark.sum() > 5000
        assert (field.labels[dark] > 0).mean() > 0.97
        for cell_id in field.cell_types:
            assert dark[field.labels == cell_id].mean() > 0.08


def test_cell_types_look_different() -> None:
    """Median (red, blue) inside: eosinophils are redder than monocytes, lymphocytes darker than neutrophils."""
    colours = {}
    for cell_type in CELL_TYPES:
        fields = [draw_field(np.random.default_rng(s), (220, 220), 1, cell_types=[cell_type]) for s in range(4)]
        colours[cell_type] = np.mean([f.image[f.labels == 1].mean(axis=0) for f in fields], axis=0)
    redness = {cell_type: c[0] - c[2] for cell_type, c in colours.items()}
    assert redness["eosinophil"] > redness["monocyte"] + 20
    assert colours["lymphocyte"].mean() < colours["neutrophil"].mean() - 20
    assert colours["basophil"].mean() < colours["neutrophil"].mean() - 20


def test_red_cells_are_the_ruler() -> None:
    """Isolated red cells are 7.5 µm wide, at any pixel size."""
    for um_per_px in (0.1, 0.2):
        shape = (round(48 / um_per_px), round(64 / um_per_px))
        found = []
        for seed in range(4):
            field = draw_field(np.random.default_rng(seed), shape, 0, um_per_px)
            background = np.percentile(field.image[..., 1], 97)
            mask = ndimage.binary_opening(
                ndimage.binary_fill_holes(field.image[..., 1] < background - 22), iterations=round(0.6 / um_per_px)
            )
            labels, _ = ndimage.label(mask)
            for i, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
                touches = rows.start == 0 or columns.start == 0 or rows.stop == shape[0] or columns.stop == shape[1]
                area = (labels == i).sum()
                if not touches and area / ((rows.stop - rows.start) * (columns.stop - columns.start)) > 0.72:
                    found.append(2 * np.sqrt(area / np.pi) * um_per_px)
        assert len(found) > 20
        assert np.median(found) == pytest.approx(7.5, rel=0.06)


def test_touching_cells_share_a_boundary() -> None:
    field = draw_field(np.random.default_rng(3), n_cells=2, n_touching=1)
    assert ndimage.label(field.labels > 0, np.ones((3, 3)))[1] == 1
    assert set(np.unique(field.labels)) == {0, 1, 2}
    for cell_id in (1, 2):
        assert ndimage.label(field.labels == cell_id)[1] == 1
    apart = draw_field(np.random.default_rng(3), n_cells=2)
    assert ndimage.label(apart.labels > 0, np.ones((3, 3)))[1] == 2


def test_cells_at_the_border_only_if_asked() -> None:
    cut = 0
    for seed in range(6):
        labels = draw_field(np.random.default_rng(seed), (220, 220), 1, at_border=True).labels
        cut += at_border(labels > 0)
    assert cut >= 2


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(UsageError, match="30 white cells do not fit"):
        draw_field(np.random.default_rng(0), (200, 200), 30)
    with pytest.raises(UsageError, match="blast"):
        draw_field(np.random.default_rng(0), cell_types=["blast"])


def test_write_smears(tmp_path: Path) -> None:
    smears = write_smears(tmp_path, n_slides=2, n_fields=1, seed=4, n_cells=3)
    names = [path.relative_to(tmp_path / "images").as_posix() for path, _ in smears]
    assert names == ["slide-1/field-1.png", "slide-2/field-1.png"]
    rows = list(csv.DictReader((tmp_path / "truth" / "cells.csv").read_text(encoding="utf-8").splitlines()))
    for name, (path, field) in zip(names, smears, strict=True):
        read = read_image(path)
        assert np.array_equal(read.pixels, field.image)
        assert read.um_per_px == pytest.approx(0.1)
        assert np.array_equal(tifffile.imread(tmp_path / "truth" / "labels" / f"{name}.tif"), field.labels)
        assert {int(r["cell_id"]): r["cell_type"] for r in rows if r["image"] == name} == field.cell_types
    again = write_smears(tmp_path / "again", n_slides=2, n_fields=1, seed=4, n_cells=3)
    assert [path.read_bytes() for path, _ in again] == [path.read_bytes() for path, _ in smears]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        write_smears(tmp_path / "file", 1, 1)
