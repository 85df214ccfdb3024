"""What a night may bring, on real processes and file systems: kill -9, Ctrl-C, a full disk, a read-only one, a vanished folder."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from napari_wbc.cells import Probabilities, RgbImage
from napari_wbc.errors import ModelMemoryError, StorageError
from napari_wbc.pipeline import Models, analyse_many
from napari_wbc.results.runfile import read_run
from napari_wbc.tiling import TILE_PX
from tests.fakes import FakeClassifier, FakeSegmenter, load_fakes
from tests.programs import program
from tests.runs import SETTINGS, contract, counts, go, images, timeless
from tests.smears import smear, write_slides, write_smear
from tests.test_slides import crowded, write

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and file systems of POSIX")

N_KILLS = int(os.environ.get("NAPARI_WBC_KILLS", "4"))


def records(out: Path) -> int:
    return len(list((out / "records").rglob("*.json")))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# -- signals -----------------------------------------------------------------------------------------------------------


def test_killed_at_any_moment_and_continued_it_gives_the_same_bytes(tmp_path: Path) -> None:
    rng, smears, out = random.Random(N_KILLS), write_slides(tmp_path / "in", 4, 3 * N_KILLS), tmp_path / "out"
    options = {"SECONDS_PER_IMAGE": "0.2"}
    hits = 0
    for _ in range(N_KILLS):
        before = records(out)
        running = program("run", smears, out, "--um-per-px", SETTINGS.um_per_px, "--min-area-px", 20, **options)
        wait_for(lambda: records(out) > before or running.poll() is not None)  # noqa: B023
        time.sleep(rng.uniform(0, 0.5))
        hits += running.poll() is None
        running.kill()
        running.communicate(timeout=60)
    assert hits > N_KILLS / 2
    last = program("run", smears, out, "--um-per-px", SETTINGS.um_per_px, "--min-area-px", 20)
    _, stderr = last.communicate(timeout=300)
    assert last.returncode == 0, stderr
    go(smears, tmp_path / "once")
    assert contract(out) == contract(tmp_path / "once")
    assert timeless(out) == timeless(tmp_path / "once")


def test_a_slide_that_is_killed_in_the_middle_is_continued(tmp_path: Path) -> None:
    out, options = tmp_path / "out", ("--um-per-px", SETTINGS.um_per_px, "--min-area-px", 20, "--max-megapixels", 0.5)
    slide = tmp_path / "in"
    slide.mkdir()
    write(slide / "a.tif", crowded(2600, 2000))
    for n in range(2):
        running = program("run", slide, out, *options, SECONDS_PER_IMAGE="0.2")
        wait_for(lambda: (out / f"unfinished/a.tif/{n}.json").exists() or running.poll() is not None)  # noqa: B023
        running.kill()
        running.communicate(timeout=60)
        assert (out / "unfinished/a.tif/0.json").exists()
        assert not records(out)
    kept = (out / "unfinished/a.tif/0.json").stat().st_mtime_ns
    last = program("run", slide, out, *options, SECONDS_PER_IMAGE="0.2")
    wait_for(lambda: (out / "unfinished/a.tif/1.json").exists() or last.poll() is not None)
    assert (out / "unfinished/a.tif/0.json").stat().st_mtime_ns == kept
    _, stderr = last.communicate(timeout=300)
    assert last.returncode == 0, stderr
    assert not (out / "unfinished").exists()
    go(slide, tmp_path / "once", settings=SETTINGS.model_copy(update={"max_megapixels": 0.5}))
    assert contract(out) == contract(tmp_path / "once")
    assert timeless(out) == timeless(tmp_path / "once")


def test_ctrl_c_is_exit_code_130_and_the_same_command_continues(tmp_path: Path) -> None:
    smears, out = write_slides(tmp_path / "in", 2, 10), tmp_path / "out"
    stopped = program("run", smears, out, "--workers", 2, SECONDS_PER_IMAGE="0.3")
    wait_for(lambda: records(out) > 1)
    stopped.send_signal(signal.SIGINT)
    _, stderr = stopped.communicate(timeout=120)
    assert (stopped.returncode, "Traceback" in stderr) == (130, False), stderr
    assert "the same command continues" in stderr
    assert 1 < records(out) < 20
    assert not list(out.rglob(".tmp*"))
    last = program("run", smears, out)
    stdout, stderr = last.communicate(timeout=120)
    assert (last.returncode, "Research use only" in stdout) == (0, True), stderr


def children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(child) for child in found.stdout.split()]


def is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not shutil.which("ps"), reason="no list of processes here")
def test_ctrl_c_in_a_terminal_reaches_the_workers_at_any_time_and_they_do_not_mind(tmp_path: Path) -> None:
    stopped = program("run", write_slides(tmp_path / "in", 1, 3), tmp_path / "out")
    wait_for(lambda: bool(children(stopped.pid)))
    os.killpg(stopped.pid, signal.SIGINT)
    _, stderr = stopped.communicate(timeout=120)
    assert (stopped.returncode, "Traceback" in stderr) == (130, False), stderr


@pytest.mark.skipif(not Path("/proc/self/stat").exists() or not shutil.which("ps"), reason="no /proc here")
def test_workers_end_when_the_program_is_killed(tmp_path: Path) -> None:
    smears, out = write_slides(tmp_path / "in", 2, 10), tmp_path / "out"
    running = program("run", smears, out, "--workers", 2, SECONDS_PER_IMAGE="0.2")
    wait_for(lambda: records(out) > 0)
    orphans = children(running.pid)
    assert len(orphans) >= 2
    running.kill()
    running.communicate(timeout=60)
    wait_for(lambda: not any(map(is_alive, orphans)))


# -- file systems ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_full_is_exit_code_3_and_nothing_is_lost(tmp_path: Path, small_disk: Path) -> None:
    smears, out = write_slides(tmp_path / "in", 2, 20), small_disk / "out"
    running = program("run", smears, out, "--workers", 2, "--um-per-px", SETTINGS.um_per_px, "--min-area-px", 20)
    _, stderr = running.communicate(timeout=120)
    assert (running.returncode, "the disk is full" in stderr, "Traceback" in stderr) == (3, True, False), stderr
    assert 0 < records(out) < 40
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    kept = {path: path.stat().st_mtime_ns for path in (out / "records").rglob("*.json")}
    go(smears, out)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    go(smears, tmp_path / "once")
    assert contract(out) == contract(tmp_path / "once")


def test_lost_write_permission_is_exit_code_3_and_nothing_is_lost(tmp_path: Path, small_disk: Path) -> None:
    smears, out = write_slides(tmp_path / "in", 1, 3), small_disk / "out"
    go(smears, out)
    before = contract(out)
    write_smear(smears / "new.png")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    refused = program("run", smears, out)
    _, stderr = refused.communicate(timeout=120)
    assert (refused.returncode, "the drive is read-only" in stderr, "Traceback" in stderr) == (3, True, False), stderr
    assert contract(out) == before
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    go(smears, out)
    assert counts(out) == {"done": 1, "skipped": 3}


class Losing(FakeSegmenter):
    """At the second image something happens to the folder of the images."""

    def __init__(self, happen: Callable[[], object]) -> None:
        self.happen = happen
        self.calls = 0

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        self.calls += 1
        if self.calls == 2:
            self.happen()
        return super().__call__(images)


def test_an_image_that_vanishes_is_one_row(tmp_path: Path) -> None:
    smears = write_slides(tmp_path / "in", 1, 20)
    last = smears / "slide-1" / "field-9.png"
    go(smears, tmp_path / "out", lambda: Models(Losing(last.unlink), FakeClassifier()), group_images=1)
    assert counts(tmp_path / "out") == {"done": 19, "failed": 1}
    assert "cannot be read: No such file" in str(images(tmp_path / "out")["slide-1/field-9.png"]["error"])


def test_a_folder_that_vanishes_stops_the_run_and_makes_no_failures(tmp_path: Path) -> None:
    smears, out = write_slides(tmp_path / "in", 1, 20), tmp_path / "out"
    with pytest.raises(StorageError, match="The folder of the images has gone"):
        go(smears, out, lambda: Models(Losing(lambda: smears.rename(tmp_path / "away")), FakeClassifier()), group_images=1)
    (tmp_path / "away").rename(smears)
    go(smears, out)
    assert counts(out)["done"] + counts(out)["skipped"] == 20
    assert read_run(out).counts.failed == 0


# -- memory ------------------------------------------------------------------------------------------------------------


class Narrow(FakeSegmenter):
    """Has memory for pictures of `side` px at most, and for one at a time."""

    def __init__(self, side: int) -> None:
        self.side = side

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        if max(images[0].shape[:2]) > self.side:
            raise ModelMemoryError("out of memory")
        return super().__call__(images)


def test_short_of_memory_an_image_is_analysed_in_small_tiles_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_smear(tmp_path / "in" / "large.png", n_cells=9, shape=(96, TILE_PX))
    write_smear(tmp_path / "in" / "small.png")
    go(tmp_path / "in", tmp_path / "out", lambda: Models(Narrow(TILE_PX // 2), FakeClassifier()))
    assert counts(tmp_path / "out") == {"done": 2}
    assert "Out of memory with 2 images together: each is analysed alone." in caplog.messages
    assert any("large.png: it is analysed in small tiles" in message for message in caplog.messages)
    assert not any("small.png" in message for message in caplog.messages)
    (whole,) = analyse_many([smear(0, 9, (96, TILE_PX))], load_fakes(), SETTINGS)
    assert images(tmp_path / "out")["large.png"]["n_cells"] == str(len(whole.cells))


def test_an_image_that_fits_in_no_way_is_one_row(tmp_path: Path) -> None:
    write_smear(tmp_path / "in" / "large.png", shape=(96, TILE_PX))
    write_smear(tmp_path / "in" / "small.png")
    go(tmp_path / "in", tmp_path / "out", lambda: Models(Narrow(200), FakeClassifier()))
    assert counts(tmp_path / "out") == {"done": 1, "failed": 1}
    assert images(tmp_path / "out")["large.png"]["error"] == "out of memory"
