"""What an export cannot write costs one image, and results that contradict themselves are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_wbc.errors import ResultsError
from napari_wbc.exchange.transfer import export_results
from napari_wbc.results import record_path
from tests.exchange.made import IMAGE, bring_in, export, make_results, ring

LONG = "a" * 246 + ".png"
"""The longest name of which results can have a record: 250 bytes and `.json`."""


@pytest.mark.parametrize("name", ["geojson", "ome-tiff"])
def test_a_name_too_long_for_a_format_costs_its_image(tmp_path: Path, name: str) -> None:
    out = make_results(tmp_path, {LONG: ring(), "b.png": ring()})
    steps = list(export_results(name, out, tmp_path / "dst"))
    assert [(step.image, step.status) for step in steps] == [(LONG, "failed"), ("b.png", "done")]
    assert steps[0].error is not None
    assert "258 bytes, more than the 255" in steps[0].error
    assert [path.name for path in (tmp_path / "dst").glob("*.png.*")] == [f"b.png{path_suffix(name)}"]


def path_suffix(name: str) -> str:
    return {"geojson": ".geojson", "ome-tiff": ".ome.tif"}[name]


def test_an_image_whose_name_is_too_long_to_write_is_read_from_a_shorter_one(tmp_path: Path) -> None:
    out = make_results(tmp_path, {LONG: ring()})
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / f"{LONG.removesuffix('.png')}.geojson").write_text("[]")
    assert bring_in("geojson", tmp_path / "src", out).done == (LONG,)


@pytest.mark.parametrize("name", ["imagej-roi", "png-masks", "yolo", "crops"])
def test_other_formats_hold_the_longest_name(tmp_path: Path, name: str) -> None:
    export(name, make_results(tmp_path, {LONG: ring()}), tmp_path / "dst")


@pytest.mark.parametrize("name", ["geojson", "coco", "imagej-roi", "png-masks"])
@pytest.mark.parametrize("wrong", [3, 9999])
def test_a_cell_that_the_label_image_lacks_is_named(tmp_path: Path, name: str, wrong: int) -> None:
    out = make_results(tmp_path, {IMAGE: ring()})
    record = json.loads(record_path(out, IMAGE).read_text(encoding="utf-8"))
    record["cells"][-1]["cell_id"] = wrong
    record_path(out, IMAGE).write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(ResultsError, match=rf"slide 1/a\.jpg\.png has no pixel of cell {wrong}, .*`napari-wbc verify`"):
        export(name, out, tmp_path / "dst")
