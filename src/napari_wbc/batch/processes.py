"""Worker processes on this machine: quicker where there are several processors, and a crash costs one image, not the run."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import Any

from ..errors import WbcError, WorkersError
from ..pipeline import LoadModels
from ..results.record import ImageRow
from .backlog import Backlog, Chunk
from .discover import InputImage
from .intake import known_of
from .job import TIME_LIMIT_S, Advance, Engine, Job, Rows
from .serve import serve

logger = logging.getLogger(__name__)

_SPAWN = multiprocessing.get_context("spawn")  # a fork would inherit the locks of threads, and Windows has none

PATIENCE_S = 20.0
"""Time that a worker has to finish the images in its hands when the run is stopped."""
LISTEN_S = 5.0
"""Time after which silent workers are looked at."""
SLOWEST_BYTES_PER_S = 1e6
"""What the slowest drive gives: a worker that takes the hash of a large slide is silent for long."""


class Processes:
    """`n` worker processes, each with models of its own; all are started at once, to load them side by side.

    A process that dies is replaced, and so is one that gives no sign of life for `time_limit_s`. Programs that use this guard
    their main module with `if __name__ == "__main__"`.

    Raises
    ------
    WbcError
        If the models cannot be loaded.
    WorkersError
        If processes end before they are ready.
    """

    def __init__(self, load_models: LoadModels, n: int, time_limit_s: float = TIME_LIMIT_S) -> None:
        self.n = n
        self._time_limit_s = time_limit_s
        self._load_models = load_models
        self._team = [_Process(load_models) for _ in range(n)]
        try:
            self.engine = self._team[0].hear_engine()
        except WbcError:
            self.close()
            raise

    def work(self, images: Sequence[InputImage], job: Job) -> Rows:
        """Analyse the images and write their results; rows in the order in which they are committed."""
        backlog = Backlog(images, self.n)
        while True:
            for process in self._team:
                if not process.open and (chunk := backlog.take()):
                    process.give(chunk, job)
            busy = {process.connection: process for process in self._team if process.open}
            if not busy:
                return
            start, longest_s = time.monotonic(), min(self._time_limit_s / 4, LISTEN_S)
            ready = wait(list(busy), longest_s)
            listened_s = min(time.monotonic() - start, longest_s)  # no more, where this machine was asleep
            for connection, process in busy.items():
                if connection in ready:
                    try:
                        yield from process.hear()
                    except EOFError:
                        yield from backlog.lost(process.open.values(), self._replace(process), job)
                elif process.is_silent(listened_s, self._time_limit_s):
                    process.kill()
                    self._replace(process)
                    how = f"no sign of life for {self._time_limit_s:.0f} s"
                    yield from backlog.lost(process.open.values(), how, job)

    def _replace(self, dead: _Process) -> str:
        """Start a process in the place of a dead one; how that ended."""
        how = dead.end()
        logger.warning("A worker process ended: %s. What it had in hand is tried again.", how)
        fresh = _Process(self._load_models)
        self._team[self._team.index(dead)] = fresh
        fresh.hear_engine()
        return how

    def close(self) -> None:
        """Stop the processes; they first write what they have analysed."""
        for process in self._team:
            process.connection.close()
        for process in self._team:
            process.end()


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes started within do not hear Ctrl-C, which reaches every process of a terminal; this one hears it after that."""
    if sys.platform == "win32":  # there, processes say themselves that they ignore it
        yield
        return
    resource_tracker.ensure_running()  # started within, by the first process, it would let Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Process:
    """One worker process, and the images that it was given and has not answered, by name."""

    def __init__(self, load_models: LoadModels) -> None:
        self.connection, theirs = _SPAWN.Pipe()
        level = logging.getLogger("napari_wbc").getEffectiveLevel()
        self._process = _SPAWN.Process(target=serve, args=(theirs, load_models, level), daemon=True)
        with _deaf_to_ctrl_c():
            self._process.start()
        theirs.close()  # so that the pipe ends when the process does
        self.open: dict[str, InputImage] = {}
        self._silent_s = self._reading_s = 0.0

    def give(self, chunk: Chunk, job: Job) -> None:
        """Hand over work; a process that is dead is noticed when it is heard next."""
        self.open = {image.name: image for image in chunk}
        self._silent_s = 0.0
        self._reading_s = sum((known_of(image.path).size or 0) / SLOWEST_BYTES_PER_S for image in chunk)
        try:
            self.connection.send((chunk, job))
        except OSError:
            logger.debug("A worker process ended before it got its work.")

    def hear(self) -> Rows:
        """What the process sends of its work: a row, or how far a slide is.

        Raises
        ------
        EOFError
            If the process has ended.
        WbcError
            What stopped it.
        """
        message = self._receive()
        if isinstance(message, ImageRow):
            del self.open[message.image]
        if isinstance(message, ImageRow | Advance):
            yield message

    def hear_engine(self) -> Engine:
        """What the process computes with, once it has loaded its models.

        Raises
        ------
        WorkersError
            If it ends before.
        WbcError
            If the models cannot be loaded.
        """
        try:
            while not isinstance(engine := self._receive(), Engine):
                pass
        except EOFError:
            raise WorkersError(
                f"A worker process ended while it loaded the models: {self.end()}. Take fewer --workers, or see to the memory."
            ) from None
        return engine

    def _receive(self) -> Any:
        """The next message; log records are handed on and errors raised."""
        self._silent_s = 0.0
        try:
            message = self.connection.recv()
        except ConnectionError:
            raise EOFError from None
        if isinstance(message, logging.LogRecord):
            logging.getLogger(message.name).handle(message)
        if isinstance(message, tuple):
            error, cause = message
            raise error from cause
        return message

    def is_silent(self, listened_s: float, time_limit_s: float) -> bool:
        """Whether, after `listened_s` more in vain, it has been silent for longer than the limit and its files explain."""
        self._silent_s += listened_s
        return self._silent_s > time_limit_s + self._reading_s

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def end(self) -> str:
        """Wait for the end, or enforce it; how it ended, in words."""
        self.connection.close()
        self._process.join(PATIENCE_S)
        if self._process.is_alive():
            self.kill()
            self._process.join(PATIENCE_S)
        code = self._process.exitcode or 0
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
