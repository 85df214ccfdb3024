"""Safe beside patient images: no network, no text of the input files, no absolute paths, nothing that runs in tables or reports."""

from __future__ import annotations

import base64
import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from napari_wbc.exchange.transfer import MODULES
from napari_wbc.synthetic import draw_field
from tests.exchange.made import export
from tests.programs import REPOSITORY
from tests.runs import go
from tests.smears import smear, write_smear

SECRET = "Jane Roe 1970-01-01"

OFFLINE = """
import sys

def forbid(event, arguments):
    if event.startswith("socket.") and event not in ("socket.gethostname", "socket.__new__"):
        raise SystemExit(f"{event} {arguments}: the network is not to be used")

sys.addaudithook(forbid)
from napari_wbc import analyse, load_models, read_image
from napari_wbc.cli import main

assert len(analyse(read_image(sys.argv[1] + "/smear.png"), load_models(device="cpu")).cells)
sys.argv[1:] = ["run", sys.argv[1], sys.argv[2], "--device", "cpu"]
main()
"""


def test_analysing_and_running_use_no_network(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()

    Pillow.fromarray(draw_field(np.random.default_rng(5), shape=(240, 320), n_cells=1).image).save(
        tmp_path / "in" / "smear.png"
    )
    words = [sys.executable, "-c", OFFLINE, str(tmp_path / "in"), str(tmp_path / "out")]
    ended = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "out" / "report.html").exists()


def test_the_guard_of_that_test_sees_a_look_up() -> None:
    code = OFFLINE.partition("from napari_wbc")[0] + "import socket\nsocket.getaddrinfo('localhost', 80)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "not to be used" in ended.stderr


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Results of images whose files tell of a patient."""
    folder = tmp_path / "in"
    folder.mkdir()
    picture, text = Pillow.fromarray(smear(1)), PngInfo()
    text.add_text("Comment", SECRET)
    text.add_itxt("Patient", SECRET)
    picture.save(folder / "a.png", pnginfo=text)
    exif = Pillow.Exif()
    exif[0x010E] = exif[0x013B] = SECRET
    picture.save(folder / "b.jpg", exif=exif, comment=SECRET.encode(), quality=95)
    tifffile.imwrite(folder / "c.tif", smear(2), photometric="rgb", description=SECRET, software=SECRET)
    tifffile.imwrite(folder / "d.ome.tif", smear(3), photometric="rgb", ome=True, metadata={"axes": "YXS", "Name": SECRET})
    assert all(SECRET.encode() in path.read_bytes() for path in folder.iterdir())
    assert go(folder, tmp_path / "out").exit_code == 0
    return tmp_path / "out"


def files_of(folder: Path) -> list[bytes]:
    """The bytes of all files, and of the pictures in a report."""
    found = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    pictures = [base64.b64decode(part) for data in found for part in re.findall(rb'base64,([^"]+)"', data)]
    return found + pictures


def test_no_text_of_the_input_files_is_copied(out: Path, tmp_path: Path) -> None:
    for folder in (out, *(export(name, out, tmp_path / name) for name in MODULES)):
        files = files_of(folder)
        assert files
        assert not [data for data in files if SECRET.encode() in data or SECRET.encode("utf-16-le") in data]


def test_no_absolute_path_is_written(out: Path, tmp_path: Path) -> None:
    for folder in (out, *(export(name, out, tmp_path / name) for name in MODULES)):
        assert not [data for data in files_of(folder) if str(tmp_path).encode() in data]


@pytest.mark.skipif(sys.platform == "win32", reason="no such names there")
def test_names_of_files_run_nowhere(tmp_path: Path) -> None:
    """In a spreadsheet nothing begins like a formula; in a browser no name is markup."""
    for name in ("=1+1.png", "@SUM(1).png", "+1.png", "-1.png", "\t=1.png", "<img src=x onerror=alert(1)>.png", "<script>.png"):
        write_smear(tmp_path / "in" / "=cmd" / name, n_cells=1)
    go(tmp_path / "in", tmp_path / "out")
    export("csv", tmp_path / "out", tmp_path / "csv")
    tables = [*(tmp_path / "out").glob("*.csv"), *(tmp_path / "csv").glob("*.csv")]
    assert len(tables) == 5
    for table in tables:
        texts = [text for row in csv.reader(table.read_text(encoding="utf-8").splitlines()) for text in row]
        assert not [text for text in texts if text.startswith(("=", "+", "-", "@", "\t", "\r"))]
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<script" not in report
    assert "<img src=x" not in report
    assert "&lt;script&gt;" in report or "&lt;img src=x" in report
