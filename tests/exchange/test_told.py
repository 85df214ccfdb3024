"""Which image a name in somebody else's file means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_wbc.errors import ResultsError, UsageError
from napari_wbc.exchange import FORMATS
from napari_wbc.exchange.names import Names, find_files, one_file
from napari_wbc.exchange.told import as_id, as_type
from napari_wbc.exchange.transfer import MODULES
from tests.permissions import closed

IMAGES = ["a.png", "s1/b.jpg", "s2/b.jpg", "s2/c.jpg", "s2/c.tif", "deep/er/d.tif"]


@pytest.mark.parametrize(
    ("written", "cell_type"),
    [
        ("Monocyte", "monocyte"),
        (" BASOPHIL ", "basophil"),
        ("Unidentified", "unidentified"),
        ("Smudge", "smudge"),
        ("Band cell", "Band cell"),
        ("", None),
        (7, None),
    ],
)
def test_a_type_of_ours_is_that_type_however_it_is_written(written: object, cell_type: str | None) -> None:
    assert as_type(written) == cell_type


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("a.png", "a.png"),
        ("a", "a.png"),
        ("a.jpg", "a.png"),
        ("images/a.png", "a.png"),
        ("s1/b.jpg", "s1/b.jpg"),
        ("images\\s1\\b.png", "s1/b.jpg"),
        ("/data/x/s2/b", "s2/b.jpg"),
        ("b.jpg", None),
        ("s3/b.jpg", None),
        ("s2/c", None),
        ("s2/c.tif", "s2/c.tif"),
        ("d", "deep/er/d.tif"),
        ("er/d.tif", "deep/er/d.tif"),
        ("s3/d.tif", None),
        ("", None),
        ("..", None),
        ("../../etc/passwd", None),
    ],
)
def test_a_name_means_the_image_whose_path_it_ends_with_or_is_the_end_of(name: str, image: str | None) -> None:
    assert Names(IMAGES).find(name) == image


def test_two_files_of_one_image_are_refused_and_links_are_not_followed(tmp_path: Path) -> None:
    for name in ("a.png.zip", "notes.txt", "s1/b.jpg.zip"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert {image: path.name for image, path in find_files(tmp_path, IMAGES, ".zip").items()} == {
        "a.png": "a.png.zip",
        "s1/b.jpg": "b.jpg.zip",
    }
    (tmp_path / "a.zip").touch()
    with pytest.raises(UsageError, match=r"Both .* are named as the image a\.png"):
        find_files(tmp_path, IMAGES, ".zip")


def test_ids_and_types_are_data() -> None:
    assert [as_id(value) for value in (7, 7.0, 10**6)] == [7, 7, 10**6]
    assert [as_id(value) for value in (0, -1, 1.5, True, "7", None, 10**6 + 1, float("nan"), float("inf"))] == [None] * 9
    assert [as_type(value) for value in (" x ", "", "  ", 7, None, "\ud800")] == ["x", None, None, None, None, "?"]


def test_files_that_cannot_be_looked_at_are_not_taken_for_missing_ones(tmp_path: Path) -> None:
    (tmp_path / "s1").mkdir()
    (tmp_path / "a.geojson").touch()
    with closed(tmp_path / "s1"):
        for look in (
            lambda: find_files(tmp_path, IMAGES, ".geojson"),
            lambda: find_files(tmp_path / "s1", IMAGES, ".geojson"),
            lambda: find_files(tmp_path / "s1" / "b.geojson", IMAGES, ".geojson"),
            lambda: one_file(tmp_path / "s1", "cells.csv"),
        ):
            with pytest.raises(ResultsError, match=r"s1.* cannot be looked at: Permission denied"):
                look()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_of_a_wanted_name_is_refused_and_a_link_to_a_file_is_taken(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / "a.geojson").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "notes")
    assert find_files(tmp_path, IMAGES, ".geojson") == {"a.png": tmp_path / "a.geojson"}
    os.mkfifo(tmp_path / "d.geojson")
    with pytest.raises(ResultsError, match=r"d\.geojson is a pipe or a device, not a file"):
        find_files(tmp_path, IMAGES, ".geojson")


def test_every_format_has_a_module() -> None:
    assert tuple(MODULES) == FORMATS
