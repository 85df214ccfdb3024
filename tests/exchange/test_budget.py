"""A small file cannot ask for masks without end; outlines that overlap within reason are read."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from roifile import ImagejRoi

from napari_wbc.cells import Box
from napari_wbc.errors import ResultsError
from napari_wbc.exchange.budget import Budget
from napari_wbc.exchange.coco import decode
from napari_wbc.exchange.told import tell_labels
from napari_wbc.results.pixels import Pixels
from tests.exchange.made import IMAGE, make_results, one_failure, ring, state

TOO_MUCH = "cover more than 4000000 px in all, on an image of 60 × 40 px"

CORNERS = [[0, 0, 2, 0, 2, 2, 0, 2], [58, 38, 60, 38, 60, 40, 58, 40]]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return make_results(tmp_path, {IMAGE: ring()})


@pytest.mark.parametrize("segmentation", [{"size": [40, 60], "counts": [0, 2400]}, CORNERS])
def test_thousands_of_outlines_of_the_whole_image_are_refused(out: Path, tmp_path: Path, segmentation: object) -> None:
    one = {"image_id": 1, "category_id": 1, "segmentation": segmentation}
    content: dict[str, list[dict[str, Any]]] = {
        "images": [{"id": 1, "file_name": IMAGE}],
        "categories": [{"id": 1, "name": "blast"}],
        "annotations": [one] * 1700,  # of 2400 px
    }
    path, before = tmp_path / "x.json", state(out)
    path.write_text(json.dumps(content))
    message = one_failure("coco", path, out)
    assert message.startswith(str(path))
    assert TOO_MUCH in message
    assert state(out) == before


@pytest.mark.parametrize("name", ["geojson", "imagej-roi"])
def test_a_line_that_goes_to_and_fro_over_the_image_is_refused(out: Path, tmp_path: Path, name: str) -> None:
    zigzag = [[i % 60, 40 * (i % 2)] for i in range(6500)]  # 16 px for each of its crossings of 40 rows
    path = tmp_path / f"a.jpg.{'geojson' if name == 'geojson' else 'zip'}"
    if name == "geojson":
        path.write_text(json.dumps([{"geometry": {"type": "Polygon", "coordinates": [zigzag]}}]))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("1.roi", ImagejRoi.frompoints(np.array(zigzag)).tobytes())
    message = one_failure(name, path, out)
    assert message.startswith(str(path))
    assert TOO_MUCH in message


def test_a_label_image_of_scattered_values_is_refused() -> None:
    labels = np.zeros((100, 100), np.int32)
    labels.flat[:5000] = np.arange(1, 5001)
    labels.flat[5000:] = np.arange(5000, 0, -1)
    with pytest.raises(ResultsError, match=r"x\.tif has outlines of cells that cover more than 4000000 px in all"):
        tell_labels(Pixels.of(labels), Path("x.tif"), None)


@pytest.mark.parametrize(("side", "n"), [(1000, 16), (100, 400)])
def test_outlines_may_cover_the_image_sixteen_times_and_a_small_one_more_often(side: int, n: int) -> None:
    budget = Budget((side, side), Path("x"))
    for _ in range(n):
        budget.take(Box(0, 0, side, side))
    with pytest.raises(ResultsError, match="Remove those that are no cells"):
        budget.take(Box(0, 0, 1, 1))


def test_what_is_refused_is_not_made_before() -> None:
    slide = (10**6, 10**6)
    with pytest.raises(ResultsError, match="cover more than 4000000000 px"):
        decode([0, 10**12], Budget(slide, Path("x")))
    with pytest.raises(ResultsError, match="cover more than 4000000000 px"):
        decode([0, 1, 10**12 - 2, 1], Budget(slide, Path("x")))
