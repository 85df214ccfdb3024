"""CONTRIBUTING.md is true: its format, importer, encoder and cell type are added as it says, and work."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import napari_wbc
from napari_wbc.datasets import importing
from napari_wbc.exchange import transfer
from napari_wbc.results import read_analysis
from tests import layers
from tests.datasets.trees import draw, draw_mask, errors_of, run_import, save
from tests.exchange.made import IMAGE, bring_in, export, make_results, ring

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"```python\n# src/napari_wbc/(\S+)\n(.*?)```", TEXT, flags=re.DOTALL))


def module(path: str) -> ModuleType:
    """A block as the module that it says it is; nothing is written."""
    name = f"napari_wbc.{path.removesuffix('.py').replace('/', '.')}"
    made = ModuleType(name)
    made.__package__ = name.rpartition(".")[0]
    exec(compile(BLOCKS[path], path, "exec"), made.__dict__)
    return made


def test_the_sections_have_their_blocks() -> None:
    assert sorted(BLOCKS) == ["config.py", "datasets/pairs.py", "exchange/names_txt.py", "nets/encoders.py"]


def test_a_format_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(transfer.MODULES, "names-txt", module("exchange/names_txt.py"))  # type: ignore[arg-type]
    out = make_results(tmp_path, {IMAGE: ring()})
    path = export("names-txt", out, tmp_path / "dst") / "names" / f"{IMAGE}.txt"
    first, *others = path.read_text().splitlines()
    assert first == "1 basophil"
    assert bring_in("names-txt", tmp_path / "dst", out).skipped == (IMAGE,)
    path.write_text("\n".join(["1 monocyte", *others]))
    assert bring_in("names-txt", tmp_path / "dst", out).done == (IMAGE,)
    renamed, *same = read_analysis(out, IMAGE).cells
    assert (renamed.cell_type, renamed.type_source, renamed.previous_cell_type) == ("monocyte", "human", "basophil")
    assert {cell.type_source for cell in same} == {"model"}


def test_an_importer_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(importing.LAYOUTS, "pairs", module("datasets/pairs.py").find_pairs)
    shape, discs = (120, 160), [(50.0, 60.0, 20.0), (80.0, 120.0, 15.0)]
    save(tmp_path / "src" / "images" / "a.png", draw(shape, discs))
    save(tmp_path / "src" / "masks" / "a.png", draw_mask(shape, discs, (255, 255)))
    save(tmp_path / "src" / "images" / "b.png", draw(shape, discs))
    seen, summary = run_import("pairs", tmp_path / "src", tmp_path / "out")
    assert (summary.run.counts.done, summary.run.counts.failed) == (1, 1)
    assert "has no mask" in errors_of(seen)["images/b.png"]
    found = read_analysis(tmp_path / "out", "images/a.png")
    assert [cell.outline_source for cell in found.cells] == ["human", "human"]
    assert np.array_equal(found.labels > 0, draw_mask(shape, discs, (1, 1)) > 0)


def test_an_encoder_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from typing import get_args

    from napari_wbc.nets import encoders
    from napari_wbc.nets.deeplab import DeepLabV3Plus

    assert {*get_args(encoders.EncoderName)} == {*encoders.ENCODERS}
    monkeypatch.setattr(encoders, "ENCODERS", dict(encoders.ENCODERS))
    monkeypatch.setattr("napari_wbc.nets.deeplab.ENCODERS", encoders.ENCODERS)
    exec(compile(BLOCKS["nets/encoders.py"], "encoders.py", "exec"), dict(vars(encoders)))
    network = DeepLabV3Plus("small", 2)
    images = torch.rand(2, 3, 96, 70)
    low, deep = network.encoder(images)
    assert (low.shape, deep.shape) == ((2, 16, 24, 18), (2, 32, 6, 5))
    maps = network(images)
    assert maps.shape == (2, 2, 96, 70)
    maps.mean().backward()
    assert all(parameter.grad is not None for parameter in network.encoder.parameters())


WITH_A_SIXTH_TYPE = """
import sys
from pathlib import Path
import numpy as np
import napari_wbc.config as config
exec(compile(sys.argv[1], "config.py", "exec"), vars(config))
from napari_wbc.pipeline import Models
from tests.fakes import FakeClassifier, FakeSegmenter
from tests.runs import go
from tests.smears import write_slides

class Sees(FakeClassifier):
    def __call__(self, crops):
        five, none = super().__call__(crops)
        return np.concatenate([five / 10, np.full((len(five), 1), 0.9, np.float32)], axis=1), none

def load():
    return Models(FakeSegmenter(), Sees())

go(write_slides(Path(sys.argv[2]) / "in", 1, 3), Path(sys.argv[2]) / "out", load, workers=0)
"""


def test_a_cell_type_is_added(tmp_path: Path) -> None:
    call = [sys.executable, "-c", WITH_A_SIXTH_TYPE, BLOCKS["config.py"], str(tmp_path)]
    subprocess.run(call, check=True, cwd=ROOT)
    header, first, *_ = (tmp_path / "out" / "cells.csv").read_text().splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert (row["cell_type"], row["p_plasma cell"]) == ("plasma cell", "0.9000")
    differential = (tmp_path / "out" / "differential.csv").read_text()
    assert "*,neutrophil,0," in differential
    assert "*,plasma cell,4,100" in differential


def test_the_picture_of_the_layers_shows_the_code_as_it_is() -> None:
    assert layers.PICTURE.read_text(encoding="utf-8") == layers.draw(), "run: python -m tests.layers"
    shown = {name for _, names, _ in layers.LAYERS for name in names}
    package = Path(napari_wbc.__file__).parent
    listed = {layers.row_of(path.relative_to(package).as_posix()) for path in package.rglob("*.py")}
    assert listed - shown == {"__init__", "__main__"}


def test_the_picture_says_what_a_layer_imports() -> None:
    known = {"run": {"errors", "crop"}, "errors": set[str]()}
    above = [("words", ("errors",)), ("stages", ("crop", "measure"))]
    assert layers.note(("run",), above, known) == "imports words (all); stages (crop)"
    assert layers.note(("errors",), above, known) == "imports nothing of the package"
