"""Which images of a run still need work: a results folder is continued, not begun again."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import ResultsError
from ..results import labels_path, read_record, record_path
from ..results.record import InputFile, Origin, Record
from .discover import InputImage

logger = logging.getLogger(__name__)

Need = Literal["new", "stale", "retry", "skip", "keep"]
"""`new`: never analysed. `stale`: its file, the models or the settings have changed. `retry`: it failed before.
`skip`: nothing to do. `keep`: stale, but a person has worked on it."""


@dataclass(frozen=True)
class Task:
    """An image, what it needs, and its record, if it has one."""

    image: InputImage
    need: Need
    record: Record | None = None


def plan(out: Path, images: Iterable[InputImage], origin: Origin, retry_failed: bool) -> list[Task]:
    """What each image needs, in the order given.

    Parameters
    ----------
    out
        The results folder.
    origin
        Identities of the models and settings of this run.
    retry_failed
        Whether images that failed before are tried again although nothing has changed.
    """
    return [_task(out, image, origin, retry_failed) for image in images]


def _task(out: Path, image: InputImage, origin: Origin, retry_failed: bool) -> Task:
    if not record_path(out, image.name).exists():
        return Task(image, "new")
    try:
        record = read_record(out, image.name)
    except ResultsError as error:
        logger.warning("%s Its image is analysed again now.", error)
        return Task(image, "new")
    if origin == record.hashes.origin and _same_file(image.path, record.hashes.input) and _labels_are_whole(out, record):
        return Task(image, "retry" if record.row.status == "failed" and retry_failed else "skip", record)
    return Task(image, "keep" if record.has_human_work else "stale", record)


def _same_file(path: Path, recorded: InputFile) -> bool:
    """Whether an image file is the one recorded: by size and time of change, or else by its content."""
    try:
        stat = path.stat()
        if (stat.st_size, stat.st_mtime_ns) == (recorded.size, recorded.mtime_ns):
            return True
        return stat.st_size == recorded.size and _sha256(path) == recorded.sha256
    except OSError:
        return recorded.size is None


def _labels_are_whole(out: Path, record: Record) -> bool:
    """Whether the label image is the one that the record names."""
    if record.hashes.labels is None:
        return True
    try:
        return _sha256(labels_path(out, record.image)) == record.hashes.labels
    except OSError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
