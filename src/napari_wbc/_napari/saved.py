"""The images of a results folder that are not open: their records, read in a thread; no Qt."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..cells import Cell, CellTable, RgbImage
from ..crop import crop
from ..results import images_in, read_record
from ..results.folder import record_path
from ..results.pixels import read_pixels
from ..results.record import Record
from ..results.runfile import input_root, read_run


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


class Folder:
    """The images of a results folder that were analysed, by name.

    Reading thousands of records takes a while, so a thread does it, and leaves out those that have not changed; `take` has them
    appear. The thread also cuts crops, whose images it has to read from disk.
    """

    def __init__(self) -> None:
        self.images: dict[str, Saved] = {}
        self._folder: Path | None = None
        self._future: Future[dict[str, Saved]] | None = None
        self._worker = ThreadPoolExecutor(2, "wbc-folder")
        self._pixels: dict[Saved, RgbImage] = {}

    def ask(self, folder: Path) -> None:
        """Have the records of a folder read, unless that is being done."""
        if folder != self._folder:
            self._folder, self._future, self.images = folder, None, {}
        if self._future is None:
            self._future = self._worker.submit(read_saved, folder, self.images)

    def take(self) -> bool:
        """Whether other records have been read since; errors as in `results.read_record`."""
        if self._future is None or not self._future.done():
            return False
        future, self._future = self._future, None
        before, self.images = self.images, future.result()
        return before != self.images

    def cut(self, saved: Saved, cell: Cell, size_px: int, margin: float) -> Future[RgbImage]:
        """The crop of a cell, as `crop.crop` cuts it, cut in the thread; errors as in `results.pixels.read_pixels`."""
        return self._worker.submit(self._cut, saved, cell, size_px, margin)

    def _cut(self, saved: Saved, cell: Cell, size_px: int, margin: float) -> RgbImage:
        pixels = self._pixels.get(saved)
        if pixels is None:
            pixels = read_pixels(saved.folder, saved.record, [input_root(saved.folder, read_run(saved.folder))])
            self._pixels = {saved: pixels}  # crops of one image follow one another, unless the doubtful come first
        return crop(pixels, cell.box, size_px, margin).copy()


def read_saved(folder: Path, known: dict[str, Saved]) -> dict[str, Saved]:
    """The images of a results folder that were analysed, by name; those known as they are on disk are not read again."""
    found = {}
    for name in images_in(folder):
        written_ns = record_path(folder, name).stat().st_mtime_ns
        before = known.get(name)
        saved = before if before and before.written_ns == written_ns else Saved(folder, read_record(folder, name), written_ns)
        if saved.record.row.status == "done":
            found[name] = saved
    return found
