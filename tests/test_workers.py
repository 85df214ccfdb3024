"""Worker processes: the same bytes as without them, and a crash costs one image, not the run."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from napari_wbc.batch import intake
from napari_wbc.batch.backlog import Backlog
from napari_wbc.batch.discover import InputImage
from napari_wbc.batch.job import Job, describe
from napari_wbc.cells import Field, Probabilities, RgbImage
from napari_wbc.errors import CheckpointError, StorageError, UsageError, WorkersError
from napari_wbc.pipeline import Models
from napari_wbc.results import has_labels, read_analysis, read_record, write_analysis
from napari_wbc.results.runfile import read_run
from napari_wbc.results.unfinished import TILES_PER_FILE, Tile, Unfinished, unfinished_in
from tests.fakes import FakeClassifier, FakeSegmenter, load_fakes
from tests.runs import SETTINGS, contract, counts, go, images, timeless
from tests.smears import write_slides, write_smear
from tests.steps import watch


@pytest.fixture
def smears(tmp_path: Path) -> Path:
    return write_slides(tmp_path / "in", 2, 5)


def test_several_processes_give_the_same_bytes_as_none(smears: Path, tmp_path: Path) -> None:
    (smears / "bad.png").touch()
    go(smears, tmp_path / "none")
    for n in (1, 3):
        out = tmp_path / str(n)
        go(smears, out, workers=n)
        assert contract(out) == contract(tmp_path / "none")
        assert timeless(out) == timeless(tmp_path / "none")
        assert counts(out) == {"done": 10, "failed": 1}
        assert (read_run(out).workers, read_run(out).threads) == (n, 1)


# -- crashes -----------------------------------------------------------------------------------------------------------


def load_with_decoder_that_crashes(name: str, once: Path | None = None) -> Models:
    """In the process that calls this, the decoder of images steps out of its memory at one image: always, or once."""
    decode = intake.decode

    def crash(data: bytes, image: str, max_megapixels: float) -> Field:
        if image == name and not (once and once.exists()):
            if once:
                once.touch()
            ctypes.string_at(0)
        return decode(data, image, max_megapixels)

    intake.decode = crash
    return load_fakes()


@pytest.mark.skipif(os.name == "nt", reason="other exit codes")
def test_a_decoder_that_crashes_costs_one_image(smears: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out, name = tmp_path / "out", "slide-1/field-4.png"
    with caplog.at_level(logging.WARNING):
        summary = go(smears, out, partial(load_with_decoder_that_crashes, name), workers=2)
    assert (summary.exit_code, counts(out)) == (1, {"done": 9, "failed": 1})
    assert "ended twice (SIGSEGV)" in str(images(out)[name]["error"])
    assert "A worker process ended: SIGSEGV" in caplog.text
    (smears / name).unlink()
    go(smears, tmp_path / "without")
    assert (out / "cells.csv").read_bytes() == (tmp_path / "without" / "cells.csv").read_bytes()


def test_a_worker_that_is_lost_once_costs_nothing(smears: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(smears, out, partial(load_with_decoder_that_crashes, "slide-2/field-1.png", tmp_path / "crashed"), workers=1)
    go(smears, tmp_path / "none")
    assert (tmp_path / "crashed").exists()
    assert contract(out) == contract(tmp_path / "none")
    assert timeless(out) == timeless(tmp_path / "none")


class Suicidal(FakeSegmenter):
    """Kills its process as the system does where memory is short, at the first image after the first."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark
        self.calls = 0

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        self.calls += 1
        if self.calls == 2 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(images)


def load_suicidal(mark: Path) -> Models:
    return Models(Suicidal(mark), FakeClassifier())


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_kill_9_of_a_worker_costs_nothing(smears: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(smears, out, partial(load_suicidal, tmp_path / "killed"), workers=2)
    go(smears, tmp_path / "none")
    assert (tmp_path / "killed").exists()
    assert contract(out) == contract(tmp_path / "none")


def load_with_decoder_that_hangs(name: str) -> Models:
    """In the process that calls this, the decoder of images never comes back from one image."""
    decode = intake.decode

    def hang(data: bytes, image: str, max_megapixels: float) -> Field:
        while image == name:
            time.sleep(1)
        return decode(data, image, max_megapixels)

    intake.decode = hang
    return load_fakes()


def test_a_decoder_that_hangs_costs_one_image(smears: Path, tmp_path: Path) -> None:
    out, name = tmp_path / "out", "slide-1/field-4.png"
    summary = go(smears, out, partial(load_with_decoder_that_hangs, name), workers=2, time_limit_s=10.0)
    assert (summary.exit_code, counts(out)) == (1, {"done": 9, "failed": 1})
    assert "ended twice (no sign of life for 10 s): the file crashes or stalls" in str(images(out)[name]["error"])
    (smears / name).unlink()
    go(smears, tmp_path / "without")
    assert (out / "cells.csv").read_bytes() == (tmp_path / "without" / "cells.csv").read_bytes()


def load_with_slow_drive(name: str, seconds: float) -> Models:
    """In the process that calls this, the drive takes so long to give one of the files."""
    read = intake.read_whole

    def read_slowly(image: InputImage, max_megapixels: float) -> bytes:
        time.sleep(seconds if image.name == name else 0)
        return read(image, max_megapixels)

    intake.read_whole = read_slowly
    return load_fakes()


@pytest.mark.parametrize(("seconds", "n_failed"), [(2, 0), (3600, 1)])
def test_a_slow_read_costs_nothing_and_a_stuck_one_one_image(
    smears: Path, tmp_path: Path, seconds: float, n_failed: int
) -> None:
    out, name = tmp_path / "out", "slide-1/field-4.png"
    summary = go(smears, out, partial(load_with_slow_drive, name, seconds), workers=2, time_limit_s=8.0)
    assert (summary.exit_code, summary.n_failed) == (n_failed, n_failed)
    assert read_run(out).counts.done == 10 - n_failed
    assert ("no sign of life for 8 s" in str(images(out)[name]["error"])) is bool(n_failed)


def exit_at_once() -> Models:
    sys.exit(7)


def refuse() -> Models:
    raise CheckpointError("damaged")


def refuse_for_the_drive() -> Models:
    raise CheckpointError("cannot be read") from PermissionError(errno.EACCES, "Permission denied")


def refuse_for_what_cannot_be_sent() -> Models:
    raise CheckpointError("damaged") from ValueError(lambda: None)


def test_an_error_of_a_worker_has_the_cause_that_decides_the_exit_code(smears: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read") as raised:
        go(smears, tmp_path / "out", refuse_for_the_drive, workers=1)
    assert isinstance(raised.value.__cause__, PermissionError)
    with pytest.raises(CheckpointError, match="damaged"):
        go(smears, tmp_path / "out", refuse_for_what_cannot_be_sent, workers=1)


def test_what_stops_a_worker_at_its_start_stops_the_run(smears: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkersError, match=r"while it loaded the models: exit code 7"):
        go(smears, tmp_path / "out", exit_at_once, workers=2)
    with pytest.raises(CheckpointError, match="damaged"):
        go(smears, tmp_path / "out", refuse, workers=2)
    assert not (tmp_path / "out").exists()


def load_with_full_disk() -> Models:
    """In the process that calls this, no label image of a third field can be written."""
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        if Path(target).name == "field-3.png.tif":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    os.replace = replace  # type: ignore[assignment]
    return load_fakes()


def test_a_full_disk_stops_all_workers_and_loses_nothing(smears: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(StorageError, match="the disk is full"):
        go(smears, out, load_with_full_disk, workers=2)
    assert not list(out.rglob(".tmp*"))
    go(smears, out)
    go(smears, tmp_path / "once")
    assert contract(out) == contract(tmp_path / "once")


class Noisy(FakeSegmenter):
    """Fails where a picture is small."""

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        if any(image.shape[0] < 96 for image in images):
            raise RuntimeError("no kernel for this size")
        return super().__call__(images)


def load_noisy() -> Models:
    return Models(Noisy(), FakeClassifier())


def test_the_log_of_a_worker_arrives_with_its_traceback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_smear(tmp_path / "in" / "a.png")
    write_smear(tmp_path / "in" / "b.png", shape=(64, 64))
    with caplog.at_level(logging.WARNING):
        go(tmp_path / "in", tmp_path / "out", load_noisy, workers=1)
    (record,) = (record for record in caplog.records if record.getMessage() == "b.png could not be analysed")
    assert "no kernel for this size" in str(record.exc_text)


# -- the backlog -------------------------------------------------------------------------------------------------------


def named(*names: str) -> list[InputImage]:
    return [InputImage(name, Path(name)) for name in names]


@pytest.mark.parametrize(
    ("n_images", "n_workers", "sizes"),
    [(5, 2, [1] * 5), (20, 2, [5, 3, 3, 2] + [1] * 7), (100, 1, [32, 32, 18, 9, 4, 2, 1, 1, 1])],
)
def test_chunks_are_small_where_there_is_little_to_share(n_images: int, n_workers: int, sizes: list[int]) -> None:
    backlog = Backlog(named(*map(str, range(n_images))), n_workers)
    chunks = [backlog.take() for _ in range(len(backlog))]
    assert [len(chunk) for chunk in chunks] == sizes
    assert [image.name for chunk in chunks for image in chunk] == list(map(str, range(n_images)))
    assert backlog.take() == ()


def test_suspects_come_last_and_only_to_who_is_alone(tmp_path: Path) -> None:
    engine = describe(load_fakes())
    job = Job(tmp_path / "out", tmp_path, SETTINGS, engine)
    backlog = Backlog(named("a", "b", "c"), 1)
    a = backlog.take()
    assert backlog.lost(a, "SIGSEGV", job) == []
    assert backlog.take(alone=False) == tuple(named("b"))
    assert backlog.take() == tuple(named("c"))
    assert backlog.take(alone=False) == ()
    assert backlog.take() == a
    (row,) = backlog.lost(a, "SIGSEGV", job)
    assert (row.image, row.status, "twice (SIGSEGV)" in str(row.error), len(backlog)) == ("a", "failed", True, 0)


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_image_that_was_reviewed_meanwhile_is_kept_where_its_worker_dies(tmp_path: Path, overwrite: bool) -> None:
    write_smear(tmp_path / "in" / "a.png")
    go(tmp_path / "in", tmp_path / "out")
    job = Job(tmp_path / "out", tmp_path / "in", SETTINGS, describe(load_fakes()), overwrite_reviewed=overwrite)
    backlog = Backlog([InputImage("a.png", tmp_path / "in" / "a.png")], 1)
    assert backlog.lost(backlog.take(), "SIGSEGV", job) == []
    before = read_record(job.out, "a.png")
    write_analysis(
        job.out, "a.png", read_analysis(job.out, "a.png"), before.hashes.input, before.hashes.origin, reviewed_by="Ada"
    )
    (row,) = backlog.lost(backlog.take(), "SIGSEGV", job)
    assert (row.status, row.reviewed_by) == (("failed", None) if overwrite else ("done", "Ada"))
    assert (read_record(job.out, "a.png").row, has_labels(job.out, "a.png")) == (row, not overwrite)


def test_a_slide_that_loses_its_workers_is_its_own_slide_and_leaves_no_tiles(tmp_path: Path) -> None:
    job = Job(tmp_path / "out", tmp_path, SETTINGS, describe(load_fakes()))
    tiles = Unfinished(job.out, "s/a.svs", "key")
    for _ in range(TILES_PER_FILE):
        tiles.add(Tile())
    slide = [InputImage("s/a.svs", tmp_path / "s" / "a.svs")]
    backlog = Backlog(slide, 1)
    assert backlog.lost(backlog.take(), "SIGSEGV", job) == []
    assert unfinished_in(job.out) == ["s/a.svs"]
    (row,) = backlog.lost(backlog.take(), "SIGSEGV", job)
    assert (row.slide, unfinished_in(job.out)) == ("s/a.svs", [])


def test_every_image_is_yielded_once_also_where_workers_die(smears: Path, tmp_path: Path) -> None:
    load = partial(load_with_decoder_that_crashes, "slide-1/field-1.png")
    from napari_wbc.batch import run

    seen, _ = watch(run(smears, tmp_path / "out", load, SETTINGS, workers=1))
    assert sorted(step.image for step in seen) == sorted(images(tmp_path / "out"))
    assert [step.done for step in seen] == list(range(1, 11))


STARTS_ITS_FIRST = """
import signal, time
from napari_wbc.batch.processes import _SPAWN, _deaf_to_ctrl_c
if __name__ == "__main__":
    with _deaf_to_ctrl_c():
        process = _SPAWN.Process(target=time.sleep, args=(0,))
        process.start()
        print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))
    process.join()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="processes ignore Ctrl-C themselves there")
def test_the_first_process_does_not_hear_ctrl_c_while_it_starts(tmp_path: Path) -> None:
    script = tmp_path / "first.py"  # in a program of its own: multiprocessing's tracker starts with the first process
    script.write_text(STARTS_ITS_FIRST)
    found = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["True"]


@pytest.mark.parametrize("options", [{"workers": 0}, {"workers": 2, "cluster": "tcp://127.0.0.1:9"}])
def test_a_time_limit_without_a_process_to_end_is_wrong_use(smears: Path, tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="--time-limit ends worker processes"):
        go(smears, tmp_path / "out", time_limit_s=5.0, **options)
    assert not (tmp_path / "out").exists()
