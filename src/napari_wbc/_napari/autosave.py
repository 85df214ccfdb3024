"""What a person has done since the last save, kept on disk while napari runs, and offered again after it was killed; no window.

Each review that is not saved has a results folder of its own in the user's state folder, with a note on who owns it.
"""

from __future__ import annotations

import os
import platform
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

import psutil
from napari.layers import Layer
from platformdirs import user_state_path
from pydantic import BaseModel
from qtpy.QtCore import QSysInfo

from ..regular import read_file
from ..results import read_record
from ..results.leftovers import LEFT_S
from ..results.runfile import now
from ..results.storage import write_bytes
from .destination import make_place
from .origin import KEY, Place, place_of, set_place
from .reopening import neighbour, reviewed_layers
from .saving import Work, drop_readings, work_of, write_review
from .session import Session

NOTE = "note.json"


def machine() -> str:
    """What tells this machine from others, whatever network it is in: laptops take names from theirs."""
    return bytes(QSysInfo.machineUniqueId().data()).decode() or platform.node()


def names() -> frozenset[str]:
    """What tells this machine from copies of it, which have the same id: its name, and that of its start, where it has one."""
    return frozenset({platform.node(), bytes(QSysInfo.bootUniqueId().data()).decode()} - {""})


class Note(BaseModel):
    """Whose work is kept, since when, and where it is saved at last: a `Place`; `folder` is None where it was never saved.

    `host` is the `machine` of the process, which others with the same state folder do not know, and `names` are its `names`.
    """

    host: str = ""
    names: frozenset[str] = frozenset()
    pid: int
    started: float
    kept_at: str
    name: str
    folder: str | None = None
    image: str | None = None
    known: str | None = None


@dataclass(frozen=True)
class Kept:
    """Work that was not saved: its folder and its note."""

    path: Path
    note: Note

    def __str__(self) -> str:
        return f"{self.note.name}, {self.note.kept_at.replace('T', ' ').rstrip('Z')} UTC"


def folder_of_kept() -> Path:
    """Where unsaved work is kept."""
    return user_state_path("napari-wbc") / "autosave"


class Autosave:
    """Keeps one review, in a thread of its own: label images take a while to compress."""

    def __init__(self, session: Session, root: Path | None = None) -> None:
        self.session = session
        self.path = (root or folder_of_kept()) / session.key
        self._place: Place | None = None
        self._kept = None if session.history.done else (session.analysis, session.vouched)  # it may be older than this
        self._failed = False
        self._lock = Lock()
        self._worker = ThreadPoolExecutor(1, "wbc-autosave")
        self._last: Future[None] | None = None

    @property
    def due(self) -> bool:
        """Whether there is work that is neither saved nor kept."""
        session = self.session
        return session.unsaved and (session.analysis, session.vouched) != self._kept

    def keep_soon(self) -> None:
        """Keep the review in the thread, if that is due; raises what went wrong the last time."""
        if self.due and (self._last is None or self._last.done()):
            last, self._last = self._last, self._worker.submit(self._keep_due, work_of(self.session))
            if last is not None:
                last.result()

    def close(self) -> None:
        """Keep what is due, also what could not be kept before, and end the thread."""
        self._worker.shutdown()
        if self._failed and self.session.unsaved:
            self.keep()
        self._keep_due(work_of(self.session))

    def keep(self) -> None:
        """Keep the review as it is; errors as in `saving.save`."""
        work = work_of(self.session)
        with self._lock:
            self._keep(work)

    def _keep_due(self, work: Work) -> None:
        with self._lock:
            if self.due:  # it may have been saved since this was asked for
                self._keep(work)

    def _keep(self, work: Work) -> None:
        session = self.session
        self._kept, self._failed = (work.analysis, work.vouched), True  # where it fails: not tried again before the next edit
        if self._place is None:
            self._place = make_place(session, self.path)
        saved = place_of(session.image)
        process = psutil.Process(os.getpid())
        note = Note(
            host=machine(),
            names=names(),
            pid=process.pid,
            started=process.create_time(),
            kept_at=now(),
            name=session.image.name,
        )
        if saved is not None:
            where = {"folder": str(saved.folder), "image": saved.image, "known": saved.known}
            note = note.model_copy(update=where)
        _, lost = write_review(self._place, work)
        drop_readings(self._place, work, lost)
        write_bytes(self.path, self.path / NOTE, note.model_dump_json().encode())
        self._failed = False

    def drop(self) -> None:
        """Nothing is left to keep: it is saved."""
        with self._lock:
            shutil.rmtree(self.path, ignore_errors=True)
            self._place, self._kept = None, (self.session.analysis, self.session.vouched)


def drop_kept(session: Session) -> None:
    """Nothing is left to keep of a review that no `Autosave` keeps any more."""
    shutil.rmtree(folder_of_kept() / session.key, ignore_errors=True)


def kept_work(root: Path | None = None) -> list[Kept]:
    """Work that no running napari owns, latest first."""
    found = []
    for path in sorted((root or folder_of_kept()).glob(f"*/{NOTE}")):
        try:
            note = Note.model_validate_json(read_file(path))
            owned = _owned(note)
        except (OSError, ValueError):
            continue
        if not owned:
            found.append(Kept(path.parent, note))
    return sorted(found, key=lambda kept: kept.note.kept_at, reverse=True)


def restore(kept: Kept) -> list[Layer]:
    """Image, cells and boxes as they were kept; they are saved where they were saved before.

    Raises
    ------
    ResultsError
        If the image is not there any more, or a file is damaged.
    """
    image = neighbour(kept.path)
    layers = reviewed_layers(kept.path, image)
    stated = layers[0].metadata[KEY]
    if Path(stated["path"]).is_relative_to(kept.path.resolve()):
        layers[0].metadata[KEY] = {**stated, "path": None}  # that file goes with the folder
    place = None
    if kept.note.folder is not None and kept.note.image is not None:
        source = read_record(kept.path, image).hashes.input
        place = Place(Path(kept.note.folder), kept.note.image, source, kept.note.known)
    set_place(layers[0], place)
    return layers


def discard(kept: Kept) -> None:
    """Throw kept work away."""
    shutil.rmtree(kept.path, ignore_errors=True)


def _owned(note: Note) -> bool:
    """Whether the napari that keeps the work still runs; on another machine: whether it has kept it not long ago."""
    if note.host not in ("", machine()) or (note.names and note.names.isdisjoint(names())):
        return (datetime.now(UTC) - datetime.fromisoformat(note.kept_at)).total_seconds() <= LEFT_S
    try:
        return bool(abs(psutil.Process(note.pid).create_time() - note.started) < 1)
    except psutil.Error:
        return False
