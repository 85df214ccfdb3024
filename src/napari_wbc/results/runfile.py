"""`run.json`: how the results of a folder were made."""

from __future__ import annotations

import getpass
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .. import __version__
from ..config import Settings
from ..errors import ResultsError, UsageError
from ..regular import read_file
from .record import first_problem
from .storage import write_bytes

NAME = "run.json"

LONGEST_ROOT, MOST_THREADS = 4096, 4096
"""Of what a damaged or foreign `run.json` may ask for: characters of a path, threads of a processor."""


@dataclass(frozen=True)
class Progress:
    """An image of a run is settled: analysed or imported, failed, or left as it was. `done` of `total` images are.

    While a slide is `working`, `tile` of its `tiles` are finished.
    """

    image: str
    status: Literal["done", "failed", "skipped", "working"]
    error: str | None
    n_cells: int | None
    done: int
    total: int
    tile: int = 0
    tiles: int = 0


class Model(BaseModel):
    """A model: its name, and the SHA-256 of what its numbers depend on."""

    name: str
    identity: str


class Counts(BaseModel):
    """Images of a run.

    `done` and `failed` were worked on in this run, `skipped` were left as they were; of the former, `stale` had changed since
    they were last analysed, and `retried` had failed before.
    """

    done: int = 0
    failed: int = 0
    skipped: int = 0
    stale: int = 0
    retried: int = 0


class RunFile(BaseModel):
    """The content of `run.json`. `finished_at` is None while the run lasts and after it was stopped. `threads` are those of
    each of the `workers`; last digits may depend on them.

    `kept` are images that a person has worked on although their file, the models or the settings have changed since: they were
    left as they are. `other_files` is the number of files of the input that are not images; `unsearched` are
    its folders that could not be searched.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    version: str
    settings: dict[str, Any]
    segmenter: Model
    classifier: Model
    input_root: str = Field(max_length=LONGEST_ROOT, pattern=r"^[^\x00]*$")
    device: str
    host: str
    workers: int = 1
    threads: int = Field(1, ge=1, le=MOST_THREADS)
    started_at: str
    finished_at: str | None = None
    counts: Counts = Counts()
    kept: tuple[str, ...] = ()
    other_files: int = 0
    unsearched: tuple[str, ...] = ()


def now() -> str:
    """The time, ISO 8601, UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def user() -> str:
    """Who is logged in; `unknown` where the system has no name for the user, as in a container."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return "unknown"


def begin(root: str, settings: Settings, segmenter: Model, classifier: Model, device: str, other_files: int) -> RunFile:
    """`run.json` of a run that begins now, on this machine."""
    return RunFile(
        version=__version__,
        settings=settings.model_dump(),
        segmenter=segmenter,
        classifier=classifier,
        input_root=root,
        device=device,
        host=platform.node(),
        started_at=now(),
        other_files=other_files,
    )


def write_run(out: Path, run: RunFile, name: str = NAME) -> None:
    """Write `run.json`, or another file like it; errors as in `storage.writing`."""
    write_bytes(out, out / name, f"{run.model_dump_json(indent=1)}\n".encode())


def read_run(out: Path, name: str = NAME) -> RunFile:
    """Read `run.json`, or another file like it.

    Raises
    ------
    ResultsError
        If it is missing or damaged.
    """
    try:
        return RunFile.model_validate_json(read_file(out / name))
    except (FileNotFoundError, NotADirectoryError):
        raise ResultsError(f"{out} is not a results folder: it has no {name}. Name the folder that `run` wrote.") from None
    except (OSError, ValidationError) as error:
        raise ResultsError(
            f"{out / name} cannot be read: {first_problem(error)}. Restore it, or choose another folder."
        ) from error


def relative_root(root: Path, out: Path) -> str:
    """The input root as `run.json` names it: relative to the results folder where possible, with `/`."""
    try:
        return Path(os.path.relpath(os.path.realpath(root), os.path.realpath(out))).as_posix()
    except ValueError:  # another drive
        return root.absolute().as_posix()


def input_root(out: Path, run: RunFile) -> Path:
    """The folder where the images are; it may have moved since."""
    return Path(os.path.normpath(Path(os.path.realpath(out)) / run.input_root))


def check_out(out: Path, root: Path) -> None:
    """Whether results of the images in `root` may go to `out`: a new or empty folder, or that of an earlier run on `root`.

    Raises
    ------
    UsageError
        If not; the message says why.
    ResultsError
        If the folder's `run.json` is damaged.
    """
    names = names_in(out)
    try:
        relative_root(root, out).encode()
    except UnicodeEncodeError:
        raise UsageError(f"The path {root} of the images is not valid UTF-8. Rename the folder.") from None
    if not names:
        return
    if NAME not in names:
        raise UsageError(f"{out} is not empty and has no {NAME}, so it is no results folder. Name an empty one.")
    earlier = input_root(out, read_run(out))
    if os.path.isdir(earlier) and not (os.path.isdir(root) and os.path.samefile(earlier, root)):
        raise UsageError(f"{out} holds results of {earlier}, not of {root}. Name another folder.")


def names_in(out: Path) -> list[str]:
    """What is in a folder for results, hidden files apart; nothing, where it is not there.

    Raises
    ------
    UsageError
        If it is a file, leads nowhere, or cannot be looked at.
    """
    try:
        return [name for name in os.listdir(out) if not name.startswith(".")]
    except FileNotFoundError:
        if os.path.islink(out):
            raise UsageError(f"{out} is a link that leads nowhere. Remove it, or name another folder.") from None
        return []
    except NotADirectoryError:
        raise UsageError(f"{out}, or what it lies in, is a file. Name a new folder for the results.") from None
    except OSError as error:
        raise UsageError(f"{out} cannot be looked at: {error.strerror}. See to that, or name another folder.") from error
