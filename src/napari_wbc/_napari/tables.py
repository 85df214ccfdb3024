"""Make the tables of results folders in a thread: of a folder of thousands of images that takes a while; no Qt."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ..batch.collect import collect
from ..results.summary import Summary


class Tables:
    """The folders whose tables are older than their records."""

    def __init__(self) -> None:
        self._due: set[Path] = set()
        self._running: list[Future[Summary]] = []
        self._worker = ThreadPoolExecutor(1, "wbc-tables")

    def due(self, folder: Path) -> None:
        """A record of this folder was written."""
        self._due.add(folder.resolve())

    def make(self) -> None:
        """Make what is due, in the thread."""
        for folder in sorted(self._due):
            self._running.append(self._worker.submit(collect, folder))
        self._due.clear()

    def check(self) -> None:
        """Raise what went wrong in the thread; errors as in `collect`."""
        for future in [future for future in self._running if future.done()]:
            self._running.remove(future)
            future.result()
