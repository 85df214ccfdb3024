"""The bundled models on real images: what docs/results.md says must hold, with a little room."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import devdata
import judge
import pytest
import touching
from scipy import ndimage
from single_cells import judge_cells

from napari_wbc.batch.collect import collect
from napari_wbc.config import CELL_TYPES
from napari_wbc.nets import load_models
from napari_wbc.pipeline import Models, segment_cells

pytestmark = pytest.mark.skipif(
    not (devdata.ROOT / "bccd" / "index.csv").is_file(), reason=f"no development data at {devdata.ROOT} (NAPARI_WBC_DATA)"
)


@pytest.fixture(scope="module")
def models() -> Models:
    return load_models(device="cpu")


def test_the_command_line_on_99_fields_and_a_truncated_one(tmp_path: Path) -> None:
    code, _, figures = judge.judge_bccd(tmp_path)
    assert code == 1
    summary = collect(tmp_path / "bccd_results")
    (failed,) = summary.failed
    assert failed.image == "truncated.jpg"
    assert "truncated" in str(failed.error)
    assert len(summary.images) == 100
    assert figures.images == 99
    assert figures.objects.average_precision is not None
    assert figures.objects.average_precision >= 0.98
    assert figures.pixels.iou_wbc is not None
    assert figures.pixels.iou_wbc >= 0.92
    assert figures.found_cells - figures.objects.precision_50.k <= 2, "false cells"


def test_the_same_smear_at_another_resolution_gives_the_same_cells(models: Models) -> None:
    fields = list(devdata.bccd("dev"))[::9]
    assert judge.judge_scale(models, fields) == len(fields)


def test_types_of_single_cells(models: Models) -> None:
    def some() -> Iterator[devdata.Real]:
        for cell_type in CELL_TYPES:
            yield from islice((real for real in devdata.pbc("dev") if real.cell_type == cell_type), 16)

    rows = list(judge_cells(some(), models))
    assert len(rows) == 80
    assert sum(row.true_type == row.named for row in rows) >= 76


def test_touching_cells_are_parted(models: Models) -> None:
    name, settings, bases, patches = next(iter(touching.sets(models.segmenter.cell_diameter_um)))
    assert name == "bccd dev"
    pairs = list(touching.clusters(bases, patches, n_cells=2, count=12, seed=5))
    assert sum(touching.parted(pair, models.segmenter, settings) for pair in pairs) >= 10
    assert not any(touching.parted(pair, models.segmenter, touching.without_parting(settings)) for pair in pairs)


def test_images_of_the_training_laboratories_are_known_and_blurred_ones_are_not(models: Models) -> None:
    fields = [real.pixels for real in devdata.bccd("dev")][::10]
    known = [segment_cells(pixels, models.segmenter).domain for pixels in fields]
    blurred = [ndimage.gaussian_filter(pixels, (7, 7, 0)) for pixels in fields]
    strange = [segment_cells(pixels, models.segmenter).domain for pixels in blurred]
    assert sum(domain is not None and domain.ok for domain in known) >= len(fields) - 1
    assert sum(domain is not None and not domain.ok for domain in strange) >= len(fields) - 1
