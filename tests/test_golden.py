"""Same answer tomorrow: ten drawn fields give the stored cells by every way and with any number of threads; old files open."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import save_file

from napari_wbc import load_models
from napari_wbc.batch.collect import collect
from napari_wbc.cells import Analysis, Field
from napari_wbc.cli import main
from napari_wbc.config import make_settings
from napari_wbc.nets import DEFAULTS, WEIGHTS
from napari_wbc.nets.checkpoint import KEY, read_checkpoint
from napari_wbc.pipeline import Models, analyse_many, finish
from napari_wbc.results import images_in, read_analysis, read_record
from napari_wbc.results.runfile import read_run
from napari_wbc.results.storage import file_sha256
from tests.golden import FOLDER, SEEDS, expected, field, stored

NAMES = [f"field-{seed:02}.png" for seed in SEEDS]


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    return [field(seed).image for seed in SEEDS]


@pytest.fixture(scope="module")
def models() -> Iterator[Models]:
    before = torch.get_num_threads()
    yield load_models(device="cpu", threads=1)
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def found(images: list[np.ndarray], models: Models) -> list[Analysis]:
    return [analyse_many([image], models)[0] for image in images]


def same(analyses: Sequence[Analysis], others: Sequence[Analysis]) -> None:
    for one, other in zip(analyses, others, strict=True):
        assert one.cells == other.cells
        np.testing.assert_array_equal(one.labels, other.labels)


def alike(analyses: Sequence[Analysis], fields: list[list[dict[str, object]]]) -> None:
    """The same cells and types; other processors and libraries round differently."""
    for analysis, cells in zip(analyses, fields, strict=True):
        now = stored(analysis)
        assert [cell["cell_type"] for cell in now] == [cell["cell_type"] for cell in cells]
        for one, other in zip(now, cells, strict=True):
            np.testing.assert_allclose(one["box"], other["box"], atol=3)
            assert one["area_px"] == pytest.approx(other["area_px"], rel=0.02)
            assert one["nucleus"] == pytest.approx(other["nucleus"], rel=0.1)
            np.testing.assert_allclose(one["p"], other["p"], atol=0.05)


def test_the_stored_cells_are_of_the_bundled_models() -> None:
    now = [file_sha256(WEIGHTS / f"{name}.safetensors") for name in DEFAULTS.values()]
    assert now == expected()["models"], "other models on purpose? Then store their cells: python -m tests.golden"


def test_the_cells_and_types_are_the_stored_ones(found: list[Analysis]) -> None:
    assert sum(len(analysis.cells) for analysis in found) >= 25
    alike(found, expected()["fields"])


def test_together_they_are_as_one_by_one(images: list[np.ndarray], models: Models, found: list[Analysis]) -> None:
    same(analyse_many(images, models), found)


@pytest.mark.parametrize("threads", [2, 4])
def test_the_number_of_threads_does_not_matter(
    images: list[np.ndarray], models: Models, found: list[Analysis], threads: int
) -> None:
    torch.set_num_threads(threads)
    try:
        alike(analyse_many(images, models), [stored(analysis) for analysis in found])
    finally:
        torch.set_num_threads(1)


def test_the_command_line_gives_the_same(
    images: list[np.ndarray], found: list[Analysis], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    for name, image in zip(NAMES, images, strict=True):
        Pillow.fromarray(image).save(tmp_path / "in" / name)
    monkeypatch.setattr("sys.argv", ["napari-wbc", "run", str(tmp_path / "in"), str(tmp_path / "out"), "--device", "cpu"])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 0
    same([read_analysis(tmp_path / "out", name) for name in NAMES], found)


def test_the_work_of_the_widget_gives_the_same(images: list[np.ndarray], models: Models, found: list[Analysis]) -> None:
    jobs = pytest.importorskip("napari_wbc._napari.jobs")
    kept = jobs.KeptModels(lambda **_: models)
    settings = make_settings({})
    shown = [finish(jobs.analyse(kept, jobs.ModelChoice(), lambda image=image: Field(image), settings))[0] for image in images]
    same(shown, found)


# -- files of earlier versions: one of each release --------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.1.0"])
def test_a_results_folder_of_an_earlier_version_opens(version: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(FOLDER / f"results-{version}", out)
    run = read_run(out)
    assert run.version == version
    make_settings(run.settings)
    assert images_in(out) == ["slide-1/a.png", "slide-1/b.png", "slide-1/broken.png"]
    a, b = (read_analysis(out, name) for name in ("slide-1/a.png", "slide-1/b.png"))
    assert [cell.cell_type for cell in a.cells] == ["smudge", "basophil"]
    assert (a.cells[0].type_source, a.cells[0].reviewed_by) == ("human", "A. Nurse")
    assert [int((b.labels == cell.cell_id).sum()) for cell in b.cells] == [cell.area_px for cell in b.cells]
    assert read_record(out, "slide-1/a.png").has_human_work
    assert "not a PNG" in str(read_record(out, "slide-1/broken.png").row.error)
    summary = collect(out)
    assert {row.cell_type: row.n for row in summary.pooled if row.n} == {"basophil": 1, "lymphocyte": 1, "smudge": 1}


@pytest.mark.parametrize("version", ["0.1.0"])
@pytest.mark.parametrize("task", ["segmenter", "classifier"])
def test_a_model_file_of_an_earlier_version_opens(version: str, task: str, tmp_path: Path) -> None:
    """Its card and the names and shapes of its tensors are stored; the weights, which are large, are zeros."""
    head = json.loads((FOLDER / f"{task}-{version}.json").read_text())
    tensors = {name: torch.zeros(shape, dtype=torch.float16) for name, shape in head["tensors"].items()}
    path = tmp_path / "model.safetensors"
    save_file(tensors, path, metadata={KEY: json.dumps(head["card"])})
    assert read_checkpoint(path, task).card.outputs[0] == {"segmenter": "wbc", "classifier": "basophil"}[task]  # type: ignore[arg-type]
