"""Reviews → results folders: save one; no Qt. `destination` says where, `reopening` reads it back as layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ..cells import Analysis
from ..errors import UsageError
from ..results import labels_path, read_record, write_analysis
from ..results.folder import commit, record_path
from ..results.record import Origin as RecordOrigin
from ..results.record import Record, Timing, as_stored
from ..results.replaced import copy_old, date
from ..results.runfile import now
from ..results.storage import file_sha256
from ..review.readings import gone, read_readings, write_readings
from .destination import make_place
from .origin import MadeBy, Place, made_by, note, origin, place_of, set_place
from .readings import read_of
from .saved import written
from .session import Session


def save(session: Session, folder: Path | None = None) -> Record:
    """Write a review into its results folder, or, with `folder`, into that one. `batch.collect` makes the tables anew.

    Raises
    ------
    UsageError
        If it was never saved and no folder is given, the folder cannot be the results folder of this image, or what it says of
        this image was changed elsewhere since the review was begun.
    StorageError
        If it cannot be written.
    """
    session.sync()
    before = place_of(session.image)
    place = before if folder is None else make_place(session, folder)
    if place is None:
        raise UsageError("Choose a results folder first: a new or empty one, or that of the folder of this image.")
    if before is not None and (before.folder, before.image) == (place.folder, place.image):
        place = before
    _refuse_changed(place)
    made, there = origin(session.labels), _record_in(place)
    ours = there if made is not None and made.record == there else None
    if there is not None and ours is None:
        _copy_work(place)  # of other cells than these
    work = work_of(session)
    record, lost = write_review(place, work, ours if session.outlines_saved else None)
    set_place(session.image, replace(place, known=record_sha256(place.folder, place.image)))
    note(session.labels, record=record)
    written.tell(place.folder, record)
    session.lost |= lost
    drop_readings(place, work, session.lost)
    session.lost.clear()
    session.mark_saved()
    return record


def _refuse_changed(place: Place) -> None:
    """Refuse to write over what somebody else has written; without a known record: over what a person has reviewed."""
    now_there = record_sha256(place.folder, place.image)
    if now_there is None or now_there == place.known:
        return
    if place.known is not None or _has_human_work(place):
        raise UsageError(
            f"{place.image} was reviewed or analysed anew in {place.folder} by somebody else, or in another window, and is not "
            "written over. Save in another folder, or drop that folder on napari to go on with what is there."
        )


def _copy_work(place: Place) -> None:
    if _has_human_work(place) or read_readings(place.folder, place.image):
        copy_old(place.folder, place.image, date())


def _has_human_work(place: Place) -> bool:
    """Whether a person's work would be lost with what is there."""
    there = _record_in(place)
    return there is not None and there.has_human_work


def _record_in(place: Place) -> Record | None:
    """The record that is there, or None."""
    return read_record(place.folder, place.image) if record_path(place.folder, place.image).is_file() else None


def record_sha256(folder: Path, image: str) -> str | None:
    """SHA-256 of the record of an image, or None where there is none."""
    path = record_path(folder, image)
    return file_sha256(path) if path.is_file() else None


@dataclass(frozen=True, eq=False)
class Work:
    """What is written of a review, gathered where its layers may be read: in the thread of the window.

    Parameters
    ----------
    analysis
        Its cells.
    vouched
        Who vouches for every cell, and when, or None.
    read
        What second readers have called the cells, by reader and id.
    origin
        What the cells were made from.
    timing
        Of the analysis, where it is known.
    """

    analysis: Analysis
    vouched: tuple[str, str] | None
    read: dict[str, dict[int, str]]
    origin: RecordOrigin
    timing: Timing | None


def work_of(session: Session) -> Work:
    """What there is to write of a review."""
    made = origin(session.labels)
    before = None if made is None else made.record
    made_from = _identities(made_by(session.labels)) if before is None else before.hashes.origin
    timing = None if before is None else before.timing
    return Work(session.analysis, session.vouched, read_of(session), made_from, timing)


def write_review(place: Place, work: Work, outlined: Record | None = None) -> tuple[Record, set[int]]:
    """Write second readings, labels and last the record of a review; its `run.json` must be there. May run in any thread.

    Nothing is lost whenever that ends: readings of cells that are gone stay, for `drop_readings`, until the record is written.

    Parameters
    ----------
    place, work
        Where, and what.
    outlined
        The record that is there, if its label image is of these outlines: then that stays, and the record alone is written.

    Returns
    -------
    The record as written, and the cells whose earlier readings are to be dropped.
    """
    lost = _lost(place, work)
    said = {reader: {i: name for i, name in types.items() if i not in lost} for reader, types in work.read.items()}
    write_readings(place.folder, place.image, said, now())
    by, at = work.vouched or (None, None)
    if outlined is not None and _has_labels(place, outlined):
        row = outlined.row.model_copy(update={"reviewed_by": by or None, "reviewed_at": at or None})
        cells = tuple(map(as_stored, work.analysis.cells))
        return commit(place.folder, outlined.model_copy(update={"row": row, "cells": cells, "edited": True})), lost
    record = write_analysis(
        place.folder,
        place.image,
        work.analysis,
        place.source,
        work.origin,
        timing=work.timing,
        edited=True,
        reviewed_by=by,
        reviewed_at=at,
    )
    return record, lost


def drop_readings(place: Place, work: Work, lost: set[int]) -> None:
    """Drop what was read before of cells that the record has no more; new cells may have their ids."""
    if lost:
        write_readings(place.folder, place.image, work.read, now(), lost)


def _lost(place: Place, work: Work) -> set[int]:
    """The cells that were read, and are not there any more, or were gone when the record was written last."""
    there = _record_in(place)
    if there is None:
        return set()
    read = {reading.cell_id for reading in read_readings(place.folder, place.image)}
    known = {cell.cell_id for cell in there.cells}
    return (read & gone(there.cells, work.analysis.cells)) | (read - known)


def _has_labels(place: Place, record: Record) -> bool:
    """Whether the label image that a record names is there."""
    path = labels_path(place.folder, place.image)
    return path.is_file() and file_sha256(path) == record.hashes.labels


def _identities(made: MadeBy) -> RecordOrigin:
    return RecordOrigin(
        segmenter=made.segmenter.identity, classifier=made.classifier.identity, settings=made.settings.identity()
    )
