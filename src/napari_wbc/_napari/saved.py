"""The images of a results folder that are not open: their records, read in a thread; no Qt."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from psygnal import Signal

from ..cells import Analysis, Box, Cell, CellTable, Labels, RgbImage, Scale
from ..crop import crop
from ..errors import ResultsError, UsageError
from ..pyramids import open_pyramid
from ..results import images_in, read_record
from ..results.folder import commit, record_path
from ..results.pixels import Pixels, cut, find_slide, read_pixels
from ..results.record import Record, as_stored
from ..results.runfile import input_root, read_run

_NO_LABELS: Labels = np.zeros((0, 0), dtype=np.int32)
"""Names are changed without looking at outlines."""


READ_EVERY_S = 3.0
"""How often the records of a folder are looked at again, s."""


@dataclass(frozen=True, eq=False)
class Saved:
    """An image of a results folder as it was saved; it is the same object as long as its record is the same."""

    folder: Path
    record: Record
    written_ns: int

    @property
    def cells(self) -> CellTable:
        """Its cells."""
        return CellTable(self.record.cells)


class Written:
    """Tells all that show a results folder of records that this program has written there: they follow at once."""

    record = Signal(Saved)

    def tell(self, folder: Path, record: Record) -> Saved:
        """A record was written into a folder."""
        saved = Saved(folder, record, record_path(folder, record.image).stat().st_mtime_ns)
        self.record.emit(saved)
        return saved


written = Written()


class Folder:
    """The images of a results folder that were analysed, by name.

    Reading thousands of records takes a while, so a thread does it, and leaves out those that have not changed; `take` has them
    appear. The thread also cuts crops, whose images it has to read from disk, and finds slides.
    """

    def __init__(self) -> None:
        self.images: dict[str, Saved] = {}
        self._folder: Path | None = None
        self._future: Future[dict[str, Saved]] | None = None
        self._next = 0.0
        self._worker = ThreadPoolExecutor(2, "wbc-folder")
        self._pixels: dict[Saved, RgbImage] = {}
        self._slides: dict[tuple[Path, str, str | None], Future[Path]] = {}
        self._as_found: dict[Path, tuple[int, int] | None] = {}
        written.record.connect(self._on_written)

    def ask(self, folder: Path) -> None:
        """Have the records of a folder read, unless that is being done, or was done a moment ago."""
        if folder != self._folder:
            self._folder, self._future, self.images, self._next = folder, None, {}, 0.0
        if self._future is None and time.monotonic() >= self._next:
            self._future = self._worker.submit(read_saved, folder, self.images)

    def take(self) -> None:
        """Have the records that were read appear; errors as in `results.read_record`."""
        if self._future is None or not self._future.done():
            return
        future, self._future, self._next = self._future, None, time.monotonic() + READ_EVERY_S
        before, found = self.images, future.result()
        newer = {name for name, saved in before.items() if name in found and saved.written_ns > found[name].written_ns}
        self.images = {name: before[name] if name in newer else saved for name, saved in found.items()}  # edited meanwhile

    def _on_written(self, saved: Saved) -> None:
        if self._folder is not None and saved.folder.resolve() == self._folder.resolve():
            self.images = {**self.images, saved.record.image: saved}

    def cut(self, saved: Saved, cell: Cell, size_px: int, margin: float) -> Future[RgbImage]:
        """The crop of a cell, as `crop.crop` cuts it, cut in the thread; errors as in `results.pixels.read_pixels`."""
        slide = self.find(saved) if saved.record.row.is_slide else None
        return self._worker.submit(self._cut, saved, slide, cell, size_px, margin)

    def _cut(self, saved: Saved, slide: Future[Path] | None, cell: Cell, size_px: int, margin: float) -> RgbImage:
        if slide is not None:
            with open_pyramid(slide.result(), saved.record.image) as pyramid:
                return cut(Pixels(pyramid.shapes[0], pyramid.read), cell.box, size_px, margin).copy()
        pixels = self._pixels.get(saved)
        if pixels is None:
            pixels = read_pixels(saved.folder, saved.record, [_root(saved)])
            self._pixels = {saved: pixels}  # crops of one image follow one another, unless the doubtful come first
        return crop(pixels, cell.box, size_px, margin).copy()

    def find(self, saved: Saved) -> Future[Path]:
        """The file of a slide, found in the thread: one that was moved is read through, once, as long as it stays as it was.

        Errors as in `find_slide`.
        """
        slide = saved.folder, saved.record.image, saved.record.row.sha256
        found = self._slides.get(slide)
        if found is None or (found.done() and not self._is_as_found(found)):
            found = self._slides[slide] = self._worker.submit(self._find, saved)
        return found

    def _find(self, saved: Saved) -> Path:
        path = find_slide(saved.folder, saved.record, [_root(saved)])
        self._as_found[path] = _size_and_time(path)
        return path

    def _is_as_found(self, found: Future[Path]) -> bool:
        """Whether a file was found, and no other has taken its place since."""
        if found.exception() is not None:
            return False
        there = _size_and_time(found.result())
        return there is not None and there == self._as_found[found.result()]


def _size_and_time(path: Path) -> tuple[int, int] | None:
    """Size in bytes and time of change in ns of a file or folder itself, or None where it is gone."""
    try:
        there = path.stat()
    except OSError:
        return None
    return there.st_size, there.st_mtime_ns


def _root(saved: Saved) -> Path:
    return input_root(saved.folder, read_run(saved.folder))


def edit(saved: Saved, change: Callable[[Analysis], Analysis]) -> tuple[Record, Saved]:
    """Change what is said of the cells of an image, by a verb of `review.table`, in its record as it is on disk.

    Returns
    -------
    before
        Its record as it was, for `take_back`.
    after
        The image as it is now.

    Raises
    ------
    UsageError
        If its cells are not those that were seen.
    ResultsError
        If the record cannot be read.
    StorageError
        If it cannot be written.
    """
    before = read_record(saved.folder, saved.record.image)
    if _outlines(before) != _outlines(saved.record):
        raise UsageError(f"The outlines of {before.image} were changed elsewhere a moment ago. Look at its cells again.")
    cells = change(Analysis(_NO_LABELS, CellTable(before.cells), Scale(None, 1.0, "assumed"))).cells
    after = before.model_copy(update={"cells": tuple(map(as_stored, cells)), "edited": True})
    commit(saved.folder, after)
    return before, written.tell(saved.folder, after)


def _outlines(record: Record) -> dict[int, Box]:
    return {cell.cell_id: cell.box for cell in record.cells}


def take_back(before: Record, after: Saved) -> Saved:
    """Take back an edit, by what `edit` returned.

    Raises
    ------
    UsageError
        If the record is not as the edit left it: then it never is undone.
    StorageError
        If it cannot be written: then it can be undone later.
    """
    image = before.image
    if read_record(after.folder, image) != after.record:
        raise UsageError(f"{image} was changed elsewhere since; that edit is not undone. Open the image to change it.")
    commit(after.folder, before)
    return written.tell(after.folder, before)


def read_saved(folder: Path, known: dict[str, Saved]) -> dict[str, Saved]:
    """The images of a results folder that were analysed, by name; those known as they are on disk are not read again.

    Raises
    ------
    ResultsError
        If a record is damaged, or its folder cannot be looked at.
    """
    found = {}
    for name in images_in(folder):
        try:
            written_ns = record_path(folder, name).stat().st_mtime_ns
        except FileNotFoundError:
            continue  # removed a moment ago
        except OSError as error:
            raise ResultsError(f"The records of {folder} cannot be looked at: {error}. See to the drive.") from error
        before = known.get(name)
        saved = before if before and before.written_ns == written_ns else Saved(folder, read_record(folder, name), written_ns)
        if saved.record.row.status == "done":
            found[name] = saved
    return found
