"""The command line: what it writes, what it says on which stream, and its exit codes."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from napari_wbc import __version__
from napari_wbc.cells import Analysis, Box, Cell, CellTable, Probabilities, RgbImage, Scale
from napari_wbc.cli import app
from napari_wbc.config import Settings
from napari_wbc.datasets import LAYOUTS
from napari_wbc.errors import CheckpointError, DeviceError, ModelMemoryError, StorageError, WbcError
from napari_wbc.exchange import FORMATS
from napari_wbc.pipeline import Models
from napari_wbc.results import write_analysis
from napari_wbc.results.record import InputFile, Origin
from napari_wbc.results.runfile import read_run
from tests.exchange.made import make_results, ring
from tests.fakes import FakeClassifier, FakeSegmenter, load_fakes
from tests.permissions import closed
from tests.programs import program
from tests.smears import write_slides

RUNNER = CliRunner()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """The stand-ins in place of the networks; and what the command line asked for."""
    calls: list[dict[str, object]] = []

    def load_models(**options: object) -> Models:
        calls.append(options)
        return load_fakes()

    use(monkeypatch, load_models)
    return calls


def use(monkeypatch: pytest.MonkeyPatch, load_models: Callable[..., Models], models: Sequence[object] = ()) -> None:
    nets = ModuleType("napari_wbc.nets")
    nets.__dict__.update(load_models=load_models, list_models=lambda: models)
    monkeypatch.setitem(sys.modules, "napari_wbc.nets", nets)


def call(*arguments: object) -> Result:
    if arguments[0] == "run":  # in this process, which has the stand-ins
        arguments = ("run", "--workers", 0, *arguments[1:])
    return RUNNER.invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def smears(tmp_path: Path) -> Path:
    return write_slides(tmp_path / "in", 1, 3)


# -- run ---------------------------------------------------------------------------------------------------------------


def test_run_writes_the_results_and_says_what_it_found(smears: Path, tmp_path: Path, asked: list[dict[str, object]]) -> None:
    result = call("run", smears, tmp_path / "out", "--um-per-px", 0.17, "--device", "cpu", "--segmenter", "mine.safetensors")
    assert result.exit_code == 0
    assert asked == [{"segmenter": "mine.safetensors", "classifier": "default", "device": "cpu", "threads": 1}]
    assert re.search(r"lymphocyte\W+\d+\W+\d+\.\d\W+\d+\.\d - \d+\.\d", result.stdout)
    assert "3 images done, 0 failed, 4 cells." in result.stdout
    alone = call("run", smears / "slide-1" / "field-1.png", tmp_path / "alone", "--um-per-px", 0.17)
    assert re.search(r"^1 image done, 0 failed, \d cells?\.$", alone.stdout, re.MULTILINE)
    assert str(tmp_path / "out") in result.stdout
    assert re.search(r"Research use only: .*verify", result.stdout)
    assert (tmp_path / "out" / "report.html").exists()


def test_a_log_file_gets_a_line_now_and_then(
    smears: Path, tmp_path: Path, asked: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("run", smears, tmp_path / "quick").stderr == ""
    monkeypatch.setattr("napari_wbc._cli.progress.LOG_EVERY_S", 0)
    lines = call("run", smears, tmp_path / "slow").stderr.splitlines()
    assert re.fullmatch(r"images 1/3, [0-9.]+ images/s, 0:00:0[0-9] left", lines[0])
    assert lines[-1].startswith("images 3/3")


def test_a_failed_image_gives_exit_code_1_and_its_reason(smears: Path, tmp_path: Path, asked: object) -> None:
    (smears / "[red]bad:smile:.png").write_text("no image")
    result = call("run", smears, tmp_path / "out")
    assert result.exit_code == 1
    assert "[red]bad:smile:.png: not a PNG" in result.stdout
    assert "3 images done, 1 failed" in result.stdout
    assert call("run", smears, tmp_path / "out").exit_code == 1
    (smears / "[red]bad:smile:.png").unlink()
    again = call("run", smears, tmp_path / "out", "--retry-failed")
    assert "0 done, 0 failed, 3 left as they were" in again.stdout


def test_images_unlike_those_the_segmenter_knows_are_counted_in_a_warning(
    smears: Path, tmp_path: Path, asked: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Warning" not in call("run", smears, tmp_path / "1").stdout
    monkeypatch.setattr(FakeSegmenter, "domain", {"lab": {"background": (0.0, 50.0)}})
    result = call("run", smears, tmp_path / "2")
    assert "Warning: 3 of 3 images are unlike those the segmenter knows: see domain_reason in images.csv." in result.stdout
    assert 'false,"a brighter background (' in (tmp_path / "2" / "images.csv").read_text()
    assert "a brighter background" in (tmp_path / "2" / "report.html").read_text()


def test_options_go_before_the_file_and_the_file_before_the_defaults(smears: Path, tmp_path: Path, asked: object) -> None:
    (tmp_path / "s.json").write_text('{"um_per_px": 0.2, "min_area_px": 77, "separate_touching": true}')
    call("run", smears, tmp_path / "1", "--config", tmp_path / "s.json", "--min-area-px", 33, "--no-separate-touching")
    wanted = Settings(um_per_px=0.2, min_area_px=33, separate_touching=False).model_dump()
    assert read_run(tmp_path / "1").settings == wanted
    call("run", smears, tmp_path / "2", "--config", tmp_path / "1" / "run.json")
    assert read_run(tmp_path / "2").settings == wanted


def test_every_setting_is_an_option_with_its_range_and_default() -> None:
    text = " ".join(call("run", "--help").stdout.split())
    for name, field in Settings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert str(field.description) in text
    assert "(probability, at least 0.05, at most 0.95, default 0.5)" in text
    assert "--no-separate-touching" in text


def test_a_dry_run_tells_what_would_be_done_and_why_and_writes_nothing(
    smears: Path, tmp_path: Path, asked: list[dict[str, object]]
) -> None:
    result = call("run", smears, tmp_path / "out", "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [f"new   slide-1/field-{i}.png: not analysed yet" for i in (1, 2, 3)]
    assert "3 images, of which 3 would be analysed (3 new)" in result.stderr
    assert not (tmp_path / "out").exists()
    assert asked == []
    call("run", smears, tmp_path / "out")
    (smears / "slide-1" / "field-2.png").write_text("no image")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    result = call("run", smears, tmp_path / "out", "--dry-run")
    assert result.stdout.splitlines() == [
        "skip  slide-1/field-1.png: done",
        "stale slide-1/field-2.png: the image file has changed",
        "skip  slide-1/field-3.png: done",
    ]
    assert "3 images, of which 1 would be analysed (2 skip, 1 stale)" in result.stderr
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["IN/nowhere", "OUT"], "There is no file or folder"),
        (["IN", "IN/slide-1/field-1.png"], "is a file"),
        (["IN", "IN"], "both input and results folder"),
        (["IN", "OUT", "--mask-threshold", "7"], "mask_threshold"),
        (["IN", "OUT", "--config", "IN/slide-1/field-1.png"], "Cannot read settings"),
    ],
)
def test_wrong_use_is_exit_code_2_and_one_clear_message(
    smears: Path, tmp_path: Path, asked: object, arguments: list[str], words: str
) -> None:
    result = call("run", *(word.replace("IN", str(smears)).replace("OUT", str(tmp_path / "out")) for word in arguments))
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_options_that_do_not_parse_are_exit_code_2(smears: Path, tmp_path: Path) -> None:
    for wrong in (["--min-area-px", "many"], ["--nonsense"], ["--device", "abacus"]):
        assert call("run", smears, tmp_path / "out", *wrong).exit_code == 2
    assert call("run", smears).exit_code == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DeviceError("no cuda here"), 2),
        (CheckpointError("damaged"), 2),
        (ModelMemoryError("full"), 3),
        (StorageError("full"), 3),
    ],
)
def test_errors_have_their_exit_codes(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: WbcError, code: int
) -> None:
    def load_models(**_: str) -> Models:
        raise error

    use(monkeypatch, load_models)
    result = call("run", smears, tmp_path / "out")
    assert (result.exit_code, f"Error: {error}" in result.stderr, "Traceback" in result.stderr) == (code, True, False)
    result = call("run", smears, tmp_path / "out", "--debug")
    assert (result.exit_code, "Traceback" in result.stderr) == (code, True)


@pytest.mark.parametrize(
    ("number", "code"), [(errno.EACCES, 3), (errno.ESTALE, 3), (errno.EIO, 3), (errno.ENOENT, 2), (errno.ELOOP, 2)]
)
def test_what_a_drive_refuses_has_stopped_the_command(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    def load_models(**_: str) -> Models:
        raise CheckpointError("the model cannot be read") from OSError(number, os.strerror(number), "/model")

    use(monkeypatch, load_models)
    assert call("run", smears, tmp_path / "out").exit_code == code


class OutOfMemoryError(RuntimeError):
    """As torch calls it."""


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ZeroDivisionError("oh"), 4, "this is a fault of the program: ZeroDivisionError: oh. Please report it"),
        (OSError("oh"), 4, "OSError: oh"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 3, "/x: Permission denied. See to its permission"),
        (OSError(errno.ENOSPC, "No space left on device"), 3, "No space left on device. See to"),
        (MemoryError(), 3, "memory does not suffice"),
        (OutOfMemoryError("CUDA out of memory"), 3, "CUDA out of memory. Close other programs"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 3, "smaller --set batch=N"),
    ],
)
def test_an_error_that_nobody_raised_on_purpose_has_a_sentence_and_a_code_of_its_own(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, words: str
) -> None:
    def load_models(**_: str) -> Models:
        raise error

    use(monkeypatch, load_models)
    result = call("run", smears, tmp_path / "out")
    assert (result.exit_code, words in result.stderr) == (code, True)
    assert ("Traceback" in result.stderr) == (code == 4)


@pytest.mark.skipif(sys.platform == "win32", reason="no such names there")
def test_names_that_stdout_cannot_write_end_nothing(smears: Path, tmp_path: Path) -> None:
    out = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    ended = program("run", smears, out, "--workers", 0, PYTHONIOENCODING="utf-8:strict")
    stdout, stderr = ended.communicate(timeout=300)
    assert (ended.returncode, stderr) == (0, "")
    assert r"\udcff/report.html" in stdout


@pytest.mark.parametrize(
    "words",
    [
        "run IN SHUT",
        "run IN SHUT/out",
        "run IN SHUT/out --dry-run",
        "run SHUT OUT/new",
        "run SHUT/in OUT/new",
        "run SHUT/*.png OUT/new",
        "run IN OUT --dry-run",
        "collect SHUT",
        "collect SHUT/out",
        "verify OUT",
        "evaluate SHUT --truth OUT",
        "export geojson OUT SHUT",
        "export geojson OUT SHUT/dst",
        "import csv SHUT OUT",
        "import csv SHUT/cells.csv OUT",
        "import geojson SHUT OUT",
        "import geojson SHUT/src OUT",
        "demo SHUT",
        "demo SHUT/demo",
    ],
)
def test_a_folder_that_is_closed_stops_with_one_sentence_that_names_it(
    smears: Path, tmp_path: Path, asked: object, words: str
) -> None:
    out, shut = tmp_path / "out", tmp_path / "shut"
    call("run", smears, out)
    shut.mkdir()
    places = {"IN": smears, "OUT": out, "SHUT": shut}
    folder = shut if "SHUT" in words else out / "records"
    with closed(folder):
        result = call(*(re.sub("^(IN|OUT|SHUT)", lambda name: str(places[name[0]]), word) for word in words.split()))
    assert (result.exit_code, len(result.stderr.splitlines())) == (3, 1)
    assert re.match(rf"Error: .*{folder}.*[Pp]ermission", result.stderr)


def test_a_folder_of_the_input_that_is_closed_is_told_at_the_end_and_is_exit_code_1(
    smears: Path, tmp_path: Path, asked: object
) -> None:
    (smears / "slide-2").mkdir()
    with closed(smears / "slide-2"):
        result = call("run", smears, tmp_path / "out")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (1, "Not searched, so images may be missing: slide-2")
    assert read_run(tmp_path / "out").unsearched == ("slide-2",)
    collected = call("collect", tmp_path / "out")
    assert (collected.exit_code, collected.stdout.splitlines()[-1]) == (1, result.stdout.splitlines()[-1])
    for again in (call("run", smears, tmp_path / "out"), call("collect", tmp_path / "out")):
        assert (again.exit_code, "Not searched" in again.stdout) == (0, False)


def test_an_empty_path_is_wrong_use(smears: Path, tmp_path: Path, asked: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(smears)
    for words in (("run", "", tmp_path / "out"), ("run", smears, ""), ("collect", ""), ("demo", "")):
        result = call(*words)
        assert (result.exit_code, "empty, as from a variable that is not set" in result.stderr) == (2, True)
    assert not (tmp_path / "out").exists()


class Broken(FakeSegmenter):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, images: Sequence[RgbImage]) -> list[Probabilities]:
        raise self.error


def test_ctrl_c_is_exit_code_130(smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, lambda **_: Models(Broken(KeyboardInterrupt()), FakeClassifier()))
    result = call("run", smears, tmp_path / "out")
    assert result.exit_code == 130
    assert "the same command continues" in result.stderr


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("command", "patched", "says"),
    [
        ("demo OUT", "_cli.demo.draw", "Stopped. It begins only with a new or empty folder: name another, or remove this one."),
        ("export coco IN OUT", "exchange.transfer.export_results", "Stopped. It begins only with a new or empty folder"),
        ("train segmenter IN -o OUT", "training.train.train", "Stopped. What is finished is kept; --resume continues."),
        ("crossval segmenter IN -o OUT", "training.crossval.crossval", "What is finished is kept; the same command continues."),
        ("import coco IN OUT", "exchange.transfer.import_into", "What is finished is kept; give the same command again."),
        ("collect IN", "batch.collect.collect", "Stopped."),
    ],
)
def test_ctrl_c_promises_only_what_is_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, patched: str, says: str
) -> None:
    monkeypatch.setattr(f"napari_wbc.{patched}", interrupt)
    words = command.replace("IN", str(tmp_path)).replace("OUT", str(tmp_path / "out")).split()
    result = call(*words)
    assert result.exit_code == 130
    assert says in result.stderr
    assert ("continues" in result.stderr) == ("continues" in says)


@pytest.mark.parametrize("debug", [False, True])
def test_a_fault_of_the_program_shows_its_traceback_only_when_asked(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, debug: bool
) -> None:
    use(monkeypatch, lambda **_: Models(Broken(ZeroDivisionError("oh")), FakeClassifier()))
    result = call("run", smears, tmp_path / "out", *(["--debug"] if debug else []))
    assert result.exit_code == 1
    assert "ZeroDivisionError: oh" in result.stdout
    assert ("Traceback" in result.stderr) == debug


# -- the other commands ------------------------------------------------------------------------------------------------


def test_the_demo_says_that_it_is_drawn_and_compares_with_the_truth(tmp_path: Path, asked: object) -> None:
    result = call("demo", tmp_path / "demo")
    assert result.exit_code == 0
    assert "SYNTHETIC" in result.stdout
    found, drawn = map(int, re.search(r"(\d+)/(\d+) cells found, \d+ false", result.stdout).groups())  # type: ignore[union-attr]
    assert 0 < found <= drawn
    assert re.search(rf"Of the cells found, \d+/{found} got the name", result.stdout)
    assert (tmp_path / "demo" / "results" / "cells.csv").exists()
    again = call("demo", tmp_path / "demo")
    assert (again.exit_code, "not an empty folder" in again.stderr) == (2, True)


def test_collect_makes_the_tables_again(smears: Path, tmp_path: Path, asked: object) -> None:
    call("run", smears, tmp_path / "out")
    (tmp_path / "out" / "cells.csv").unlink()
    assert call("collect", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "cells.csv").exists()
    assert call("collect", smears).exit_code == 2


def test_shards_are_run_one_by_one_and_collected(smears: Path, tmp_path: Path, asked: object) -> None:
    (smears / "bad.png").touch()
    codes = []
    for part in ("0/2", "1/2"):
        result = call("run", smears, tmp_path / "out", "--shard", part)
        assert "napari-wbc collect" in result.stdout
        assert ("1 image of this shard failed" in result.stdout) == (result.exit_code == 1)
        codes.append(result.exit_code)
    assert sorted(codes) == [0, 1]
    assert not (tmp_path / "out" / "cells.csv").exists()
    collected = call("collect", tmp_path / "out")
    assert (collected.exit_code, "3 images done, 1 failed" in collected.stdout) == (1, True)
    wrong = call("run", smears, tmp_path / "out", "--shard", "2/2")
    assert (wrong.exit_code, "i from 0 to n - 1" in wrong.stderr) == (2, True)


def test_verify_names_what_is_wrong(smears: Path, tmp_path: Path, asked: list[dict[str, object]]) -> None:
    call("run", smears, tmp_path / "out")
    sound = call("verify", tmp_path / "out", "--sample", 2)
    assert sound.exit_code == 0
    assert "3 images with their files looked at, 2 analysed again." in sound.stdout
    assert "Nothing is missing or altered" in sound.stdout
    assert asked[-1]["threads"] == read_run(tmp_path / "out").threads == 1
    (tmp_path / "out" / "cells.csv").unlink()
    damaged = call("verify", tmp_path / "out", "--sample", 0)
    assert (damaged.exit_code, "cells.csv: missing" in damaged.stdout) == (1, True)
    assert call("verify", smears).exit_code == 2
    smears.rename(tmp_path / "moved")
    assert "--images" not in damaged.stdout
    assert "Where images have moved, name their folder with --images." in call("verify", tmp_path / "out").stdout
    assert "--images" not in call("verify", tmp_path / "out", "--images", tmp_path / "moved").stdout


def test_models_are_listed_with_their_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    card = SimpleNamespace(
        task="segmenter",
        architecture={"network": "deeplabv3plus", "encoder": "resnet50", "share": 0.123456}.items(),
        outputs=("wbc", "core"),
        um_per_px=0.17,
        data=("some fields",),
        split="by slide",
        recipe="ten epochs",
        start_weights="ImageNet",
        licences=("weights: BSD-3-Clause",),
        metrics={"WBC IoU": "0.91"},
        domain=None,
    )
    use(monkeypatch, load_fakes, [SimpleNamespace(name="default", size=26_700_000, sha256="abc123", card=card)])
    text = call("models").stdout
    for words in (
        "default: segmenter",
        "deeplabv3plus, encoder resnet50, share 0.1235",
        "26.7 MB",
        "abc123",
        "0.17 µm",
        "some fields",
        "by slide",
        "BSD-3-Clause",
        "WBC IoU: 0.91",
        "research only: not for diagnosis",
    ):
        assert words in text


def test_results_go_out_and_what_was_corrected_comes_back(tmp_path: Path) -> None:
    out, dst = make_results(tmp_path, {"s/a.png": ring(), "b.png": ring()}), tmp_path / "dst"
    assert call("export", "geojson", out, dst).stdout == f"2 images exported to {dst}\n"
    path = dst / "b.png.geojson"
    path.write_text(path.read_text().replace('"basophil"', '"monocyte"'))
    done = call("import", "geojson", dst, out)
    assert done.exit_code == 0
    assert done.stdout.startswith("1 image changed, 1 unchanged, 0 failed.")
    assert "monocyte     │ 3 " in done.stdout
    assert "b.png,1,0.0" not in (out / "cells.csv").read_text()
    path.write_text("nonsense")
    failed = call("import", "geojson", dst, out)
    assert failed.exit_code == 1
    assert f"Failed: b.png: {path} cannot be read as JSON" in failed.stderr


def test_formats_that_are_none_and_folders_that_are_full_are_wrong_use(tmp_path: Path) -> None:
    out, afile = make_results(tmp_path, {"b.png": ring()}), tmp_path / "afile"
    afile.write_text("no table")
    for arguments, said in (
        (("export", "voc", out, tmp_path / "dst"), "no format 'voc'. Known formats: geojson, coco"),
        (("import", "voc", out, tmp_path / "dst"), "no format or data set 'voc'. Known: geojson, coco"),
        (("export", "csv", out, out), "is not an empty folder"),
        (("export", "csv", tmp_path, tmp_path / "dst"), "is not a results folder"),
        (("import", "csv", tmp_path / "nowhere", out), "is not a file"),
        (("import", "csv", afile, out), "afile says nothing of an image of"),
        (("import", "csv", afile, out), "it is no csv file, or no name fits"),
        (("export", "csv", afile, tmp_path / "dst"), "afile is not a results folder"),
        (("verify", afile), "afile is not a results folder"),
        (("collect", afile), "afile is not a results folder"),
        (("import", "geojson", tmp_path / "nowhere", out), "nowhere is not there"),
        (("import", "geojson", tmp_path / "images", out), "No file in"),
    ):
        done = call(*arguments)
        assert done.exit_code == 2
        assert said in done.stderr
    assert not (tmp_path / "dst").exists()


COMMANDS = ("run", "demo", "collect", "verify", "models", "evaluate", "export", "import", "train", "crossval")


def test_version_and_help() -> None:
    assert call("--version").stdout.strip() == f"napari-wbc {__version__}"
    text = call("--help").stdout
    for command in COMMANDS:
        assert re.search(rf"^\s+{command}\b", text, re.MULTILINE)
    assert "..." not in text.replace("[ARGS]...", "")  # a line that was cut


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_explains_every_argument_and_option(command: str) -> None:
    found = call(command, "--help")
    assert found.exit_code == 0
    listed = found.stdout.partition("\n\nArguments:")[2] or found.stdout.partition("\n\nOptions:")[2]
    entries = re.findall(r"^  (\S.*(?:\n {4,}.*)*)", listed, re.MULTILINE)
    assert any(entry.startswith("--debug") for entry in entries)
    assert [entry for entry in entries if not re.search(r"\s{2,}[A-Z]", entry)] == []


def test_the_help_of_import_names_every_format_and_data_set() -> None:
    text = re.sub(r"-\n\s+", "-", call("import", "--help").stdout)  # a name may be broken at its hyphen
    assert [name for name in (*FORMATS, *LAYOUTS) if not re.search(rf"\b{name}\b", text)] == []


def test_train_and_crossval_share_the_options_of_a_lesson() -> None:
    shared = {"--recipe", "--from", "--start", "--set", "--images", "--seed", "--device"}
    train, crossval = (set(re.findall(r"--[a-z-]+", call(name, "--help").stdout)) for name in ("train", "crossval"))
    assert train & crossval == shared | {"--out", "--debug", "--help"}
    assert train ^ crossval == {"--resume", "--folds", "--by"}


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['napari-wbc', '--help']\n"
        "from napari_wbc.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print('LOADED', *sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert "typer" in loaded
    assert not loaded & {"torch", "numpy", "pandas", "scipy", "skimage", "pydantic", "jinja2", "PIL", "tifffile"}


# -- as a program ------------------------------------------------------------------------------------------------------


def test_exit_codes_reach_the_shell(tmp_path: Path) -> None:
    wrong = program("run", tmp_path / "nowhere", tmp_path / "out")
    stdout, stderr = wrong.communicate(timeout=60)
    assert (wrong.returncode, stdout) == (2, "")
    assert "There is no file or folder" in stderr


def test_evaluate_prints_a_table_or_json(tmp_path: Path) -> None:
    labels = np.zeros((40, 60), np.int32)
    labels[5:25, 5:35] = 1
    cell = Cell(1, Box(5, 5, 25, 35), 19.5, 14.5, 600, False, segmentation_score=0.9, cell_type="monocyte")
    made = Analysis(labels, CellTable((cell,)), Scale(0.1, 1.0, "user"))
    source, origin = InputFile(sha256="0" * 64), Origin(segmenter="a", classifier="b", settings="c")
    for name, reader in (("results", None), ("truth", "Ada")):
        write_analysis(tmp_path / name, "a.png", made, source, origin, reviewed_by=reader)
    table = call("evaluate", tmp_path / "results", "--truth", tmp_path / "truth")
    assert table.exit_code == 0
    assert "AP at box IoU 0.7" in table.stdout
    assert "1/1 = 100.0 %" in table.stdout
    figures = json.loads(call("evaluate", tmp_path / "results", "--truth", tmp_path / "truth", "--json").stdout)
    assert figures["pixels"]["iou_wbc"] == 1.0
    assert call("evaluate", tmp_path / "truth", "--truth", tmp_path / "results").exit_code == 2
