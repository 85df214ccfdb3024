"""A review saved, reopened, stepped through, and kept through a kill; needs no display."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Layer, Shapes
from napari.layers._layer_actions import _duplicate_layer
from PIL import Image as Pillow
from qtpy.QtCore import QByteArray, QSysInfo

from napari_wbc._napari import autosave, saving, unattended
from napari_wbc._napari.keys import Keys
from napari_wbc._napari.origin import MadeBy, origin, place_of, vouched_in
from napari_wbc._napari.reader import get_reader, read, read_results
from napari_wbc._napari.readings import read_by, readers, with_readings
from napari_wbc._napari.reopening import neighbour, reviewed_layers
from napari_wbc._napari.replacing import made_from, show_analysis
from napari_wbc._napari.reviews import open_reviews, results_folder, session_of, with_saved
from napari_wbc._napari.saved import read_saved
from napari_wbc._napari.saving import save
from napari_wbc._napari.session import Session
from napari_wbc._napari.tables import Tables
from napari_wbc.batch import analyse_folder
from napari_wbc.batch.collect import collect
from napari_wbc.cells import Domain, Field
from napari_wbc.config import Settings
from napari_wbc.errors import ResultsError, StorageError, UsageError
from napari_wbc.pipeline import analyse
from napari_wbc.results import images_in, labels_path, read_analysis, read_record
from napari_wbc.results.storage import write_bytes
from napari_wbc.results.summary import Learnable, learnable
from napari_wbc.review import add, delete, split
from napari_wbc.review.readings import Reading, read_readings
from tests.fakes import load_fakes
from tests.smears import smear, write_slides

PIXELS = smear(3, n_cells=3, shape=(96, 240))
CORNER = np.zeros(PIXELS.shape[:2], bool)
CORNER[:9, :9] = True
FOUND = dataclasses.replace(analyse(Field(PIXELS, 0.3), load_fakes()), domain=Domain(False, "blurred."))


def opened(layers: list[Layer]) -> Session:
    viewer = ViewerModel()
    for layer in layers:
        viewer.layers.append(layer)
    return session_of(viewer, layers[1])


def from_tuples(path: Path) -> list[Layer]:
    reader = get_reader(str(path))
    assert reader is read_results
    return [Layer.create(*data) for data in reader(str(path))]


@pytest.fixture
def drawn() -> Session:
    """A review of an image that is no file."""
    viewer = ViewerModel()
    image = viewer.add_image(PIXELS.copy(), rgb=True, name="a/b", metadata={"napari_wbc": {"um_per_px": 0.3}})
    return session_of(viewer, show_analysis(viewer.layers, image, FOUND, MadeBy.of(load_fakes(), Settings())))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Results of two slides of three fields, as the command line writes them."""
    write_slides(tmp_path / "in")
    analyse_folder(tmp_path / "in", tmp_path / "out", load_fakes())
    return tmp_path / "out"


def test_a_saved_review_reopens_exactly(drawn: Session, tmp_path: Path) -> None:
    drawn.by = "Ada"
    drawn.name("blast", [2])
    drawn.confirm([1])
    drawn.change_outlines("split", partial(split, cell_id=3))
    drawn.vouch(True)
    assert drawn.unsaved
    record = save(drawn, tmp_path / "out")
    assert not drawn.unsaved
    assert (record.image, record.edited, record.row.reviewed_by) == ("a-b.png", True, "Ada")

    again = opened(from_tuples(tmp_path / "out"))
    assert again.analysis.cells == drawn.analysis.cells
    np.testing.assert_array_equal(again.analysis.labels, drawn.analysis.labels)
    np.testing.assert_array_equal(again.pixels, PIXELS)
    assert (again.analysis.scale, again.analysis.domain) == (FOUND.scale, FOUND.domain)
    assert again.vouched == drawn.vouched
    assert not again.unsaved
    assert list(again.boxes.features["cell_id"]) == [1, 2, 3, 4]
    assert list(again.boxes.text.values) == [cell.cell_type or "" for cell in drawn.analysis.cells]
    made = origin(again.labels)
    assert made is not None
    assert made.made_by == MadeBy.of(load_fakes(), Settings())
    collect(tmp_path / "out")
    text = (tmp_path / "out" / "cells.csv").read_text()
    assert "blast" in text
    assert "Ada" in text


def test_a_folder_of_the_command_line_is_corrected_and_batch_leaves_it_alone(folder: Path, tmp_path: Path) -> None:
    first = neighbour(folder)
    session = opened(reviewed_layers(folder, "slide-1/field-1.png"))
    before = read_record(folder, "slide-1/field-1.png")
    assert session.analysis.cells == read_analysis(folder, "slide-1/field-1.png").cells
    session.change_outlines("delete", partial(delete, ids=[1]))
    session.name("smudge", [2])
    save(session)
    after = read_record(folder, "slide-1/field-1.png")
    assert after.edited
    assert after.hashes.origin == before.hashes.origin
    assert after.hashes.input == before.hashes.input
    assert [cell.cell_id for cell in after.cells] == [2, 3][: len(after.cells)]
    assert learnable([folder]) == Learnable({"smudge": 1}, 0)
    done = analyse_folder(tmp_path / "in", folder, load_fakes(), Settings(min_score=0.8))
    assert done.run.kept == ("slide-1/field-1.png",)
    assert read_record(folder, "slide-1/field-1.png") == after
    assert first == "slide-1/field-1.png"


def test_what_was_changed_elsewhere_is_not_written_over(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = "slide-1/field-1.png"
    mine, theirs = (opened(reviewed_layers(folder, image)) for _ in range(2))
    theirs.name("smudge", [1])
    after = save(theirs)
    assert save(theirs) == after  # what one has written oneself may be written again
    mine.name("blast", [2])
    with pytest.raises(UsageError, match="by somebody else"):
        save(mine)
    with pytest.raises(UsageError, match="by somebody else"):
        save(mine, folder)
    assert mine.unsaved
    assert read_record(folder, image) == after
    keeper = autosave.Autosave(mine)
    keeper.keep()
    monkeypatch.setattr(autosave, "_owned", lambda note: False)
    (kept,) = autosave.kept_work()
    again = opened(autosave.restore(kept))
    with pytest.raises(UsageError, match="by somebody else"):
        save(again)
    save(mine, tmp_path / "mine")
    assert read_record(tmp_path / "mine", "field-1.png").cells[1].cell_type == "blast"


def test_unsaved_work_that_is_taken_up_again_is_saved_where_nobody_has_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = opened(reviewed_layers(folder, "slide-1/field-1.png"))
    session.name("blast", [1])
    autosave.Autosave(session).keep()
    monkeypatch.setattr(autosave, "_owned", lambda note: False)
    (kept,) = autosave.kept_work()
    again = opened(autosave.restore(kept))
    assert save(again).cells[0].cell_type == "blast"


def test_an_image_analysed_again_replaces_a_run_but_no_review(folder: Path, tmp_path: Path) -> None:
    def anew() -> Session:
        viewer = ViewerModel()
        path = tmp_path / "in" / "slide-1" / "field-1.png"
        (data,) = read(str(path))
        image = Layer.create(*data)
        image.metadata["napari_wbc"]["path"] = str(path)
        viewer.layers.append(image)
        return session_of(viewer, show_analysis(viewer.layers, image, analyse(Field(image.data, 0.3), load_fakes())))

    save(anew(), folder)
    assert read_record(folder, "slide-1/field-1.png").edited
    with pytest.raises(UsageError, match="by somebody else"):
        save(anew(), folder)


@pytest.mark.skipif(os.name == "nt", reason="making a link needs a right there")
def test_a_review_is_known_through_a_link_to_its_folder(folder: Path, tmp_path: Path) -> None:
    image = "slide-1/field-1.png"
    (tmp_path / "link").symlink_to(folder)
    saved = read_saved(folder, {})
    for opened_in, asked in ((tmp_path / "link", folder), (folder, tmp_path / "link")):
        session = opened(reviewed_layers(opened_in, image))
        assert results_folder(session.viewer) == folder.resolve()
        assert with_saved(session.viewer, asked, saved)[0] is session


def test_a_review_that_cannot_be_written_is_not_saved(drawn: Session, tmp_path: Path) -> None:
    save(drawn, tmp_path / "out")
    drawn.name("smudge", [1])
    (tmp_path / "out" / "records").rename(tmp_path / "out" / "away")
    (tmp_path / "out" / "records").touch()  # a file, where the folder was
    with pytest.raises(StorageError):
        save(drawn)
    assert drawn.unsaved
    drawn.undo()
    assert drawn.analysis.cells == FOUND.cells


def as_image(name: str, pixels: np.ndarray) -> Session:
    """A review of an image that is no file, under a name."""
    viewer = ViewerModel()
    image = viewer.add_image(pixels.copy(), rgb=True, name=name)
    return session_of(viewer, show_analysis(viewer.layers, image, analyse(pixels, load_fakes())))


@pytest.mark.parametrize("name", ["a/b", "a-b"])
def test_an_image_of_the_same_name_does_not_replace_the_pixels_of_another(drawn: Session, tmp_path: Path, name: str) -> None:
    save(drawn, tmp_path / "out")
    other = as_image(name, smear(4, n_cells=2, shape=(96, 240)))
    with pytest.raises(UsageError, match=r"another image of the name a-b\.png; rename layer"):
        save(other, tmp_path / "out")
    np.testing.assert_array_equal(opened(reviewed_layers(tmp_path / "out")).pixels, PIXELS)
    other.image.name = "second"
    save(other, tmp_path / "out")
    assert images_in(tmp_path / "out") == ["a-b.png", "second.png"]


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_pipe_where_the_pixels_go_is_not_waited_for(drawn: Session, tmp_path: Path, pipe: Callable[[Path], Path]) -> None:
    save(as_image("second", PIXELS), tmp_path / "out")
    pipe(tmp_path / "out" / "images" / "a-b.png")
    with pytest.raises(UsageError, match=r"another image of the name a-b\.png; rename layer"):
        save(drawn, tmp_path / "out")


def test_a_folder_that_could_not_be_made_ready_is_taken_at_the_next_try(
    drawn: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(out: Path, path: Path, data: bytes) -> None:
        if path.name == "run.json":
            raise StorageError("the disk is full")
        write_bytes(out, path, data)

    with monkeypatch.context() as patched:
        patched.setattr("napari_wbc.results.runfile.write_bytes", full)
        with pytest.raises(StorageError):
            save(drawn, tmp_path / "out")
    save(drawn, tmp_path / "out")
    assert images_in(tmp_path / "out") == ["a-b.png"]


def test_after_readings_could_not_be_written_a_review_is_saved_all_the_same(drawn: Session, tmp_path: Path) -> None:
    save(drawn, tmp_path / "out")
    drawn.labels.features = with_readings(drawn.labels.features, [Reading("a-b.png", 1, "Bob", "monocyte", "")])
    drawn.name("blast", [1])
    damaged = tmp_path / "out" / "readings" / "a-b.png.csv"
    damaged.parent.mkdir()
    damaged.write_text("cell_id\nno number\n")
    with pytest.raises(ResultsError, match="readings"):
        save(drawn)
    damaged.unlink()
    assert save(drawn).cells[0].cell_type == "blast"


def test_a_saved_review_that_is_analysed_again_is_hidden_and_copied_before_it_is_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = "slide-1/field-1.png"
    first = opened(reviewed_layers(folder, image))
    first.name("blast", [1])
    before = save(first)

    again = opened(reviewed_layers(folder, image))
    layers = again.viewer.layers
    labels = show_analysis(layers, again.image, FOUND)
    assert again.labels in layers
    assert not again.labels.visible
    anew = session_of(again.viewer, labels)
    labels_before = read_analysis(folder, image).labels
    anew.name("smudge", [1])
    save(anew)
    assert read_record(folder, image).cells[0].cell_type == "smudge"
    (copy,) = (folder / "replaced").iterdir()
    assert read_record(copy, image) == before
    np.testing.assert_array_equal(read_analysis(copy, image).labels, labels_before)
    anew.name("artefact", [1])
    save(anew)
    assert len(list((folder / "replaced").iterdir())) == 1  # what is replaced now is the review itself

    monkeypatch.setattr(saving, "date", lambda: "later")
    replaced = read_record(folder, image)
    again.name("artefact", [2])
    save(again)  # the cells before, which are shown again
    assert read_record(folder / "replaced" / "later", image) == replaced


def label_file(folder: Path, image: str) -> tuple[bytes, int]:
    """The label image of an image on disk: its bytes, and which file it is."""
    path = labels_path(folder, image)
    return path.read_bytes(), path.stat().st_ino


def test_names_are_saved_without_their_label_image(folder: Path) -> None:
    """Of 20 megapixels that takes long."""
    image = "slide-1/field-1.png"
    session = opened(reviewed_layers(folder, image))
    before = label_file(folder, image)
    session.name("blast", [1])
    session.vouch(True)
    session.by = "Ada"
    record = save(session)
    assert label_file(folder, image) == before
    assert read_record(folder, image) == record
    assert (record.edited, vouched_in(record)) == (True, session.vouched)
    again = opened(reviewed_layers(folder, image))
    assert again.analysis.cells == session.analysis.cells
    assert not again.unsaved
    session.change_outlines("delete", partial(delete, ids=[2]))
    save(session)
    assert label_file(folder, image)[0] != before[0]
    np.testing.assert_array_equal(read_analysis(folder, image).labels, session.analysis.labels)
    after = label_file(folder, image)
    session.name("smudge", [1])
    save(session)
    assert label_file(folder, image) == after
    assert read_analysis(folder, image).cells == session.analysis.cells


def test_a_label_image_that_is_not_there_any_more_is_saved_again(folder: Path) -> None:
    image = "slide-1/field-1.png"
    session = opened(reviewed_layers(folder, image))
    labels_path(folder, image).unlink()
    session.name("blast", [1])
    save(session)
    np.testing.assert_array_equal(read_analysis(folder, image).labels, session.analysis.labels)


def test_a_copied_layer_is_saved_with_its_outlines(folder: Path) -> None:
    image = "slide-1/field-1.png"
    session = opened(reviewed_layers(folder, image))
    session.change_outlines("delete", partial(delete, ids=[2]))
    session.name("blast", [1])
    twin = Labels.create(*copy.deepcopy(session.labels.as_layer_data_tuple()))
    session.viewer.layers.append(twin)
    other = session_of(session.viewer, twin)
    assert other.unsaved
    save(other)
    assert read_record(folder, image).cells == tuple(session.analysis.cells)
    np.testing.assert_array_equal(read_analysis(folder, image).labels, session.analysis.labels)


def test_next_and_previous_pass_over_failed_images(folder: Path) -> None:
    names = [f"slide-{slide}/field-{i}.png" for slide in (1, 2) for i in (1, 2, 3)]
    seen = [neighbour(folder)]
    while len(seen) < len(names):
        seen.append(neighbour(folder, seen[-1]))
    assert seen == names
    assert neighbour(folder, names[3], -1) == names[2]
    with pytest.raises(UsageError, match="no next image"):
        neighbour(folder, names[-1])
    with pytest.raises(UsageError, match="no previous image"):
        neighbour(folder, names[0], -1)


def test_an_image_file_is_saved_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "field.png"
    Pillow.fromarray(PIXELS).save(path)
    viewer = ViewerModel()
    (data,) = read(str(path))
    image = Layer.create(*data)
    image.metadata["napari_wbc"]["path"] = str(path)
    viewer.layers.append(image)
    session = session_of(viewer, show_analysis(viewer.layers, image, FOUND))
    with pytest.raises(UsageError, match="Choose a results folder"):
        save(session)
    save(session, tmp_path / "out")
    place = place_of(image)
    assert place is not None
    assert place.image == "field.png"
    assert json.loads((tmp_path / "out" / "run.json").read_text())["input_root"] == "../in"
    assert not (tmp_path / "out" / "images").exists()
    write_slides(tmp_path / "other")
    analyse_folder(tmp_path / "other", tmp_path / "results of others", load_fakes())
    with pytest.raises(UsageError, match="Choose a new folder"):
        save(session, tmp_path / "results of others")


def test_an_image_that_has_gone_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in").rename(tmp_path / "away")
    with pytest.raises(ResultsError, match=r"field-1\.png in .*out were not found"):
        reviewed_layers(folder)


def test_unsaved_work_is_kept_and_given_back(
    drawn: Session, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "state"
    saved = opened(reviewed_layers(folder, "slide-1/field-1.png"))
    for session in (drawn, saved):
        keeper = autosave.Autosave(session, root)
        assert not keeper.due
        session.name("blast", [1])
        assert keeper.due
        keeper.keep()
        assert not keeper.due
    assert autosave.kept_work(root) == []  # we still run
    monkeypatch.setattr(autosave, "_owned", lambda note: False)
    kept = {item.note.name: item for item in autosave.kept_work(root)}
    assert set(kept) == {"a/b", "field-1"}
    for name, session in (("a/b", drawn), ("field-1", saved)):
        again = opened(autosave.restore(kept[name]))
        assert again.analysis.cells == session.analysis.cells
        np.testing.assert_array_equal(again.pixels, session.pixels)
        assert place_of(again.image) == place_of(session.image)
        autosave.discard(kept[name])
    assert autosave.kept_work(root) == []
    keeper.drop()
    assert list(root.glob("*/note.json")) == []


def test_what_was_saved_meanwhile_is_not_kept(drawn: Session, tmp_path: Path) -> None:
    keeper = autosave.Autosave(drawn)
    with keeper._lock:
        drawn.name("smudge", [1])
        keeper.keep_soon()  # the thread waits
        save(drawn, tmp_path / "out")
    keeper.close()
    keeper.drop()
    assert not list(autosave.folder_of_kept().glob("*/note.json"))


def test_what_is_kept_is_read_when_it_is_asked_for(drawn: Session, tmp_path: Path) -> None:
    """The thread that writes reads no table that the window writes."""
    keeper = autosave.Autosave(drawn)
    with keeper._lock:
        drawn.name("smudge", [1])
        for name in ("monocyte", "basophil"):
            said = [Reading("a/b", 3, "Bob", name, "")]
            drawn.labels.features = with_readings(drawn.labels.features, said)
            keeper.keep_soon()  # the thread waits
    keeper.close()
    assert [reading.cell_type for reading in read_readings(keeper.path, "a-b.png")] == ["monocyte"]


def test_work_is_taken_up_again_after_a_second_kill(drawn: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autosave, "_owned", lambda note: False)
    drawn.name("smudge", [1])
    autosave.Autosave(drawn).keep()
    for _ in range(3):
        (kept,) = autosave.kept_work()
        session = opened(autosave.restore(kept))
        np.testing.assert_array_equal(session.pixels, PIXELS)
        assert session.analysis.cells[0].cell_type == "smudge"
        autosave.Autosave(session).keep()
        autosave.discard(kept)


def test_work_of_another_machine_is_offered_when_it_is_old(drawn: Session, tmp_path: Path) -> None:
    drawn.name("smudge", [1])
    autosave.Autosave(drawn, tmp_path).keep()
    (path,) = tmp_path.glob("*/note.json")
    note = json.loads(path.read_text())
    assert note["host"] == autosave.machine()
    gone = {"pid": 2**22 + 1}  # no process has it
    yesterday = {"kept_at": "2026-01-01T10:00:00Z"}
    for changes, offered in (
        ({}, 0),
        (gone, 1),
        (gone | {"host": "other"}, 0),
        (gone | {"host": "other"} | yesterday, 1),
        ({"host": "other"} | yesterday, 1),
        ({"host": "other", "kept_at": "some day"}, 0),
    ):
        path.write_text(json.dumps(note | changes))
        assert len(autosave.kept_work(tmp_path)) == offered, changes
    path.write_text(json.dumps({name: value for name, value in (note | gone).items() if name != "host"}))
    assert len(autosave.kept_work(tmp_path)) == 1  # of an earlier version


def test_work_is_offered_after_a_crash_also_where_the_machine_is_called_otherwise_by_then(
    drawn: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Laptops take their names from the network that they are in."""
    drawn.name("smudge", [1])
    autosave.Autosave(drawn, tmp_path).keep()
    monkeypatch.setattr(platform, "node", lambda: "laptop.guests.example.org")
    assert autosave.kept_work(tmp_path) == []  # we still run
    (path,) = tmp_path.glob("*/note.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pid": 2**22 + 1}))
    assert len(autosave.kept_work(tmp_path)) == 1


def test_work_of_a_copy_of_this_machine_is_offered_when_it_is_old(
    drawn: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Machines installed as copies of one have one id; its name, or when it was started, tells ours from the others."""
    drawn.name("smudge", [1])
    with monkeypatch.context() as copied:
        copied.setattr(platform, "node", lambda: "copy-2")
        copied.setattr(QSysInfo, "bootUniqueId", lambda: QByteArray(b"another start"))
        autosave.Autosave(drawn, tmp_path).keep()
    (path,) = tmp_path.glob("*/note.json")
    note = json.loads(path.read_text()) | {"pid": 2**22 + 1}  # no process has it here
    assert note["host"] == autosave.machine()
    path.write_text(json.dumps(note))
    assert autosave.kept_work(tmp_path) == []
    path.write_text(json.dumps(note | {"kept_at": "2026-01-01T10:00:00Z"}))
    assert len(autosave.kept_work(tmp_path)) == 1
    monkeypatch.setattr(QSysInfo, "bootUniqueId", lambda: QByteArray())  # as on Windows
    autosave.Autosave(drawn, tmp_path).keep()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pid": 2**22 + 1}))
    assert len(autosave.kept_work(tmp_path)) == 1
    monkeypatch.setattr(platform, "node", lambda: "copy-2")
    assert autosave.kept_work(tmp_path) == []


def test_machines_that_do_not_say_who_they_are_go_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert autosave.machine() not in ("", platform.node())
    monkeypatch.setattr(QSysInfo, "machineUniqueId", lambda: QByteArray())
    assert autosave.machine() == platform.node()


def test_work_kept_again_says_when(drawn: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper, kept_at = autosave.Autosave(drawn, tmp_path), []
    for name, at in (("smudge", "2026-01-01T00:00:00Z"), ("blast", "2026-01-02T00:00:00Z")):
        monkeypatch.setattr(autosave, "now", lambda at=at: at)
        drawn.name(name, [1])
        keeper.keep_soon()
        keeper._worker.submit(int).result()  # after it
        (note,) = tmp_path.glob("*/note.json")
        kept_at.append(json.loads(note.read_text())["kept_at"])
    assert kept_at == ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]


def test_what_could_not_be_kept_is_tried_again_at_the_end(drawn: Session, tmp_path: Path) -> None:
    autosave.folder_of_kept().touch()  # a file, where the folder should be
    keeper = autosave.Autosave(drawn)
    drawn.name("smudge", [1])
    with pytest.raises(UsageError, match="is a file"):
        keeper.keep()
    assert not keeper.due  # not again and again
    autosave.folder_of_kept().unlink()
    keeper.close()
    assert len(list(autosave.folder_of_kept().glob("*/note.json"))) == 1


def test_a_review_taken_up_again_is_kept_in_the_same_place(drawn: Session, tmp_path: Path) -> None:
    for name in ("smudge", "artefact"):
        keeper = autosave.Autosave(drawn)
        drawn.name(name, [1])
        keeper.close()
    (note,) = autosave.folder_of_kept().glob("*/note.json")
    assert read_record(note.parent, "a-b.png").cells[0].cell_type == "artefact"
    save(drawn, tmp_path / "out")
    keeper.drop()
    assert not list(autosave.folder_of_kept().iterdir())


def test_second_readings_come_back_with_their_image_and_change_no_record(drawn: Session, tmp_path: Path) -> None:
    before = save(drawn, tmp_path / "out").cells
    said = [Reading("a/b", i, "Bob", "monocyte", "") for i in (1, 3)]
    drawn.labels.features = with_readings(drawn.labels.features, said)
    assert save(drawn, tmp_path / "out").cells == before
    (layers,) = [reviewed_layers(tmp_path / "out")]
    again = opened(layers)
    assert readers(again.labels.features) == ["Bob"]
    assert read_by(again, "Bob") == {1: "monocyte", 3: "monocyte"}
    again.change_outlines("delete", partial(delete, ids=[1]))
    assert read_by(again, "Bob") == {3: "monocyte"}


def read_and_delete_last(drawn: Session, out: Path) -> int:
    """Save readings of the first and the last cell, then delete the last one; returns its id."""
    last = drawn.analysis.cells[-1].cell_id
    said = [Reading("a/b", i, "Bob", "monocyte", "") for i in (1, last)]
    drawn.labels.features = with_readings(drawn.labels.features, said)
    save(drawn, out)
    drawn.change_outlines("delete", partial(delete, ids=[last]))
    return last


@pytest.mark.parametrize("saved_between", [True, False])
def test_a_new_cell_has_no_reading_of_the_one_whose_id_it_has(drawn: Session, tmp_path: Path, saved_between: bool) -> None:
    last = read_and_delete_last(drawn, tmp_path / "out")
    if saved_between:
        save(drawn)
    drawn.change_outlines("add", partial(add, mask=CORNER))
    assert drawn.analysis.cells[-1].cell_id == last
    save(drawn)
    again = opened(reviewed_layers(tmp_path / "out"))
    assert read_by(again, "Bob") == {1: "monocyte"}


def test_a_reading_is_never_lost_while_its_cell_is_in_the_record(
    drawn: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [Reading("a/b", i, "Bob", "monocyte", "") for i in (1, 2)]
    drawn.labels.features = with_readings(drawn.labels.features, said)
    save(drawn, tmp_path / "out")
    before = read_readings(tmp_path / "out", "a-b.png")
    drawn.change_outlines("delete", partial(delete, ids=[1]))

    def killed(*_: object, **__: object) -> None:
        raise StorageError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(saving, "commit", killed, raising=False)
        patched.setattr(saving, "write_analysis", killed)
        with pytest.raises(StorageError):
            save(drawn)
    assert [cell.cell_id for cell in read_record(tmp_path / "out", "a-b.png").cells] == [1, 2, 3]
    assert read_readings(tmp_path / "out", "a-b.png") == before
    with monkeypatch.context() as patched:
        patched.setattr(saving, "drop_readings", killed, raising=False)
        with pytest.raises(StorageError):
            save(drawn)
    assert drawn.unsaved  # so that it is saved again
    assert [cell.cell_id for cell in read_record(tmp_path / "out", "a-b.png").cells] == [2, 3]
    save(drawn)
    assert not drawn.unsaved
    assert [reading.cell_id for reading in read_readings(tmp_path / "out", "a-b.png")] == [2]


def test_a_reading_that_could_not_be_dropped_is_dropped_by_the_next_letter(
    drawn: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a new cell has taken the id; and the tables follow the record all the same."""

    monkeypatch.setattr(unattended, "review_widgets", list)
    last = read_and_delete_last(drawn, tmp_path / "out")
    drawn.change_outlines("add", partial(add, mask=CORNER))
    drawn.name("blast", [last])
    autosave.Autosave(drawn).keep()
    tables = Tables()
    letters = unattended.Unattended(tables)
    letters.add([drawn])

    def refused(*_: object, **__: object) -> None:
        raise StorageError("refused")

    with monkeypatch.context() as patched:
        patched.setattr(saving, "drop_readings", refused)
        with pytest.raises(StorageError):
            letters.save()
    tables.make()
    tables._worker.submit(int).result()  # after it
    assert ",blast," in (tmp_path / "out" / "cells.csv").read_text()
    letters.save()
    assert read_by(opened(reviewed_layers(tmp_path / "out")), "Bob") == {1: "monocyte"}
    assert not list(autosave.folder_of_kept().iterdir())


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_work_survives_kill_9(tmp_path: Path) -> None:
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from napari.components import ViewerModel
from napari_wbc._napari import autosave, saving, unattended
from napari_wbc._napari.replacing import made_from, show_analysis
from napari_wbc._napari.readings import read_by, readers, with_readings
from napari_wbc._napari.reviews import session_of
from napari_wbc.pipeline import analyse
from tests.fakes import load_fakes
from tests.smears import smear
pixels = smear(3, n_cells=3, shape=(96, 240))
viewer = ViewerModel()
image = viewer.add_image(pixels, rgb=True, name="field")
session = session_of(viewer, show_analysis(viewer.layers, image, analyse(pixels, load_fakes())))
session.name("blast", [2])
autosave.Autosave(session, Path({str(tmp_path)!r})).keep()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (kept,) = autosave.kept_work(tmp_path)
    session = opened(autosave.restore(kept))
    assert [cell.cell_type for cell in session.analysis.cells if cell.cell_id == 2] == ["blast"]
    assert place_of(session.image) is None


# trap 7: plain keys are taken; ours are Shift and a letter, and go when the widget closes


def test_keys_are_bound_and_restored(drawn: Session) -> None:
    pressed: list[str] = []
    before = [dict(layer.keymap) for layer in drawn.layers]
    drawn.labels.bind_key("Shift-N", lambda layer: pressed.append("mine"))
    mine = dict(drawn.labels.keymap)
    keys = Keys(drawn.layers, {"Shift-N": lambda: pressed.append("N"), "Control-Z": lambda: pressed.append("Z")})
    for layer in drawn.layers:
        assert {str(key) for key in layer.keymap} >= {"Shift+N", "Ctrl+Z"}
        for bound in layer.keymap.values():
            assert bound.__name__  # napari asks for it at every key press
            bound(layer)
    assert pressed == ["N", "Z"] * len(drawn.layers)
    keys.restore()
    assert dict(drawn.labels.keymap) == mine
    assert [dict(layer.keymap) for layer in drawn.layers if layer is not drawn.labels] == [
        b for b, layer in zip(before, drawn.layers, strict=True) if layer is not drawn.labels
    ]


@pytest.mark.parametrize("first", ["original", "copy", "original, which lies above"])
def test_a_duplicate_is_reviewed_apart_from_its_original(folder: Path, first: str) -> None:
    viewer = ViewerModel()
    viewer.layers.extend(reviewed_layers(folder, "slide-1/field-1.png"))
    labels = viewer.layers[1]
    if first != "copy":
        session_of(viewer, labels)
    viewer.layers.selection = {labels}
    _duplicate_layer(viewer.layers)
    copy = viewer.layers[f"{labels.name} copy"]
    if first == "original, which lies above":
        viewer.layers.move(viewer.layers.index(copy), viewer.layers.index(labels))
    assert [session.labels for session in open_reviews(viewer)] == [labels] * (first != "copy")
    sessions = [session_of(viewer, layer) for layer in ((copy, labels) if first == "copy" else (labels, copy))]
    assert sessions[0].boxes is not sessions[1].boxes
    assert set(open_reviews(viewer)) == set(sessions)
    assert all(made_from(viewer.layers, session.labels, Shapes) == [session.boxes] for session in sessions)
    before = sessions[0].analysis.cells
    sessions[1].change_outlines("delete", partial(delete, ids=[1]))
    sessions[0].sync()
    assert sessions[0].analysis.cells == before
    assert len(sessions[1].analysis.cells) == len(before) - 1


def test_what_was_done_before_it_was_kept_is_kept(drawn: Session) -> None:
    nothing_done = autosave.Autosave(drawn)
    nothing_done.close()
    assert not nothing_done.path.exists()
    drawn.name("blast", [1])
    autosave.Autosave(drawn).close()
    assert read_record(autosave.folder_of_kept() / drawn.key, "a-b.png").cells[0].cell_type == "blast"


def test_an_edited_cell_waits_for_the_classifier_also_after_it_was_reopened(drawn: Session, tmp_path: Path) -> None:
    drawn.change_outlines("split", partial(split, cell_id=3))
    drawn.name("blast", [3])
    save(drawn, tmp_path / "out")
    again = opened(reviewed_layers(tmp_path / "out"))
    assert again.waiting == {4}
    again.name("smudge", [1])  # which has nothing to do with it
    assert again.waiting == {4}


def test_an_image_whose_duplicate_is_analysed_keeps_its_review(folder: Path) -> None:
    viewer = ViewerModel()
    viewer.layers.extend(reviewed_layers(folder, "slide-1/field-1.png"))
    image, labels, _ = viewer.layers
    session = session_of(viewer, labels)
    viewer.layers.selection = {image}
    _duplicate_layer(viewer.layers)
    twin = viewer.layers[f"{image.name} copy"]
    found = show_analysis(viewer.layers, twin, session.analysis)
    assert session.open
    assert labels.visible
    assert made_from(viewer.layers, image, Labels) == [labels]
    assert session_of(viewer, found).image is twin
    assert place_of(image) is not None
    assert place_of(twin) is None
