"""Every format that has outlines: random cells, their ids and their types come back exactly."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_wbc.cells import Analysis, CellTable, Labels
from napari_wbc.exchange.merging import merge
from napari_wbc.exchange.told import Told
from napari_wbc.exchange.transfer import MODULES
from tests.exchange.made import (
    IMAGE,
    as_analysis,
    bring_in,
    cells_of,
    emptied,
    export,
    known_of,
    label_images,
    labels_of,
    make_results,
    merged,
    quick,
    ring,
    state,
)

WHOLE = ["geojson", "coco", "ome-tiff", "imagej-roi", "png-masks"]
NASTY = ("neutrophil", "=cmd|' /C calc'!A0", "Ärger 😀", 'a, "b"', "../../x", "two\nlines", "'q", "a/b", "unidentified")


def there_and_back(name: str, analysis: Analysis, image: str = IMAGE) -> Told:
    """What a file that was written of an analysis says of it."""
    height, width = analysis.labels.shape
    known = known_of(analysis, image)
    with tempfile.TemporaryDirectory() as folder:
        dst = Path(folder)
        assert list(MODULES[name].write([known], dst)) == [image]
        return MODULES[name].find(dst, ["other.png", image])[image]((height, width))


@pytest.mark.parametrize("name", WHOLE)
@quick
@given(labels=label_images(), types=st.permutations(NASTY))
def test_outlines_ids_and_types_come_back(name: str, labels: Labels, types: list[str]) -> None:
    analysis = as_analysis(labels, types)
    told = there_and_back(name, analysis)
    none = Analysis(np.zeros_like(labels), CellTable(), analysis.scale)
    found = merged(none, told)
    np.testing.assert_array_equal(found.labels, labels)
    assert [(c.cell_id, c.cell_type, c.box, c.area_px) for c in found.cells] == [
        (c.cell_id, c.cell_type, c.box, c.area_px) for c in analysis.cells
    ]


@pytest.mark.parametrize("name", WHOLE)
@quick
@given(labels=label_images())
def test_what_nobody_changed_changes_nothing(name: str, labels: Labels) -> None:
    analysis = as_analysis(labels)
    known = dataclasses.replace(known_of(analysis), pixels=lambda: pytest.fail("nothing is to be measured"))
    found = merge(known, there_and_back(name, analysis))
    assert not found.changed
    assert found.labels is None
    assert found.cells == analysis.cells


@pytest.mark.parametrize("name", list(MODULES))
def test_a_folder_that_comes_back_as_it_went_is_not_touched(name: str, tmp_path: Path) -> None:
    out = make_results(tmp_path, {IMAGE: ring(), "b.png": ring((50, 70)), "none.png": np.zeros((9, 9), np.int32)})
    before = state(out)
    transfer = bring_in(name, export(name, out, tmp_path / "dst"), out)
    assert transfer.done == transfer.failed == ()
    assert IMAGE in transfer.skipped
    assert state(out) == before


@pytest.mark.parametrize("name", WHOLE)
def test_cells_come_back_into_a_folder_that_has_none(name: str, tmp_path: Path) -> None:
    images = {IMAGE: ring(), "b.png": ring((50, 70))}
    out, bare = make_results(tmp_path / "a", images), emptied(tmp_path / "b", images)
    transfer = bring_in(name, export(name, out, tmp_path / "dst"), bare)
    assert set(transfer.done) == set(images)
    for image in images:
        np.testing.assert_array_equal(labels_of(bare, image), labels_of(out, image))
        found, wanted = cells_of(bare, image), cells_of(out, image)
        assert {i: cell.cell_type for i, cell in found.items()} == {i: cell.cell_type for i, cell in wanted.items()}
        assert all(cell.outline_source == "human" for cell in found.values())
        assert {i: (c.mean_red, c.nucleus_area_px, c.solidity) for i, c in found.items()} == {
            i: (c.mean_red, c.nucleus_area_px, c.solidity) for i, c in wanted.items()
        }


@pytest.mark.parametrize("name", list(MODULES))
def test_equal_results_give_equal_bytes(name: str, tmp_path: Path) -> None:
    out = make_results(tmp_path, {IMAGE: ring()})
    assert state(export(name, out, tmp_path / "one")) == state(export(name, out, tmp_path / "two"))


@pytest.mark.parametrize("name", list(MODULES))
def test_an_image_without_cells_is_written_too(name: str, tmp_path: Path) -> None:
    out = make_results(tmp_path, {IMAGE: np.zeros((12, 15), np.int32)})
    export(name, out, tmp_path / "dst")
