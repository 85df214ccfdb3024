"""Many images: the same bytes however they were made, survival of bad images, resumption, and a full disk."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_wbc import analyse_folder
from napari_wbc.batch import Redo, run
from napari_wbc.batch import work as working
from napari_wbc.batch.attempt import Failure, attempt
from napari_wbc.batch.collect import collect
from napari_wbc.batch.discover import InputImage
from napari_wbc.batch.intake import Loaded, load
from napari_wbc.cells import Field, Probabilities, RgbImage
from napari_wbc.config import Settings
from napari_wbc.errors import ResultsError, StorageError, UsageError
from napari_wbc.pipeline import Models, analyse
from napari_wbc.results import read_analysis, read_record, record_path, write_analysis
from napari_wbc.results.record import Record
from tests.fakes import FakeClassifier, FakeSegmenter, load_fakes
from tests.runs import SETTINGS, TABLES, contract, counts, go, images, timeless
from tests.smears import smear, write_slides, write_smear
from tests.steps import watch


@pytest.fixture
def smears(tmp_path: Path) -> Path:
    return write_slides(tmp_path / "in")


# -- the one road ------------------------------------------------------------------------------------------------------


def test_a_folder_gives_what_its_images_give_one_by_one(smears: Path, tmp_path: Path) -> None:
    summary = analyse_folder(smears, tmp_path / "out", load_fakes(), SETTINGS)
    assert (summary.exit_code, counts(tmp_path / "out")) == (0, {"done": 6})
    n_cells = 0
    for slide in (1, 2):
        for field in (1, 2, 3):
            seed = 10 * slide + field
            alone = analyse(smear(seed, seed % 4), load_fakes(), SETTINGS)
            found = read_analysis(tmp_path / "out", f"slide-{slide}/field-{field}.png")
            assert np.array_equal(found.labels, alone.labels)
            assert found.cells == alone.cells
            assert len(found.cells) == seed % 4
            n_cells += seed % 4
    assert summary.summary.n_cells == n_cells > 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"run.json", "labels", "records", "report.html", *TABLES}


@pytest.mark.parametrize("group_images", [1, 2, 5])
def test_the_bytes_do_not_depend_on_the_group(smears: Path, tmp_path: Path, group_images: int) -> None:
    go(smears, tmp_path / "all", group_images=100)
    go(smears, tmp_path / "some", group_images=group_images)
    assert contract(tmp_path / "all") == contract(tmp_path / "some")
    assert timeless(tmp_path / "all") == timeless(tmp_path / "some")


@pytest.mark.parametrize("stop_after", [1, 2, 5])
def test_a_run_that_was_stopped_and_continued_gives_the_same_bytes(smears: Path, tmp_path: Path, stop_after: int) -> None:
    go(smears, tmp_path / "once")
    steps = run(smears, tmp_path / "twice", load_fakes, SETTINGS, group_images=2)
    for _ in range(stop_after):
        next(steps)
    steps.close()
    assert not (tmp_path / "twice" / "images.csv").exists()
    done = len(list((tmp_path / "twice" / "records").rglob("*.json")))
    assert stop_after <= done
    go(smears, tmp_path / "twice")
    assert contract(tmp_path / "once") == contract(tmp_path / "twice")
    assert timeless(tmp_path / "once") == timeless(tmp_path / "twice")
    assert counts(tmp_path / "twice") == {name: n for name, n in {"done": 6 - done, "skipped": done}.items() if n}


def test_every_image_is_yielded_once_after_it_is_committed(smears: Path, tmp_path: Path) -> None:
    seen = []
    for step in run(smears, tmp_path / "out", load_fakes, SETTINGS, group_images=2):
        assert record_path(tmp_path / "out", step.image).exists()
        seen.append(step)
    assert [step.image for step in seen] == [f"slide-{s}/field-{f}.png" for s in (1, 2) for f in (1, 2, 3)]
    assert [(step.done, step.total, step.status) for step in seen] == [(i, 6, "done") for i in range(1, 7)]


def test_run_json_tells_how_it_was_made(smears: Path, tmp_path: Path) -> None:
    (smears / "notes.txt").touch()
    out = tmp_path / "deep" / "out"
    go(smears, out)
    stored = json.loads((out / "run.json").read_bytes())
    assert stored["settings"] == SETTINGS.model_dump()
    assert stored["segmenter"] == {"name": "fake segmenter", "identity": "fake-segmenter"}
    assert (stored["input_root"], stored["device"], stored["workers"], stored["other_files"]) == ("../../in", "cpu", 1, 1)
    assert stored["started_at"] <= stored["finished_at"]
    assert stored["counts"] == {"done": 6, "failed": 0, "skipped": 0, "stale": 0, "retried": 0}


# -- bad images --------------------------------------------------------------------------------------------------------


class Picky(FakeSegmenter):
    """Fails on images of one size, as a network may."""

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        if any(image.shape[:2] == (64, 64) for image in images):
            raise RuntimeError("no kernel for this size")
        return super().__call__(images)


@pytest.mark.parametrize("group_images", [1, 4])
def test_bad_images_fail_alone(smears: Path, tmp_path: Path, group_images: int) -> None:
    out = tmp_path / "out"
    go(smears, tmp_path / "good")
    (smears / "slide-1" / "empty.png").touch()
    (smears / "slide-1" / "cut.png").write_bytes((smears / "slide-1" / "field-3.png").read_bytes()[:200])
    (smears / "slide-2" / "text.jpg").write_text("no image")
    tifffile.imwrite(smears / "slide-2" / "a-picky.tif", smear(1, 1, (64, 64)))
    summary = go(smears, out, lambda: Models(Picky(), FakeClassifier()), group_images=group_images)
    rows = images(out)
    bad = {name: row["error"] for name, row in rows.items() if row["status"] == "failed"}
    assert set(bad) == {"slide-1/empty.png", "slide-1/cut.png", "slide-2/text.jpg", "slide-2/a-picky.tif"}
    assert "empty" in str(bad["slide-1/empty.png"])
    assert bad["slide-2/a-picky.tif"] == "RuntimeError: no kernel for this size"
    assert all(str(tmp_path) not in str(error) for error in bad.values())
    assert summary.exit_code == 1
    assert counts(out) == {"done": 6, "failed": 4}
    assert (out / "cells.csv").read_bytes() == (tmp_path / "good" / "cells.csv").read_bytes()
    assert not any((out / "labels" / f"{name}.tif").exists() for name in bad)


def test_an_image_above_the_budget_fails_before_it_is_decoded(tmp_path: Path) -> None:
    write_smear(tmp_path / "in" / "a.png")
    go(tmp_path / "in", tmp_path / "out", settings=Settings(max_megapixels=0.01))
    assert "0.01" in str(images(tmp_path / "out")["a.png"]["error"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_what_is_no_file_fails_and_does_not_hang(smears: Path, tmp_path: Path) -> None:
    os.mkfifo(smears / "pipe.png")
    (smears / "dead.png").symlink_to(smears / "nowhere.png")
    go(smears, tmp_path / "out")
    rows = images(tmp_path / "out")
    assert "not a regular file" in str(rows["pipe.png"]["error"])
    assert "cannot be read" in str(rows["dead.png"]["error"])


def test_a_file_that_may_not_be_looked_at_fails_without_its_path(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_slide(path: Path, max_megapixels: float) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("napari_wbc.batch.intake.is_slide", is_slide)
    go(smears, tmp_path / "out")
    reason = "cannot be read: Permission denied. Check path and permission."
    assert {row["error"] for row in images(tmp_path / "out").values()} == {reason}
    assert attempt("a.png", lambda: is_slide(smears, 1)) == Failure("PermissionError: Permission denied")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_name_that_is_not_utf_8_fails_with_a_reason(smears: Path, tmp_path: Path) -> None:
    shutil.copy(smears / "slide-1" / "field-1.png", os.fsdecode(os.fsencode(smears) + b"/\xff.png"))
    shutil.copy(smears / "slide-1" / "field-1.png", os.fsdecode(os.fsencode(smears) + b"/" + b"\xff" * 240 + b".png"))
    for again in (False, True):
        assert go(smears, tmp_path / "out").exit_code == 1
        assert counts(tmp_path / "out") == ({"skipped": 8} if again else {"done": 6, "failed": 2})
    assert "not valid UTF-8" in str(images(tmp_path / "out")["\\xff.png"]["error"])


# -- resumption --------------------------------------------------------------------------------------------------------


def test_nothing_is_done_twice(smears: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(smears, out)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (out / "records").rglob("*.json")}
    seen, _ = watch(run(smears, out, load_fakes, SETTINGS))
    assert {step.status for step in seen} == {"skipped"}
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (out / "records").rglob("*.json")} == before
    assert counts(out) == {"skipped": 6}


class Renamed(FakeClassifier):
    identity = "another-classifier"


@pytest.mark.parametrize("what", ["settings", "model"])
def test_other_settings_or_models_do_all_again(smears: Path, tmp_path: Path, what: str) -> None:
    go(smears, tmp_path / "out")
    if what == "settings":
        go(smears, tmp_path / "out", settings=Settings(um_per_px=0.17, min_area_px=30))
    else:
        go(smears, tmp_path / "out", lambda: Models(FakeSegmenter(), Renamed()))
    assert counts(tmp_path / "out") == {"done": 6, "stale": 6}


def test_a_changed_file_is_done_again_and_a_touched_one_is_not(smears: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(smears, out)
    write_smear(smears / "slide-1" / "field-1.png", seed=77, n_cells=3)
    os.utime(smears / "slide-1" / "field-2.png", ns=(1, 1))
    write_smear(smears / "slide-3" / "new.png", seed=5)
    go(smears, out)
    assert counts(out) == {"done": 2, "skipped": 5, "stale": 1}
    assert len(read_analysis(out, "slide-1/field-1.png").cells) == 3
    go(smears, tmp_path / "fresh")
    assert contract(out) == contract(tmp_path / "fresh")


@pytest.mark.parametrize("damage", ["labels lost", "labels changed", "record cut", "record lost"])
def test_a_damaged_result_is_made_again(smears: Path, tmp_path: Path, damage: str) -> None:
    out = tmp_path / "out"
    go(smears, out)
    wanted = contract(out)
    labels, record = out / "labels" / "slide-1" / "field-2.png.tif", out / "records" / "slide-1" / "field-2.png.json"
    if damage == "labels changed":
        labels.write_bytes((out / "labels" / "slide-1" / "field-3.png.tif").read_bytes())
    elif damage == "record cut":
        record.write_bytes(record.read_bytes()[:100])
    else:
        (labels if damage == "labels lost" else record).unlink()
    go(smears, out, redo=Redo(rehash=damage == "labels changed"))  # without, the label image is only known to be there
    assert contract(out) == wanted
    assert counts(out)["done"] == 1


def test_failed_images_are_tried_again_when_asked_or_when_their_file_changes(smears: Path, tmp_path: Path) -> None:
    out, bad = tmp_path / "out", smears / "slide-1" / "bad.png"
    bad.write_text("no image")
    go(smears, out)
    summary = go(smears, out)
    assert (counts(out), summary.exit_code) == ({"skipped": 7}, 1)
    go(smears, out, redo=Redo(retry_failed=True))
    assert counts(out) == {"failed": 1, "skipped": 6, "retried": 1}
    write_smear(bad, seed=3)
    summary = go(smears, out)
    assert (counts(out), summary.exit_code) == ({"done": 1, "skipped": 6, "stale": 1}, 0)


def edit(record: Record, out: Path, **values: object) -> None:
    """Save a record as a person's."""
    found = read_analysis(out, record.image)
    write_analysis(out, record.image, found, record.hashes.input, record.hashes.origin, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [{"edited": True}, {"reviewed_by": "Ada", "reviewed_at": "2026-01-02T03:04:05Z"}])
def test_a_persons_work_is_kept_and_listed(smears: Path, tmp_path: Path, values: dict[str, object]) -> None:
    out, name = tmp_path / "out", "slide-1/field-2.png"
    go(smears, out)
    edit(read_record(out, name), out, **values)
    kept = record_path(out, name).read_bytes()
    write_smear(smears / name, seed=77, n_cells=3)
    summary = go(smears, out, settings=Settings(um_per_px=0.17, min_area_px=30))
    assert record_path(out, name).read_bytes() == kept
    assert summary.run.kept == (name,)
    assert counts(out) == {"done": 5, "skipped": 1, "stale": 5}
    assert name in (out / "report.html").read_text(encoding="utf-8")


# -- what may be a results folder --------------------------------------------------------------------------------------


def test_a_file_or_a_foreign_folder_is_wrong_use_and_stays_untouched(smears: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(UsageError, match="is a file"):
        go(smears, tmp_path / "file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="not empty"):
        go(smears, tmp_path / "folder")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["thesis.txt"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".DS_Store").touch()
    assert go(smears, tmp_path / "empty").exit_code == 0


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
@pytest.mark.parametrize("target", ["out", "nowhere"])
def test_a_link_that_leads_to_no_folder_is_no_place_for_results(smears: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "out").symlink_to(tmp_path / target)
    with pytest.raises(UsageError, match=r"out .*name another folder"):
        go(smears, tmp_path / "out", lambda: pytest.fail("loaded"))


def test_a_results_folder_that_cannot_be_looked_at_is_wrong_use(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listdir(path: Path) -> list[str]:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    (tmp_path / "out").mkdir()
    monkeypatch.setattr(os, "listdir", listdir)
    with pytest.raises(UsageError, match="out cannot be looked at: Permission denied"):
        go(smears, tmp_path / "out", lambda: pytest.fail("loaded"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_folder_of_images_whose_name_is_not_utf_8_is_wrong_use_unless_nobody_writes_it(smears: Path, tmp_path: Path) -> None:
    odd = smears.rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    with pytest.raises(UsageError, match="not valid UTF-8"):
        go(odd, tmp_path / "out", lambda: pytest.fail("loaded"))
    assert go(odd, odd / "out").exit_code == 0


def test_results_of_one_folder_do_not_mix_with_those_of_another(smears: Path, tmp_path: Path) -> None:
    go(smears, tmp_path / "out")
    with pytest.raises(UsageError, match="holds results of"):
        go(smears / "slide-1", tmp_path / "out")


def test_a_folder_that_has_moved_is_continued(smears: Path, tmp_path: Path) -> None:
    go(smears, tmp_path / "out")
    moved = tmp_path / "elsewhere" / "in"
    shutil.move(smears, moved)
    go(moved, tmp_path / "out")
    assert counts(tmp_path / "out") == {"skipped": 6}
    assert json.loads((tmp_path / "out" / "run.json").read_bytes())["input_root"] == "../elsewhere/in"


def test_models_are_not_loaded_where_the_inputs_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        go(tmp_path / "nowhere", tmp_path / "out", lambda: pytest.fail("loaded"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("pattern", ["", "*", "**/*.*"])
def test_results_inside_the_input_are_not_taken_for_images(smears: Path, pattern: str) -> None:
    go(smears / pattern, smears / "results")
    go(smears / pattern, smears / "results")
    assert counts(smears / "results") == {"skipped": 6}


# -- a full disk, Ctrl-C -----------------------------------------------------------------------------------------------


def test_a_full_disk_stops_the_run_and_loses_nothing(smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, real = tmp_path / "out", os.replace

    def replace(source: Path, target: Path) -> None:
        if Path(target).name == "field-3.png.tif":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(StorageError, match="the disk is full"):
        go(smears, out)
    monkeypatch.undo()
    assert not list(out.rglob(".tmp*"))
    assert {"field-1.png.json", "field-2.png.json"} <= {path.name for path in (out / "records" / "slide-1").iterdir()}
    assert not (out / "records" / "slide-1" / "field-3.png.json").exists()
    go(smears, out)
    go(smears, tmp_path / "once")
    assert contract(out) == contract(tmp_path / "once")


class Interrupted(FakeSegmenter):
    """Ctrl-C at the third image."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        self.calls += 1
        if self.calls == 3:
            raise KeyboardInterrupt
        return super().__call__(images)


def test_ctrl_c_stops_at_once_and_keeps_what_is_done(smears: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(smears, tmp_path / "out", lambda: Models(Interrupted(), FakeClassifier()), group_images=1)
    names = sorted(path.name for path in (tmp_path / "out" / "records").rglob("*.json"))
    assert names == ["field-1.png.json", "field-2.png.json"]
    assert json.loads((tmp_path / "out" / "run.json").read_bytes())["finished_at"] is None


def test_images_in_memory_are_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_slides(tmp_path / "in", 1, 30)
    read = []

    def note(image: InputImage, max_megapixels: float) -> Loaded:
        read.append(image)
        return load(image, max_megapixels)

    monkeypatch.setattr(working, "load", note)
    steps = run(tmp_path / "in", tmp_path / "out", load_fakes, SETTINGS, group_images=1)
    next(steps)
    steps.close()
    assert 1 <= len(read) <= working.READ_AHEAD + working.WRITE_BEHIND + 2


# -- collect -----------------------------------------------------------------------------------------------------------


def test_images_analysed_together_have_no_more_pixels_than_memory_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "GROUP_MEGAPIXELS", 0.01)
    half = Field(np.zeros((50, 100, 3), np.uint8))
    read = [Loaded(str(i), half) for i in range(5)]
    assert [len(group) for group in working._groups(read, 4)] == [2, 2, 1]


def test_collect_makes_the_tables_and_the_report_again(smears: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(smears, out)
    wanted = {name: (out / name).read_bytes() for name in (*TABLES, "report.html")}
    for name in wanted:
        (out / name).unlink()
    collect(out)
    assert {name: (out / name).read_bytes() for name in wanted} == wanted


def test_images_that_are_no_longer_in_the_input_are_told_and_can_be_left_out(
    smears: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out, gone = tmp_path / "out", "slide-1/field-2.png"
    go(smears, out)
    (smears / gone).unlink()
    (smears / "slide-2").rename(smears / "slide-3")
    assert not caplog.messages
    for look in (lambda: go(smears, out), lambda: collect(out)):
        caplog.clear()
        look()
        (told,) = caplog.messages
        names = f"{gone}, slide-2/field-1.png, slide-2/field-2.png, slide-2/field-3.png"
        assert f"4 images of the results are no longer in {smears}, and count as before: {names}. To leave one out" in told
    for name in images(out).keys() - {f"slide-{n}/field-{i}.png" for n, i in ((1, 1), (1, 3), (3, 1), (3, 2), (3, 3))}:
        (out / "records" / f"{name}.json").unlink()
        (out / "labels" / f"{name}.tif").unlink()
    caplog.clear()
    collect(out)
    assert not caplog.messages
    go(smears, tmp_path / "fresh")
    assert contract(out) == contract(tmp_path / "fresh")
    caplog.clear()
    shutil.move(smears, tmp_path / "elsewhere")
    collect(out)
    assert not caplog.messages


def test_collect_of_another_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="not a results folder"):
        collect(tmp_path)
