"""The README is true: its Python runs, its options exist, its pictures and links are there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from napari_wbc.results.runfile import read_run
from napari_wbc.synthetic import draw_field

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CLUSTERS = (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `smear.png` and two slides in `smears`."""
    for i, name in enumerate(("smear.png", "smears/slide-1/a.png", "smears/slide-2/b.png")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(draw_field(np.random.default_rng(i), shape=(360, 480), n_cells=2).image).save(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_of_the_readme_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(PYTHON) == 2
    for block in PYTHON:
        exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "cell_type" in printed
    assert "done=2" in printed
    assert read_run(here / "results").counts.done == 2


def test_analysing_takes_five_lines() -> None:
    assert all(len([line for line in block.splitlines() if line.strip()]) <= 5 for block in PYTHON)


def test_the_files_that_the_readme_names_are_there() -> None:
    named = re.findall(r"\]\(((?!https?:)[^)#]+)\)", README)
    assert "docs/results.md" in named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_options_that_the_readme_names_exist() -> None:
    shown = ""
    for command in ("run", "train", "crossval", "verify"):
        call = [sys.executable, "-m", "napari_wbc", command, "--help"]
        shown += subprocess.run(call, capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"`(--[a-z-]+)", README + CLUSTERS))
    assert options
    assert {option for option in options if option not in shown} == set()


def test_it_says_that_it_is_for_research_only() -> None:
    assert "Research use only" in README.split("##")[0]
