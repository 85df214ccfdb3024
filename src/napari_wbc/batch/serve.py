"""What a worker process does: it takes chunks of images from a pipe, and sends rows, log records and errors into it."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from threading import Lock
from typing import Any

from ..cells import RgbImage
from ..errors import WbcError
from ..pipeline import LoadModels, Models, Network
from .job import describe
from .work import work


def serve(connection: Connection, load_models: LoadModels, level: int) -> None:
    """Work until the process that gives the orders closes its end of the pipe, or is gone; `level` is that of its log."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Windows it is not inherited
    lock = Lock()

    def send(message: object) -> None:
        with lock:
            connection.send(message)

    package = logging.getLogger("napari_wbc")
    package.handlers, package.propagate = [_Handler(send)], False
    package.setLevel(level)
    if level > logging.DEBUG:
        warnings.simplefilter("ignore")  # of libraries, for programmers
    try:
        models = load_models()
        send(describe(models))
        models = Models(_Heard(models.segmenter, send), _Heard(models.classifier, send))  # type: ignore[arg-type]
        while True:
            chunk, job = connection.recv()
            with closing(work(chunk, job, models)) as rows:
                for row in rows:
                    send(row)
    except (EOFError, ConnectionError):
        return  # nobody is there to tell
    except WbcError as error:  # sent with its cause, which pickle leaves out: one of a drive decides the exit code
        with suppress(ConnectionError):  # the run may have ended, by the same error of another process
            send((error, error.__cause__ if isinstance(error.__cause__, OSError) else None))


class _Heard:
    """A network that gives a sign of life before each call: large images take their time."""

    def __init__(self, network: Network, send: Callable[[object], None]) -> None:
        self._network = network
        self._send = send

    def __call__(self, images: Sequence[RgbImage]) -> Any:
        """As the network."""
        self._send(None)
        return self._network(images)  # type: ignore[operator]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)


class _Handler(logging.Handler):
    """Sends log records to the process that gives the orders; their tracebacks become text."""

    def __init__(self, send: Any) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record."""
        record.msg, record.args = record.getMessage(), None
        if record.exc_info:
            record.exc_text, record.exc_info = logging.Formatter().formatException(record.exc_info), None
        self._send(record)
