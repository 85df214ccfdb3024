"""Training and validation share neither slide nor image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from napari_wbc.errors import UsageError
from napari_wbc.training.folders import Item
from napari_wbc.training.split import split, write_split


def items(n_slides: int, n_images: int, n_cells: int = 3, types: tuple[str, ...] = ("a", "b")) -> list[Item[Any]]:
    return [
        Item(None, f"set/s{s}/{i}", f"set/s{s}", types[(s + i + c) % len(types)], 0.1, f"{s} {i} {c}")
        for s in range(n_slides)
        for i in range(n_images)
        for c in range(n_cells)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_slides_are_never_parted(seed: int) -> None:
    made = split(items(8, 3), 0.2, seed)
    assert made.file.by == "slide"
    assert not {i.slide for i in made.training} & {i.slide for i in made.validation}
    assert len(made.training) + len(made.validation) == 72
    assert 0.1 < len(made.validation) / 72 < 0.3


def test_one_slide_is_parted_by_image_and_cells_of_an_image_stay_together() -> None:
    made = split(items(1, 10), 0.2, 0)
    assert made.file.by == "image"
    assert not {i.image for i in made.training} & {i.image for i in made.validation}
    assert len(made.validation) == 6


def test_slides_of_one_type_each_are_parted_by_image() -> None:
    made = split([Item(None, f"{t}/{i}", t, t, 0.1, "") for t in "abc" for i in range(10)], 0.2, 0)
    assert made.file.by == "image"
    assert {i.stratum for i in made.training} == {i.stratum for i in made.validation} == {"a", "b", "c"}


def test_one_image_is_too_little() -> None:
    with pytest.raises(UsageError, match="a second one is needed"):
        split(items(1, 1), 0.2, 0)


def test_the_split_is_written_and_the_seed_decides(tmp_path: Path) -> None:
    made, again, other = (split(items(8, 3), 0.2, seed) for seed in (3, 3, 4))
    assert made.file == again.file
    assert made.file.validation != other.file.validation
    write_split(tmp_path, made)
    said = json.loads((tmp_path / "split.json").read_text())
    assert set(said["validation"]) == {i.image for i in made.validation}
    assert (said["seed"], said["by"]) == (3, "slide")
