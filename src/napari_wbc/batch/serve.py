"""What a worker process does: it takes chunks of images from a pipe, and sends rows, log records and errors into it."""

from __future__ import annotations

import logging
import signal
from contextlib import closing
from multiprocessing.connection import Connection
from threading import Lock
from typing import Any

from ..errors import WbcError
from ..pipeline import LoadModels
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
    try:
        models = load_models()
        send(describe(models))
        while True:
            chunk, job = connection.recv()
            with closing(work(chunk, job, models)) as rows:
                for row in rows:
                    send(row)
    except (EOFError, ConnectionError):
        return  # nobody is there to tell
    except WbcError as error:
        send(error)


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
