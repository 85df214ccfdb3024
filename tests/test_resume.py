"""What a run would do with each image, and why."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from napari_wbc.batch import Redo, Shard, preview
from napari_wbc.batch.discover import discover
from napari_wbc.batch.job import describe
from napari_wbc.batch.resume import plan
from napari_wbc.batch.verify import verify
from napari_wbc.cells import Probabilities, RgbImage
from napari_wbc.config import Settings
from napari_wbc.errors import UsageError
from napari_wbc.pipeline import Models
from napari_wbc.results import labels_path, read_analysis, read_record, record_path, write_analysis
from tests.fakes import FakeClassifier, FakeSegmenter, load_fakes
from tests.permissions import closed
from tests.runs import SETTINGS, contract, counts, go, images, timeless
from tests.smears import write_slides, write_smear
from tests.steps import watch
from tests.test_slides import crowded, write

A, B = "slide-1/field-1.png", "slide-1/field-2.png"


@pytest.fixture
def smears(tmp_path: Path) -> Path:
    return write_slides(tmp_path / "in", 1, 2)


@pytest.fixture
def out(smears: Path, tmp_path: Path) -> Path:
    go(smears, tmp_path / "out")
    return tmp_path / "out"


class Renamed(FakeClassifier):
    identity = "another-classifier"


def needs(smears: Path, out: Path, settings: Settings = SETTINGS, **redo: bool) -> dict[str, tuple[str, str]]:
    tasks = preview(smears, out, load_fakes, settings, redo=Redo(**redo))
    return {task.image.name: (task.need, task.why) for task in tasks}


def save_as_a_persons(out: Path, image: str) -> None:
    hashes = read_record(out, image).hashes
    write_analysis(out, image, read_analysis(out, image), hashes.input, hashes.origin, edited=True)


def swap_pixels(path: Path) -> None:
    """Change the content of a file, but neither its size nor its time of change."""
    stat, data = path.stat(), bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


# -- reasons -----------------------------------------------------------------------------------------------------------


def test_done_and_new(smears: Path, out: Path) -> None:
    write_smear(smears / "new.png")
    assert needs(smears, out) == {"new.png": ("new", "not analysed yet"), A: ("skip", "done"), B: ("skip", "done")}


def test_every_change_is_named(smears: Path, out: Path) -> None:
    write_smear(smears / A, seed=99)
    labels_path(out, B).unlink()
    assert needs(smears, out) == {
        A: ("stale", "the image file has changed"),
        B: ("stale", "its label image is missing or altered"),
    }
    tasks = preview(smears, out, lambda: Models(FakeSegmenter(), Renamed()), Settings(um_per_px=0.3))
    assert tasks[0].why == "the image file has changed, another classifier, other settings"


def test_failed_ones_say_why_they_failed(smears: Path, out: Path) -> None:
    (smears / A).write_bytes(b"")
    go(smears, out)
    need, why = needs(smears, out)[A]
    assert (need, why[:30]) == ("skip", "failed before: the file is emp")
    assert needs(smears, out, retry_failed=True)[A][0] == "retry"
    assert needs(smears, out, retry_failed=True)[B] == ("skip", "done")


def test_size_and_time_are_trusted_unless_asked_otherwise(smears: Path, out: Path) -> None:
    swap_pixels(smears / A)
    swap_pixels(labels_path(out, B))
    assert {need for need, _ in needs(smears, out).values()} == {"skip"}
    assert needs(smears, out, rehash=True) == {
        A: ("stale", "the image file has changed"),
        B: ("stale", "its label image is missing or altered"),
    }


def test_a_touched_file_is_known_by_its_content(smears: Path, out: Path) -> None:
    os.utime(smears / A, ns=(1, 1))
    swap_pixels(smears / B)
    os.utime(smears / B, ns=(1, 1))
    assert needs(smears, out) == {A: ("skip", "done"), B: ("stale", "the image file has changed")}


def test_a_clock_that_was_set_back_neither_hides_a_change_nor_makes_one(
    smears: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_wbc.batch.runner.now", lambda: "2001-01-01T00:00:00Z")
    monkeypatch.setattr("napari_wbc.batch.work.now", lambda: "2001-01-01T00:00:00Z")
    write_smear(smears / A, seed=99, n_cells=3)
    for name in (A, B):  # one is another picture, the other the same as before
        os.utime(smears / name, (978_307_200, 978_307_200))
    assert go(smears, out).exit_code == 0
    assert counts(out) == {"done": 1, "skipped": 1, "stale": 1}
    assert len(read_analysis(out, A).cells) == 3
    go(smears, out)
    assert counts(out) == {"skipped": 2}


def test_what_cannot_be_read_now_keeps_its_results(smears: Path, out: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = discover(smears, out)
    (smears / A).unlink()
    with caplog.at_level(logging.WARNING):
        tasks = plan(out, found.images, describe(load_fakes()), SETTINGS, Redo())
    assert [task.need for task in tasks] == ["skip", "skip"]
    assert "cannot be read now: No such file or directory. It is taken to be as it was." in caplog.text


def test_results_of_0_1_0_made_under_another_limit_still_hold(smears: Path, out: Path) -> None:
    settings = SETTINGS.model_copy(update={"max_megapixels": 300.0})
    go(smears, out, settings=settings)
    for path in (out / "records").rglob("*.json"):
        path.write_text(path.read_text().replace(settings.identity(), settings.identity(limits=True)))
    assert {need for need, _ in needs(smears, out, settings).values()} == {"skip"}
    assert watch(verify(out, load_fakes, sample=2))[1].n_again == 2


def test_label_images_that_cannot_be_looked_at_now_are_no_reason_to_do_their_images_again(
    smears: Path, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for rehash in (False, True):
        caplog.clear()
        with closed(out / "labels"):
            assert needs(smears, out, rehash=rehash) == {A: ("skip", "done"), B: ("skip", "done")}
        assert "tif cannot be read now: Permission denied. It is taken to be as it was." in caplog.text


def test_another_limit_does_only_the_images_again_that_it_concerns(smears: Path, out: Path, tmp_path: Path) -> None:
    """The drawn fields have less than 0.1 megapixels."""
    limited = [SETTINGS.model_copy(update={"max_megapixels": limit}) for limit in (0.1, 0.3, 0.5)]
    (smears / "empty.png").touch()
    write_smear(smears / "large.png", shape=(400, 500))
    write(smears / "tiled.tif", crowded(400, 500))
    go(smears, tmp_path / "2", settings=limited[0])
    failed = {"empty.png", "large.png"}
    assert {name for name, row in images(tmp_path / "2").items() if row["status"] == "failed"} == failed
    found = needs(smears, tmp_path / "2", limited[1])
    assert {name for name, (need, _) in found.items() if need != "skip"} == {*failed, "tiled.tif"}
    assert found["large.png"] == ("stale", "other settings")
    assert found["tiled.tif"] == ("stale", "max_megapixels now refuses it, or makes no slide of it")
    go(smears, tmp_path / "2", settings=limited[1])
    assert {name for name, (need, _) in needs(smears, tmp_path / "2", limited[2]).items() if need != "skip"} == {"empty.png"}
    assert needs(smears, tmp_path / "2", limited[0])["large.png"][0] == "stale"
    go(smears, tmp_path / "fresh", settings=limited[1])
    assert contract(tmp_path / "2") == contract(tmp_path / "fresh")
    assert timeless(tmp_path / "2") == timeless(tmp_path / "fresh")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(smears: Path, out: Path) -> None:
    os.mkfifo(smears / "pipe.png")
    go(smears, out)
    assert needs(smears, out, rehash=True)["pipe.png"][0] == "skip"


def test_a_preview_of_a_shard_and_of_wrong_use(smears: Path, out: Path, tmp_path: Path) -> None:
    parts = [preview(smears, out, load_fakes, SETTINGS, shard=Shard(number, 2)) for number in range(2)]
    assert sorted(task.image.name for part in parts for task in part) == [A, B]
    with pytest.raises(UsageError, match="holds results of"):
        preview(smears / "slide-1", out, load_fakes, SETTINGS)


# -- a person's work ---------------------------------------------------------------------------------------------------


def test_a_persons_work_is_overwritten_only_when_asked_and_copied_first(smears: Path, out: Path, tmp_path: Path) -> None:
    save_as_a_persons(out, B)
    old = record_path(out, B).read_bytes(), labels_path(out, B).read_bytes()
    write_smear(smears / B, seed=77, n_cells=3)
    why = "the image file has changed, a person has worked on it"
    assert needs(smears, out)[B] == ("keep", why)
    assert needs(smears, out, overwrite_reviewed=True)[B] == ("stale", why)
    summary = go(smears, out)
    assert (summary.run.kept, record_path(out, B).read_bytes()) == ((B,), old[0])
    summary = go(smears, out, redo=Redo(overwrite_reviewed=True))
    assert (summary.run.kept, counts(out)) == ((), {"done": 1, "skipped": 1, "stale": 1})
    (replaced,) = (out / "replaced").iterdir()
    assert ((replaced / f"records/{B}.json").read_bytes(), (replaced / f"labels/{B}.tif").read_bytes()) == old
    assert sorted(path.name for path in replaced.rglob("*") if path.is_file()) == ["field-2.png.json", "field-2.png.tif"]
    go(smears, tmp_path / "fresh")
    assert contract(out) == contract(tmp_path / "fresh")


def test_what_a_person_saves_while_the_run_works_is_kept(smears: Path, out: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Meanwhile(FakeSegmenter):
        saved: tuple[bytes, bytes] | None = None

        def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
            if self.saved is None:
                save_as_a_persons(out, B)
                self.saved = record_path(out, B).read_bytes(), labels_path(out, B).read_bytes()
            return super().__call__(images)

    segmenter = Meanwhile()
    with caplog.at_level(logging.WARNING):
        go(smears, out, lambda: Models(segmenter, FakeClassifier()), SETTINGS.model_copy(update={"min_score": 0.1}))
    assert (record_path(out, B).read_bytes(), labels_path(out, B).read_bytes()) == segmenter.saved
    assert "reviewed while the run worked" in caplog.text


def test_unchanged_work_of_a_person_is_not_touched_even_then(smears: Path, out: Path) -> None:
    save_as_a_persons(out, B)
    assert needs(smears, out, overwrite_reviewed=True)[B] == ("skip", "done")


def test_a_damaged_record_is_copied_before_its_image_is_done_again(smears: Path, out: Path) -> None:
    save_as_a_persons(out, B)
    record_path(out, B).write_text("{")
    labels = labels_path(out, B).read_bytes()
    assert needs(smears, out)[B] == ("stale", "its record is damaged")
    go(smears, out)
    (replaced,) = (out / "replaced").iterdir()
    assert ((replaced / f"records/{B}.json").read_text(), (replaced / f"labels/{B}.tif").read_bytes()) == ("{", labels)
    assert images(out)[B]["status"] == "done"
