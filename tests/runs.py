"""Runs of the batch with the stand-ins of `fakes`, and what of their results must be equal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from napari_wbc.batch import RunSummary, run
from napari_wbc.config import Settings
from napari_wbc.pipeline import Models, finish
from napari_wbc.results import tables
from tests.fakes import load_fakes

SETTINGS = Settings(um_per_px=0.17, min_area_px=20)
TABLES = ("images.csv", "cells.csv", "differential.csv")


def go(
    inputs: Path, out: Path, load: Callable[[], Models] = load_fakes, settings: Settings = SETTINGS, **options: object
) -> RunSummary:
    return finish(run(inputs, out, load, settings, **options))  # type: ignore[arg-type]


def contract(out: Path) -> dict[str, bytes]:
    """The files of which the contract says that their bytes are the same."""
    names = [out / name for name in TABLES] + sorted(path for path in (out / "labels").rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in names}


def timeless(out: Path) -> dict[str, object]:
    """The records without `timing`."""
    paths = sorted((out / "records").rglob("*.json"))
    return {path.name: {k: v for k, v in json.loads(path.read_bytes()).items() if k != "timing"} for path in paths}


def counts(out: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((out / "run.json").read_bytes())["counts"]
    return {name: n for name, n in found.items() if n}


def images(out: Path) -> dict[str, dict[str, str | None]]:
    return {str(row["image"]): row for row in tables.read((out / "images.csv").read_bytes())}
