"""A pipe or a device where a file is expected is refused: nobody waits for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_wbc._napari.autosave import NOTE, kept_work
from napari_wbc.config import read_settings
from napari_wbc.datasets import bccd
from napari_wbc.errors import CheckpointError, ResultsError, SettingsError, UnreadableImageError
from napari_wbc.exchange.names import read_json
from napari_wbc.images import read_image
from napari_wbc.nets.checkpoint import read_card
from napari_wbc.nets.start import read_npz
from napari_wbc.regular import read_file, read_text
from napari_wbc.results import read_labels, read_record
from napari_wbc.results.runfile import read_run
from napari_wbc.results.storage import file_sha256, size_and_time
from napari_wbc.review.readings import read_readings
from napari_wbc.training.lesson import same_lesson
from napari_wbc.training.out_of_fold import read_result
from napari_wbc.training.state import read_history

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")

READERS: dict[str, tuple[Callable[[Path], object], type[Exception]]] = {
    "records/a.png.json": (lambda out: read_record(out, "a.png"), ResultsError),
    "labels/a.png.tif": (lambda out: read_labels(out, "a.png"), ResultsError),
    "readings/a.png.csv": (lambda out: read_readings(out, "a.png"), ResultsError),
    "run.json": (read_run, ResultsError),
    "settings.json": (lambda out: read_settings(out / "settings.json"), SettingsError),
    "a.png": (lambda out: read_image(out / "a.png"), UnreadableImageError),
    "a.safetensors": (lambda out: read_card(out / "a.safetensors"), CheckpointError),
    "a.npz": (lambda out: read_npz(out / "a.npz"), CheckpointError),
    "a.json": (lambda out: read_json(out / "a.json"), ResultsError),
    "epoch.json": (read_history, CheckpointError),
    "result.json": (read_result, CheckpointError),
    "training.json": (lambda out: same_lesson(out, {}, begun=True), CheckpointError),
    "a.bin": (lambda out: file_sha256(out / "a.bin"), OSError),
}


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_is_refused_at_once(name: str, tmp_path: Path, pipe: Callable[[Path], Path]) -> None:
    pipe(tmp_path / name)
    read, error = READERS[name]
    with pytest.raises(error, match="not a regular file"):
        read(tmp_path)


def test_so_is_a_device_and_a_link_to_it_but_not_a_link_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "zero").symlink_to("/dev/zero")
    for path in (Path("/dev/zero"), tmp_path / "zero"):
        with pytest.raises(OSError, match="not a regular file"):
            read_file(path)
    (tmp_path / "file").write_text("µm", encoding="utf-8")
    (tmp_path / "link").symlink_to("file")
    assert (read_file(tmp_path / "link"), read_text(tmp_path / "link")) == ("µm".encode(), "µm")


def test_work_whose_note_is_a_pipe_is_not_offered(tmp_path: Path, pipe: Callable[[Path], Path]) -> None:
    pipe(tmp_path / "a" / NOTE)
    assert kept_work(tmp_path) == []


def test_the_boxes_of_a_data_set_may_not_be_a_pipe(tmp_path: Path, pipe: Callable[[Path], Path]) -> None:
    with pytest.raises(UnreadableImageError, match=r"a\.xml cannot be read.*not a regular file"):
        bccd.read(np.zeros((9, 9, 3), np.uint8), pipe(tmp_path / "a.xml"))


def test_a_zarr_with_a_pipe_for_a_chunk_has_neither_size_nor_sum(tmp_path: Path, pipe: Callable[[Path], Path]) -> None:
    zarr.create_array(tmp_path / "a.zarr", shape=(8, 8), dtype="u1")[:] = 1
    (tmp_path / "a.zarr" / "gone").symlink_to("nowhere")  # as good as not there
    assert size_and_time(tmp_path / "a.zarr")[0] > 0
    pipe(tmp_path / "a.zarr" / "c" / "1" / "1")
    for look in (size_and_time, file_sha256):
        with pytest.raises(OSError, match="neither a file nor a folder"):
            look(tmp_path / "a.zarr")
