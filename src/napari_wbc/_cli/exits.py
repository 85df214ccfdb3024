"""How a command ends: its log and errors on stderr, and its exit code."""

from __future__ import annotations

import errno
import logging
import traceback
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType

import typer

from ..errors import ModelMemoryError, StorageError, WbcError, WorkersError

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT)
"""Errors of a drive, also of one of the network and of the one that holds what stdout is written to."""

STOPPED, FAULT = 3, 4
"""Exit codes of a command that was stopped (disk, permission, memory), and of one that met a fault of the program."""


CONTINUES = "What is finished is kept; the same command continues."
AGAIN = "What is finished is kept; give the same command again."
RESUMES = "What is finished is kept; --resume continues."
BEGINS_EMPTY = "It begins only with a new or empty folder: name another, or remove this one."
"""What may be done after Ctrl-C."""


@contextmanager
def exit_codes(debug: bool, after_stop: str = "") -> Iterator[None]:
    """Turn errors into a clear message on stderr and the exit codes 2 (wrong use), 3 (stopped), 4 (fault) and 130 (Ctrl-C).

    `after_stop` says what may be done after Ctrl-C.
    """
    logger = logging.getLogger("napari_wbc")
    logger.handlers = [_StderrLog(debug)]
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)
    if not debug:
        warnings.simplefilter("ignore")  # of libraries, for programmers
    try:
        with ExitStack() as stack:
            stack.push(_tell_fault)
            yield
    except KeyboardInterrupt:
        typer.echo(f"Stopped. {after_stop}".rstrip(), err=True)
        raise typer.Exit(130) from None
    except WbcError as error:
        if debug:
            traceback.print_exc()
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(STOPPED if _has_stopped(error) else 2) from None


def _has_stopped(error: WbcError) -> bool:
    """Whether the same command would go on, once disk, permission or memory allow it; else it was wrong use."""
    cause = error.__cause__
    of_drive = isinstance(cause, PermissionError) or (isinstance(cause, OSError) and cause.errno in DISK)
    return of_drive or isinstance(error, StorageError | ModelMemoryError | WorkersError)


def _tell_fault(kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
    """Turn an error that nobody raised on purpose into one of ours, or into its traceback and exit code 4."""
    if not isinstance(error, Exception) or isinstance(error, WbcError | typer.Exit | BrokenPipeError):
        return
    name = type(error).__name__
    if isinstance(error, MemoryError) or name == "OutOfMemoryError" or "can't allocate memory" in str(error):  # torch's two
        raise ModelMemoryError(
            f"memory does not suffice: {error}. Close other programs, or take less at a time: "
            "`train` and `crossval` with a smaller --set batch=N or with --device cpu, others with a smaller image."
        ) from error
    if isinstance(error, OSError) and (error.filename is not None or error.errno in DISK):
        where = "what is written to" if error.filename is None else error.filename
        raise StorageError(f"{where}: {error.strerror}. See to its permission, or to the drive, then run again.") from error
    traceback.print_exception(error)
    typer.echo(f"Error: this is a fault of the program: {name}: {error}. Please report it, with the lines above.", err=True)
    raise typer.Exit(FAULT) from error


class _StderrLog(logging.Handler):
    """The log on stderr, one line each; tracebacks only with `--debug`."""

    def __init__(self, debug: bool) -> None:
        super().__init__()
        self.debug = debug

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        text = self.format(record) if self.debug else record.getMessage()
        typer.echo(f"{record.levelname.capitalize()}: {text}", err=True)
