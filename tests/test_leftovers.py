"""What a killed process was writing is removed by the next run, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from napari_wbc.results.leftovers import LEFT_S, sweep
from napari_wbc.results.storage import temporary_prefix, writing
from tests.runs import go
from tests.smears import write_slides

DIGITS = "0123456789abcdef"


def ended() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def touch(path: Path, age_s: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    time = path.stat().st_mtime - age_s
    os.utime(path, (time, time))
    return path


@pytest.mark.skipif(os.name == "nt", reason="processes of POSIX")
def test_only_what_nobody_writes_any_more_goes(tmp_path: Path) -> None:
    out, dead, elsewhere = tmp_path / "out", f"{temporary_prefix()}{ended()}-{DIGITS}", f".tmp-00000000-1-{DIGITS}"
    left = [
        touch(out / dead), touch(out / "labels" / "s" / dead), touch(out / "images" / dead), touch(out / "unfinished" / "a.svs" / dead),
        touch(out / "records" / elsewhere, 2 * LEFT_S),
    ]  # fmt: skip
    kept = [
        touch(out / "labels" / f"{temporary_prefix()}{os.getpid()}-{DIGITS}"),
        touch(out / "records" / "s" / elsewhere, LEFT_S / 2),
        touch(out / "labels" / ".tmp-mine"),
        touch(out / "notes" / dead),
        touch(tmp_path / "outside" / dead),
    ]
    (out / "shards").symlink_to(tmp_path / "outside", target_is_directory=True)
    link = out / "records" / dead
    link.symlink_to(kept[-1])
    assert sweep(out) == len(left)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in [*kept, link])


def test_a_run_removes_what_an_earlier_one_was_writing(tmp_path: Path) -> None:
    smears, out = write_slides(tmp_path / "in", 1, 2), tmp_path / "out"
    go(smears, out)
    killed = "import os, sys; from pathlib import Path; from napari_wbc.results.storage import writing\n"
    killed += "with writing(Path(sys.argv[1]), Path(sys.argv[1], 'labels', 'a.tif')) as file: file.write(b'x'); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", killed, out], check=False).returncode == 9
    with writing(out, out / "labels" / "b.tif"):  # another process that saves at this moment
        assert len(list(out.rglob(".tmp-*"))) == 2
        go(smears, out)
        assert len(list(out.rglob(".tmp-*"))) == 1
    assert (out / "labels" / "b.tif").exists()
