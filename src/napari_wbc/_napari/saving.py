"""Reviews → results folders: save one; no Qt. `reopening` reads it back as layers.

An image that is no file (a sample, the result of another program) is saved with its review, as `images/NAME.png`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..cells import Analysis, RgbImage
from ..config import Settings
from ..errors import ImageError, UsageError
from ..exchange.masks import encode_png
from ..images import decode
from ..results import read_record, write_analysis
from ..results.folder import record_path
from ..results.record import InputFile, Record, Timing
from ..results.record import Origin as RecordOrigin
from ..results.replaced import copy_old, date
from ..results.runfile import NAME, Model, begin, check_out, input_root, now, read_run, relative_root, write_run
from ..results.storage import file_sha256, write_bytes
from ..review.readings import gone, read_readings, write_readings
from .origin import KEY, MadeBy, Place, note, origin, place_of, set_place
from .readings import read_of
from .saved import written
from .session import Session

NOBODY = Model(name="none", identity="none")
"""The model of outlines or types that no model has made."""

IMAGES = "images"
"""Folder of a results folder where images lie that were no files."""


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
    made = origin(session.labels)
    if _is_there(place) and (made is None or made.record != read_record(place.folder, place.image)):
        _copy_work(place)  # of other cells than these
    record = write_review(place, work_of(session))
    set_place(session.image, replace(place, known=record_sha256(place.folder, place.image)))
    note(session.labels, record=record)
    session.mark_saved()
    written.tell(place.folder, record)
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
    return _is_there(place) and read_record(place.folder, place.image).has_human_work


def _is_there(place: Place) -> bool:
    return record_path(place.folder, place.image).is_file()


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
    made_from = _identities(session) if before is None else before.hashes.origin
    timing = None if before is None else before.timing
    return Work(session.analysis, session.vouched, read_of(session), made_from, timing)


def write_review(place: Place, work: Work) -> Record:
    """Write second readings, labels and last the record of a review; its `run.json` must be there. May run in any thread."""
    saved = read_record(place.folder, place.image).cells if _is_there(place) else ()
    write_readings(place.folder, place.image, work.read, now(), gone(saved, work.analysis.cells))
    by, at = work.vouched or (None, None)
    return write_analysis(
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


def make_place(session: Session, folder: Path) -> Place:
    """Where the review of an image goes in a results folder, which is made ready for it.

    Raises
    ------
    UsageError
        If the folder cannot be the results folder of this image.
    """
    path = file_of(session)
    fresh = not (folder / NAME).exists()
    root = input_root_of_pictures(folder) if path is None else path.parent
    if not fresh:
        root = input_root(folder, read_run(folder))
    check_out(folder, root)
    if path is None:
        if root != input_root_of_pictures(folder):
            raise UsageError(f"{folder} holds results of the images in {root}, and this image is no file. Choose a new folder.")
        path = root / f"{session.image.name.replace('/', '-')}.png"
        if path.exists() and not _shows(path, session.pixels):
            raise UsageError(f"{folder} holds another image of the name {path.name}; rename layer '{session.image.name}'.")
    if not path.is_relative_to(root):
        raise UsageError(f"{folder} holds results of the images in {root}, and {path} is not there. Choose a new folder.")
    if fresh:
        made = made_by(session)
        write_run(folder, begin(relative_root(root, folder), made.settings, made.segmenter, made.classifier, made.device, 0))
    if not path.exists():
        write_bytes(folder, path, encode_png(session.pixels))
    data = path.read_bytes()
    source = InputFile(sha256=hashlib.sha256(data).hexdigest(), size=len(data), mtime_ns=path.stat().st_mtime_ns)
    return Place(folder.resolve(), path.relative_to(root).as_posix(), source)


def input_root_of_pictures(folder: Path) -> Path:
    """Where the images lie that were saved with their reviews."""
    return Path(folder).resolve() / IMAGES


def file_of(session: Session) -> Path | None:
    """The file that the image shows, pixel for pixel, or None."""
    stated = session.image.metadata.get(KEY)
    path = stated.get("path") if isinstance(stated, Mapping) else None
    path = Path(path or session.image.source.path or "").resolve()
    return path if path.is_file() and _shows(path, session.pixels) else None


def _shows(path: Path, pixels: RgbImage) -> bool:
    """Whether a file is an image of these pixels (H, W, 3) uint8."""
    try:
        return np.array_equal(decode(path.read_bytes(), path.name).pixels, pixels)
    except (ImageError, OSError):
        return False


def made_by(session: Session) -> MadeBy:
    """The models and settings that made the cells."""
    made = origin(session.labels)
    if made is not None and made.made_by is not None:
        return made.made_by
    return MadeBy(NOBODY, NOBODY, Settings(), "none")


def _identities(session: Session) -> RecordOrigin:
    made = made_by(session)
    return RecordOrigin(
        segmenter=made.segmenter.identity, classifier=made.classifier.identity, settings=made.settings.identity()
    )
