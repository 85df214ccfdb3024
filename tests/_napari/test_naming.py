"""What letters do in the gallery, to reviews and to records of images that are not open; needs no display."""

from __future__ import annotations

import dataclasses
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_wbc._napari import autosave, saved
from napari_wbc._napari.crops import BY_ID, Crops
from napari_wbc._napari.keys import DEFAULTS
from napari_wbc._napari.naming import Naming
from napari_wbc._napari.opening import in_reviews, look_at
from napari_wbc._napari.reopening import reviewed_layers
from napari_wbc._napari.replacing import show_analysis
from napari_wbc._napari.reviews import Item, name_of, open_reviews, opened, session_of
from napari_wbc._napari.saved import Folder, edit, read_saved, take_back
from napari_wbc._napari.saving import save
from napari_wbc._napari.session import Session
from napari_wbc._napari.tables import Tables
from napari_wbc._napari.unattended import Unattended
from napari_wbc.batch import analyse_folder
from napari_wbc.cells import Box, Field
from napari_wbc.errors import ResultsError, StorageError, UsageError
from napari_wbc.pipeline import analyse
from napari_wbc.results import images_in, iter_records, read_analysis, read_record
from napari_wbc.results.folder import commit
from napari_wbc.review import rename
from tests.fakes import load_fakes
from tests.smears import smear, write_slides


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Results of two slides of three fields."""
    write_slides(tmp_path / "in")
    analyse_folder(tmp_path / "in", tmp_path / "out", load_fakes())
    return tmp_path / "out"


def reviewed(folder: Path, image: str) -> Session:
    viewer = ViewerModel()
    viewer.layers.extend(reviewed_layers(folder, image))
    return session_of(viewer, viewer.layers[1])


def types(folder: Path, image: str) -> list[str | None]:
    return [cell.cell_type for cell in read_record(folder, image).cells]


def test_z_undoes_nothing_but_what_a_letter_did(folder: Path) -> None:
    session, naming = reviewed(folder, next(iter(read_saved(folder, {})))), Naming(DEFAULTS)
    found = session.analysis.cells
    assert len(found) > 1
    naming.do("S", [Item(session, 1)], "Ada")
    naming.do("A", [Item(session, 2)], "Ada")
    session.undo()  # on the layers
    naming.undo()
    assert session.analysis.cells == found
    naming.do("S", [Item(session, 1)], "Ada")
    session.labels.data_setitem((np.array([0]), np.array([0])), np.array([50]))  # a stroke
    with pytest.raises(UsageError, match="changed on its layers"):
        naming.undo()
    assert [edit.name for edit in session.history.done] == ["name smudge", "paint"]
    assert naming.undo() == ({}, None)


def test_a_letter_that_changes_nothing_is_not_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_wbc._napari.session.now", lambda: "2026-01-01T00:00:00Z")
    monkeypatch.setattr("napari_wbc._napari.naming.now", lambda: "2026-01-01T00:00:00Z")
    first, second = list(read_saved(folder, {}).values())[:2]
    session, naming = reviewed(folder, first.record.image), Naming(DEFAULTS)
    found = session.analysis.cells
    session.name("smudge", [1])  # not by a letter
    naming.do("S", [Item(session, 1)], session.by)
    assert naming.undo() == ({}, None)
    session.undo()
    for _ in range(3):
        naming.do("S", [Item(session, 1)], session.by)
    assert naming.undo() == ({}, ((folder, first.record.image), 1))
    assert session.analysis.cells == found
    now_there = second
    for _ in range(3):
        now_there = naming.do("S", [Item(now_there, 1)], "Ada").get(now_there, now_there)
    naming.undo()
    assert read_record(folder, second.record.image) == second.record
    assert naming.undo() == ({}, None)


def test_one_letter_over_several_images_is_undone_at_once(folder: Path) -> None:
    first, *others = (found for found in read_saved(folder, {}).values() if found.record.cells)
    session, naming = reviewed(folder, first.record.image), Naming(DEFAULTS)
    found = session.analysis.cells
    replaced = naming.do("S", [Item(session, 2), *(Item(other, 1) for other in others)], "Ada")
    assert {types(folder, other.record.image)[0] for other in others} == {"smudge"}
    undone, back = naming.undo()
    assert back == ((folder, first.record.image), 2)
    assert undone.keys() == set(replaced.values())
    assert [read_record(folder, other.record.image) for other in others] == [other.record for other in others]
    assert session.analysis.cells == found


def test_what_was_named_in_another_folder_is_undone_there(folder: Path, tmp_path: Path) -> None:
    analyse_folder(tmp_path / "in", tmp_path / "other", load_fakes())
    naming, shown = Naming(DEFAULTS), Folder()
    image, here = next(iter(read_saved(folder, {}).items()))
    other = read_saved(tmp_path / "other", {})[image]
    naming.do("S", [Item(here, 1)], "Ada")
    shown.ask(tmp_path / "other")
    naming.do("A", [Item(other, 1)], "Ada")
    assert naming.undo()[1] == ((tmp_path / "other", image), 1)
    assert read_record(tmp_path / "other", image) == other.record
    assert types(folder, image)[0] == "smudge"
    assert naming.undo()[1] == ((folder, image), 1)
    assert read_record(folder, image) == here.record


def test_an_open_image_is_named_in_its_review_not_behind_its_layers(folder: Path) -> None:
    viewer, naming = ViewerModel(), Naming(DEFAULTS)
    first, other = list(read_saved(folder, {}).values())[:2]
    image = first.record.image
    naming.do("A", [Item(first, 2)], "Ada")
    now_there = read_saved(folder, {})[image]
    viewer.layers.extend(reviewed_layers(folder, image))
    n_layers = len(viewer.layers)
    items = in_reviews(viewer, [Item(now_there, 1), Item(other, 1)])
    (session,) = open_reviews(viewer)
    assert items == [Item(session, 1), Item(other, 1)]
    naming.do("S", items[:1], "Ada")
    assert viewer.layers[1].features["cell_type"].iloc[1] == "smudge"
    assert read_record(folder, image) == now_there.record
    look_at(viewer, Item(now_there, 2))
    assert len(viewer.layers) == n_layers + 1  # that of the types
    assert session.selection.ids == (2,)
    naming.forget(opened(viewer))
    naming.undo()
    assert naming.undo() == ({}, None)  # what was named before it was opened is its review's
    save(session)
    assert types(folder, image) == [cell.cell_type for cell in now_there.cells]


def test_cells_that_were_analysed_anew_are_not_named_by_the_numbers_of_their_record(folder: Path) -> None:
    viewer, first = ViewerModel(), next(iter(read_saved(folder, {}).values()))
    image = first.record.image
    viewer.layers.extend(reviewed_layers(folder, image))
    assert isinstance(viewer.layers[0], Image)
    show_analysis(viewer.layers, viewer.layers[0], read_analysis(folder, image))
    with pytest.raises(UsageError, match="is not as it was saved"):
        in_reviews(viewer, [Item(first, 1)])


def test_what_a_letter_saves_is_not_offered_as_unsaved(folder: Path) -> None:
    session, other = (reviewed(folder, image) for image in [name for name in read_saved(folder, {}) if types(folder, name)][:2])
    for each in (session, other):
        each.name("smudge", [1])
        autosave.Autosave(each).keep()
    assert len(list((autosave.folder_of_kept()).iterdir())) == 2
    unattended = Unattended(Tables())
    unattended.add([session])
    unattended.save()
    assert [path.name for path in (autosave.folder_of_kept()).iterdir()] == [other.key]
    assert (session.unsaved, other.unsaved) == (False, True)
    assert "smudge" in types(folder, name_of(session))
    assert "smudge" not in types(folder, name_of(other))


def test_a_review_whose_layers_were_closed_is_not_saved_by_later_letters(folder: Path) -> None:
    closed, other = (reviewed(folder, image) for image in [name for name in read_saved(folder, {}) if types(folder, name)][:2])
    unattended, before = Unattended(Tables()), types(folder, name_of(closed))
    for session in (closed, other):
        session.name("smudge", [1])
    unattended.add([closed, other])
    closed.viewer.layers.clear()  # the person has closed it
    unattended.save()
    assert types(folder, name_of(closed)) == before
    assert types(folder, name_of(other))[0] == "smudge"


def test_a_review_that_cannot_be_saved_keeps_no_other_from_being_saved(folder: Path) -> None:
    images = [name for name in read_saved(folder, {}) if types(folder, name)][:3]
    sessions, tables = [reviewed(folder, image) for image in images], Tables()
    unattended = Unattended(tables)
    for session in sessions:
        session.name("smudge", [1])
    unattended.add(sessions)
    for image in images[:2]:
        edit(read_saved(folder, {})[image], partial(rename, ids=[1], cell_type="blast", by="Bob", at="2026-01-01T00:00:00Z"))
    for _ in range(2):
        with pytest.raises(UsageError) as told:
            unattended.save()
        assert [str(told.value).count(image) for image in images] == [1, 1, 0]
        assert [session.unsaved for session in sessions] == [True, True, False]
    assert [types(folder, image)[0] for image in images] == ["blast", "blast", "smudge"]
    assert tables._due == {folder.resolve()}


def test_images_of_equal_names_in_two_folders_are_not_taken_for_each_other(folder: Path, tmp_path: Path) -> None:
    analyse_folder(tmp_path / "in", tmp_path / "other", load_fakes())
    here, there = (list(read_saved(out, {}).values()) for out in (folder, tmp_path / "other"))
    crops = Crops(Folder())
    crops.fill(here, BY_ID)
    assert not crops.swap(there)
    assert crops.swap(list(read_saved(folder, {}).values()))


def test_a_record_that_has_gone_meanwhile_is_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = list(read_saved(folder, {}))
    monkeypatch.setattr(saved, "images_in", lambda _: ["gone.png", *there])
    assert list(read_saved(folder, {})) == there
    monkeypatch.setattr(saved, "images_in", lambda _: ["x" * 300])
    with pytest.raises(ResultsError, match="cannot be looked at"):
        read_saved(folder, {})


def test_records_that_are_the_same_are_not_read_again(folder: Path) -> None:
    first = read_saved(folder, {})
    assert list(first) == [record.image for record in iter_records(folder) if record.row.status == "done"]
    name = next(iter(first))
    path = folder / "records" / f"{name}.json"
    path.write_bytes(path.read_bytes() + b"\n")
    again = read_saved(folder, first)
    assert again[name] is not first[name]
    assert all(again[other] is first[other] for other in first if other != name)


def test_a_naming_that_cannot_be_written_is_not_done_and_its_undo_can_be_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    naming, image = Naming(DEFAULTS), next(iter(images_in(folder)))
    before = read_record(folder, image)
    first = read_saved(folder, {})[image]

    def full(*_: object) -> None:
        raise StorageError("Cannot write: the disk is full.")

    with monkeypatch.context() as no_room:
        no_room.setattr(saved, "commit", full)
        with pytest.raises(StorageError):
            naming.do("S", [Item(first, 1)], "Ada")
    assert naming.undo() == ({}, None)
    naming.do("S", [Item(first, 1)], "Ada")
    with monkeypatch.context() as no_room:
        no_room.setattr(saved, "commit", full)
        with pytest.raises(StorageError):
            naming.undo()
    naming.undo()
    assert read_record(folder, image) == before


def test_an_edit_of_a_record_is_undone_only_if_nobody_else_changed_it(folder: Path) -> None:
    mine = Folder()
    mine.ask(folder)
    while not mine.images:
        mine.take()
        time.sleep(0.01)
    found = mine.images
    image = next(iter(found))
    change = partial(rename, ids=[1], cell_type="blast", by="Ada", at="2026-01-01T00:00:00Z")
    before, after = edit(found[image], change)
    assert (after.cells[0].cell_type, after.cells[0].reviewed_by) == ("blast", "Ada")
    assert mine.images[image] is after
    assert take_back(before, after).record == found[image].record
    before, after = edit(found[image], change)
    edit(found[image], partial(rename, ids=[1], cell_type="smudge", by="Bob", at="2026-01-02T00:00:00Z"))
    with pytest.raises(UsageError, match="changed elsewhere"):
        take_back(before, after)
    assert read_record(folder, image).cells[0].cell_type == "smudge"


def test_what_letters_name_in_an_image_that_is_in_no_folder_is_kept() -> None:
    viewer, pixels = ViewerModel(), smear(3, n_cells=3, shape=(96, 240))
    image = viewer.add_image(pixels, rgb=True, name="field")
    session = session_of(viewer, show_analysis(viewer.layers, image, analyse(Field(pixels, 0.3), load_fakes())))
    unattended = Unattended(Tables())
    unattended.add([session])
    for name in ("smudge", "blast"):
        session.name(name, [1])
        unattended.save()
        assert types(autosave.folder_of_kept() / session.key, "field.png")[0] == name


def test_a_letter_names_no_cell_that_was_not_seen(folder: Path) -> None:
    name = next(name for name, saved in read_saved(folder, {}).items() if len(saved.cells) > 1)
    seen = read_saved(folder, {})[name]
    edit(seen, partial(rename, ids=[1], cell_type="blast", by="Bob", at="2026-01-01T00:00:00Z"))  # names may have changed
    edit(seen, partial(rename, ids=[2], cell_type="smudge", by="Ada", at="2026-01-01T00:00:00Z"))
    assert types(folder, name)[:2] == ["blast", "smudge"]
    there = read_record(folder, name)
    first, second, *others = there.cells
    for cells in ([second, *others], [dataclasses.replace(first, box=Box(0, 0, 9, 9)), second, *others]):
        commit(folder, there.model_copy(update={"cells": tuple(cells)}))
        with pytest.raises(UsageError, match="were changed elsewhere a moment ago"):
            edit(seen, partial(rename, ids=[2], cell_type="artefact", by="Ada", at="2026-01-01T00:00:00Z"))
        assert "artefact" not in types(folder, name)
