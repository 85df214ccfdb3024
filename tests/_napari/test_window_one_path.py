"""One path: API, command line and widget give the same cells for the same image, with the bundled models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from napari_wbc import analyse, load_models, read_image
from napari_wbc._napari.widgets import ALL_IMAGES
from napari_wbc.cli import main
from napari_wbc.results import read_analysis
from napari_wbc.synthetic import draw_field
from tests._napari.seen import analysis_in
from tests.golden import SEEDS, expected, field

pytestmark = pytest.mark.gui
EXIF_ORIENTATION, TURNED = 0x0112, 6


@pytest.fixture(params=["png", "turned-jpeg", "grey"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A drawn smear as a plain PNG, as a JPEG that a phone would turn, and in grey."""
    drawn = Pillow.fromarray(draw_field(np.random.default_rng(5), shape=(360, 480), n_cells=3).image)
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / f"smear.{'jpg' if request.param == 'turned-jpeg' else 'png'}"
    if request.param == "turned-jpeg":
        exif = Pillow.Exif()
        exif[EXIF_ORIENTATION] = TURNED
        drawn.save(path, quality=95, exif=exif)
    else:
        (drawn.convert("L") if request.param == "grey" else drawn).save(path)
    return path


def test_api_command_line_and_widget_give_the_same_cells(
    path: Path, tmp_path: Path, make_napari_viewer: Callable[..., Any], qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = analyse(read_image(path), load_models(device="cpu"))
    assert len(expected.cells) >= 2

    monkeypatch.setattr("sys.argv", ["napari-wbc", "run", str(path.parent), str(tmp_path / "out"), "--device", "cpu"])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 0
    written = read_analysis(tmp_path / "out", path.name)

    viewer = make_napari_viewer()
    (image,) = viewer.open(path, plugin="napari-wbc")
    _, widget = viewer.window.add_plugin_dock_widget("napari-wbc", "Analyse image")
    widget.job.run_button.click()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=60_000)
    shown = analysis_in(viewer.layers[f"{image.name} cells"])

    rows = [cell.as_row() for cell in expected.cells]
    assert [cell.as_row() for cell in shown.cells] == rows
    assert [cell.as_row() for cell in written.cells] == rows
    np.testing.assert_array_equal(shown.labels, expected.labels)
    np.testing.assert_array_equal(written.labels, expected.labels)
    assert written.scale == expected.scale


def test_the_widget_gives_the_stored_cells_of_all_ten_fields(make_napari_viewer: Callable[..., Any], qtbot: Any) -> None:
    fields = [field(seed).image for seed in SEEDS]
    models = load_models(device="cpu")
    viewer = make_napari_viewer()
    images = [viewer.add_image(pixels, name=f"field {seed}", rgb=True) for seed, pixels in zip(SEEDS, fields, strict=True)]
    _, widget = viewer.window.add_plugin_dock_widget("napari-wbc", "Analyse image")
    widget.over.setCurrentText(ALL_IMAGES)
    widget.job.run_button.click()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=120_000)
    for image, pixels, cells in zip(images, fields, expected()["fields"], strict=True):
        shown, here = analysis_in(viewer.layers[f"{image.name} cells"]), analyse(pixels, models)
        assert [cell.cell_type for cell in shown.cells] == [cell["cell_type"] for cell in cells]
        assert [cell.as_row() for cell in shown.cells] == [cell.as_row() for cell in here.cells]
        np.testing.assert_array_equal(shown.labels, here.labels)
