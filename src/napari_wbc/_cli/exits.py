"""How a command ends: its log and errors on stderr, and its exit code."""

from __future__ import annotations

import logging
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from ..errors import ModelMemoryError, StorageError, WbcError, WorkersError


@contextmanager
def exit_codes(debug: bool) -> Iterator[None]:
    """Turn errors into one clear message on stderr and the exit codes 2 (wrong use), 3 (stopped) and 130 (Ctrl-C)."""
    logger = logging.getLogger("napari_wbc")
    logger.handlers = [_StderrLog(debug)]
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)
    if not debug:
        warnings.simplefilter("ignore")  # of libraries, for programmers
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("Stopped. What is finished is kept; the same command continues (`train`: with --resume).", err=True)
        raise typer.Exit(130) from None
    except WbcError as error:
        if debug:
            traceback.print_exc()
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(3 if isinstance(error, StorageError | ModelMemoryError | WorkersError) else 2) from None


class _StderrLog(logging.Handler):
    """The log on stderr, one line each; tracebacks only with `--debug`."""

    def __init__(self, debug: bool) -> None:
        super().__init__()
        self.debug = debug

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        text = self.format(record) if self.debug else record.getMessage()
        typer.echo(f"{record.levelname.capitalize()}: {text}", err=True)
