"""Which files are the images of a run, and what they are called in the results."""

from __future__ import annotations

import glob
import inspect
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from napari_wbc.batch.discover import discover
from napari_wbc.errors import UsageError
from napari_wbc.results import labels_path, record_path
from napari_wbc.results.folder import readings_path


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(inputs: object, out: Path) -> list[str]:
    return [image.name for image in discover(inputs, out).images]  # type: ignore[arg-type]


@pytest.fixture
def smears(tmp_path: Path) -> Path:
    return touch(
        tmp_path / "in", "b/2.JPG", "b/1.png", "a/x/3.tiff", "top.bmp", "notes.txt", "b/Thumbs.db", ".hidden.png", ".git/4.png"
    )


def test_a_folder_is_searched_to_the_bottom_and_other_files_are_counted(smears: Path, tmp_path: Path) -> None:
    inputs = discover(smears, tmp_path / "out")
    assert [image.name for image in inputs.images] == ["a/x/3.tiff", "b/1.png", "b/2.JPG", "top.bmp"]
    assert [image.path for image in inputs.images] == [
        smears / name for name in ("a/x/3.tiff", "b/1.png", "b/2.JPG", "top.bmp")
    ]
    assert (inputs.root, inputs.n_other) == (smears, 2)


def test_the_root_of_several_inputs_is_their_common_parent(smears: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert discover([smears / "b" / "1.png"], out).root == smears / "b"
    assert found([smears / "b" / "1.png"], out) == ["1.png"]
    assert found([smears / "a", smears / "b"], out) == ["a/x/3.tiff", "b/1.png", "b/2.JPG"]
    assert found([smears / "b" / "1.png", smears / "a" / "x"], out) == ["a/x/3.tiff", "b/1.png"]


def test_an_image_named_twice_is_found_once(smears: Path, tmp_path: Path) -> None:
    assert found([smears / "b", smears / "b" / "1.png", str(smears / "b" / "*.png")], tmp_path / "out") == ["1.png", "2.JPG"]


def test_patterns_are_expanded_and_a_file_of_that_very_name_goes_before(smears: Path, tmp_path: Path) -> None:
    assert found(str(smears / "**" / "*.png"), tmp_path / "out") == ["1.png"]
    touch(smears, "odd[1].png", "odd1.png")
    assert found(str(smears / "odd[1].png"), tmp_path / "out") == ["odd[1].png"]


def test_brackets_in_the_working_folder_are_no_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(touch(tmp_path / "run [1]", "a.png", "b/c.png"))
    assert found("*.png", tmp_path / "out") == ["a.png"]
    assert discover("b/*.png", tmp_path / "out").images[0].path == tmp_path / "run [1]" / "b" / "c.png"


def test_relative_inputs_are_found(smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(smears)
    assert found([".", "b/../b"], tmp_path / "out") == ["a/x/3.tiff", "b/1.png", "b/2.JPG", "top.bmp"]


def test_results_inside_the_input_are_not_searched(smears: Path) -> None:
    touch(smears, "out/labels/1.tif", "old/run.json", "old/records/r.json", "old/labels/1.png.tif", "labels/real.tif")
    assert found(smears, smears / "out") == ["a/x/3.tiff", "b/1.png", "b/2.JPG", "labels/real.tif", "top.bmp"]


def test_the_input_may_not_be_the_results_folder(smears: Path) -> None:
    with pytest.raises(UsageError, match="both input and results folder"):
        discover(smears, smears)


@pytest.fixture
def with_results(smears: Path) -> Path:
    """`out` is the results folder and `b/old` is another, both with label images."""
    for folder in ("out", "b/old"):
        touch(smears, *(f"{folder}/{name}" for name in ("run.json", "records/x.json", "labels/b/1.png.tif", "replaced/y.png")))
    return smears


@pytest.mark.parametrize("pattern", ["**/*.*", "**", "*"])
def test_a_pattern_does_not_reach_into_results(with_results: Path, pattern: str) -> None:
    names = ["a/x/3.tiff", "b/1.png", "b/2.JPG", "top.bmp"]
    assert found(str(with_results / pattern), with_results / "out") == names
    by_the_shell = glob.glob(str(with_results / pattern), recursive=True)
    assert found(by_the_shell, with_results / "out") == names


def test_results_that_a_pattern_finds_do_not_change_the_root(tmp_path: Path) -> None:
    touch(tmp_path, "s/1.tif", "s/2.tif")
    (tmp_path / "out").mkdir()
    before = discover([str(tmp_path / "**" / "*.tif"), str(tmp_path / "*")], tmp_path / "out")
    touch(tmp_path, "out/run.json", "out/records/1.tif.json", "out/labels/1.tif.tif")
    assert before == discover([str(tmp_path / "**" / "*.tif"), str(tmp_path / "*")], tmp_path / "out")
    assert (before.root, [image.name for image in before.images]) == (tmp_path / "s", ["1.tif", "2.tif"])


def test_images_kept_in_a_results_folder_are_found_where_they_alone_are_named(with_results: Path) -> None:
    touch(with_results, "out/images/part.png")
    for inputs in (with_results / "out" / "images", [with_results / "out" / "images" / "part.png"]):
        assert found(inputs, with_results / "out") == ["part.png"]


def test_no_image_outside_of_results_is_wrong_use_that_names_them(with_results: Path, tmp_path: Path) -> None:
    old = with_results / "b" / "old"
    touch(tmp_path, "only/c/run.json", "only/c/records/x", "only/c/labels/1.tif")
    for inputs, results in ((old, old), ([old, with_results / "out"], old), (tmp_path / "only", tmp_path / "only" / "c")):
        with pytest.raises(UsageError, match=rf"No image found in .*Results folders are not searched: .*{results}"):
            discover(inputs, tmp_path / "new")


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_links_are_followed_but_not_in_circles(smears: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path / "elsewhere", "e.png")
    (smears / "b" / "loop").symlink_to(smears)
    (smears / "linked").symlink_to(tmp_path / "elsewhere")
    (smears / "dead.png").symlink_to(tmp_path / "nowhere.png")
    with caplog.at_level(logging.WARNING):
        names = found(smears, tmp_path / "out")
    assert names == ["a/x/3.tiff", "b/1.png", "b/2.JPG", "dead.png", "linked/e.png", "top.bmp"]
    assert "loop" in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_a_link_that_cannot_be_followed_is_told_and_ends_nothing(
    smears: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("round", "round.png", "round.zarr"):
        (smears / name).symlink_to(smears / name)
    with caplog.at_level(logging.WARNING):
        inputs = discover(smears, smears / "round")
    names = [image.name for image in inputs.images]
    assert names == ["a/x/3.tiff", "b/1.png", "b/2.JPG", "round.png", "round.zarr", "top.bmp"]
    assert inputs.n_other == 3
    assert f"{smears / 'round'} cannot be looked at: Too many levels of symbolic links" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING), pytest.raises(UsageError, match="No image found"):
        discover(smears / "round", tmp_path / "out")
    assert "Too many levels of symbolic links" in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_links_below_links_that_multiply_are_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_wbc.batch.search.MOST_WAYS", 4)
    for n in range(7):
        touch(tmp_path / "in", f"d{n}/x.png")
        for link in ("a", "b"):
            (tmp_path / "in" / f"d{n}" / link).symlink_to(tmp_path / "in" / f"d{n + 1}")
    looks = Mock(wraps=os.scandir)
    monkeypatch.setattr(os, "scandir", looks)
    with pytest.raises(UsageError, match=r"The link .*/d0/a/a/a/b/a/a leads to the folder .*/in/d6, .* Remove links"):
        discover(tmp_path / "in", tmp_path / "out")
    assert looks.call_count < 20
    assert len(found(tmp_path / "in" / "d5", tmp_path / "out")) == 3  # two links to one folder are in order


@pytest.mark.skipif(os.name == "nt", reason="Windows has short paths")
def test_folders_may_lie_deep_and_the_way_to_each_is_not_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "in", "d/" * 150 + "x.png", "d/" * 75 + "y.png")
    limit, here = sys.getrecursionlimit(), len(inspect.stack(0))
    real = Mock(wraps=os.path.realpath)
    monkeypatch.setattr(os.path, "realpath", real)
    sys.setrecursionlimit(here + 100)
    try:
        names = found(tmp_path / "in", tmp_path / "out")
    finally:
        sys.setrecursionlimit(limit)
    assert names == ["d/" * 150 + "x.png", "d/" * 75 + "y.png"]
    assert real.call_count < 10


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_name_that_is_not_utf_8_has_one_that_can_be_recorded(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/in/" + b"\xfe" * 100
    os.makedirs(folder)
    for last in (b"a", b"b", b"\xff"):
        open(folder + b"/" + b"\xff" * 240 + last + b".png", "wb").close()
    names = found(tmp_path / "in", tmp_path / "out")
    assert len(set(names)) == 3
    assert all(len(part.encode()) <= 250 for name in names for part in name.split("/"))
    assert all(name.startswith("\\xfe\\xfe") for name in names)
    assert names == found(tmp_path / "in", tmp_path / "out")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_two_names_that_are_recorded_alike_are_wrong_use(tmp_path: Path) -> None:
    touch(tmp_path / "in", r"\xff.png")
    assert found(tmp_path / "in", tmp_path / "out") == [r"\xff.png"]
    open(os.fsencode(tmp_path) + b"/in/\xff.png", "wb").close()
    with pytest.raises(UsageError, match=r"two images .*\\xff\.png.* Rename"):
        discover(tmp_path / "in", tmp_path / "out")


@pytest.mark.parametrize("name", ["nothing", "*.webp"])
def test_what_does_not_exist_is_wrong_use(smears: Path, name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=name.replace("*", r"\*")):
        discover([smears, str(smears / name)], tmp_path / "out")


def test_no_image_is_wrong_use_and_says_what_an_image_is(tmp_path: Path) -> None:
    touch(tmp_path / "in", "a.txt", "b.czi")
    with pytest.raises(UsageError, match=r"No image found .*2 other files.*\.png"):
        discover(tmp_path / "in", tmp_path / "out")
    with pytest.raises(UsageError, match="No input"):
        discover([], tmp_path / "out")


def test_a_name_too_long_for_its_record_is_wrong_use(tmp_path: Path) -> None:
    touch(tmp_path / "in", "x" * 250 + ".png")
    with pytest.raises(UsageError, match="too long"):
        discover(tmp_path / "in", tmp_path / "out")


@pytest.mark.parametrize("kept_at", [record_path, labels_path, readings_path])
def test_a_folder_called_like_what_is_kept_of_an_image_is_wrong_use(
    tmp_path: Path, kept_at: Callable[[Path, str], Path]
) -> None:
    folder = kept_at(tmp_path, "x.png").name
    touch(tmp_path / "in", "a/x.png", f"a/{folder}/b/y.png", "a/z.json/1.png", "a/Z.png.txt/2.png", f"{folder}/3.png")
    with pytest.raises(UsageError, match=rf"the image a/x\.png and the folder a/{folder}: .* Rename the folder"):
        discover(tmp_path / "in", tmp_path / "out")
    (tmp_path / "in" / "a" / "x.png").rename(tmp_path / "in" / "a" / "X.PNG")
    with pytest.raises(UsageError, match=rf"the image a/X\.PNG and the folder a/{folder}: "):
        discover(tmp_path / "in", tmp_path / "out")
    (tmp_path / "in" / "a" / folder).rename(tmp_path / "in" / "a" / "renamed")
    assert len(found(tmp_path / "in", tmp_path / "out")) == 5


def test_what_macos_keeps_beside_a_file_is_no_image(tmp_path: Path) -> None:
    touch(tmp_path / "in", "._x.png", "x.png", "._folder/y.png", "._notes.txt")
    assert found(tmp_path / "in", tmp_path / "out") == ["x.png"]
    with pytest.raises(UsageError, match=r"in.\._x\.png is no image: macOS .* of the file x\.png .* Leave it out"):
        discover([tmp_path / "in" / "._x.png", tmp_path / "in" / "x.png"], tmp_path / "out")
    named = [tmp_path / "in" / name for name in ("._folder", "._notes.txt", "x.png")]
    assert found(named, tmp_path / "out") == ["._folder/y.png", "x.png"]
