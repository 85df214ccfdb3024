"""Which images of a run still need work, and why: a results folder is continued, not begun again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..config import Settings
from ..errors import ResultsError
from ..pyramids import SLIDE_SUFFIXES
from ..results import has_labels, has_record, labels_path, read_mark, read_record
from ..results.record import InputFile, Mark, MarkedRow, Origin
from ..results.storage import file_sha256, size_and_time
from .discover import InputImage
from .job import Engine

logger = logging.getLogger(__name__)

Need = Literal["new", "stale", "retry", "skip", "keep"]
"""`new`: never analysed. `stale`: its file, the models, the settings or its results have changed. `retry`: it failed before.
`skip`: nothing to do. `keep`: stale, but a person has worked on it."""


@dataclass(frozen=True)
class Redo:
    """What a run does beyond new and changed images.

    Parameters
    ----------
    retry_failed
        Try images again that failed before.
    rehash
        Take the SHA-256 of every image and label image, also where size and time of change are as recorded.
    overwrite_reviewed
        Analyse changed images again although a person has worked on them; their old results are copied first.
    """

    retry_failed: bool = False
    rehash: bool = False
    overwrite_reviewed: bool = False


@dataclass(frozen=True)
class Task:
    """An image, what it needs and why; its line in its record, if it has one; whether its old results are to be copied."""

    image: InputImage
    need: Need
    why: str
    row: MarkedRow | None = None
    copy_first: bool = False

    @property
    def is_work(self) -> bool:
        """Whether the image is to be analysed."""
        return self.need not in ("skip", "keep")


def plan(out: Path, images: Iterable[InputImage], engine: Engine, settings: Settings, redo: Redo) -> list[Task]:
    """What each image needs, in the order given.

    Parameters
    ----------
    out
        The results folder.
    engine, settings
        The models and settings of this run.
    """
    with_limits = engine.origin(settings, failed=True)
    origins = {"done": (engine.origin(settings), with_limits), "failed": (with_limits,)}  # 0.1.0 had limits in all
    return [_task(out, image, origins, settings.max_megapixels, redo) for image in images]


def _task(out: Path, image: InputImage, origins: Mapping[str, Sequence[Origin]], max_megapixels: float, redo: Redo) -> Task:
    try:
        mark = read_mark(out, image.name)
        row, changes = mark.row, _changes(out, image, mark, origins[mark.row.status], redo.rehash)
        if _has_crossed(image.path, row, max_megapixels):
            changes.append("max_megapixels now refuses it, or makes no slide of it")
        reviewed = bool(changes) and read_record(out, image.name).has_human_work
    except ResultsError as error:
        if not has_record(out, image.name):  # asked only now: of 10⁵ images most have one
            return Task(image, "new", "not analysed yet")
        logger.warning("%s Its image is analysed again now, and what is there is copied first.", error)
        return Task(image, "stale", "its record is damaged", copy_first=True)
    if not changes and row.status == "failed":
        return Task(image, "retry" if redo.retry_failed else "skip", f"failed before: {row.error}", row)
    if not changes:
        return Task(image, "skip", "done", row)
    why = ", ".join([*changes, "a person has worked on it"] if reviewed else changes)
    if reviewed and not redo.overwrite_reviewed:
        return Task(image, "keep", why, row)
    return Task(image, "stale", why, row, copy_first=reviewed)


def _changes(out: Path, image: InputImage, mark: Mark, origins: Sequence[Origin], rehash: bool) -> list[str]:
    """What is no longer as recorded, in words."""
    recorded = mark.hashes
    checks = {
        "the image file has changed": same_file(image.path, recorded.input, rehash),
        "another segmenter": recorded.origin.segmenter == origins[0].segmenter,
        "another classifier": recorded.origin.classifier == origins[0].classifier,
        "other settings": any(recorded.origin.settings == origin.settings for origin in origins),
        "its label image is missing or altered": _labels_are_whole(out, image.name, recorded.labels, rehash),
    }
    return [change for change, same in checks.items() if not same]


def _has_crossed(path: Path, row: MarkedRow, max_megapixels: float) -> bool:
    """Whether an image that is done has now more pixels than a flat one may have, or as a slide no longer so many."""
    crossed = (row.slide == row.image) != ((row.width or 0) * (row.height or 0) > max_megapixels * 1e6)
    return crossed and row.status == "done" and path.suffix.lower() not in SLIDE_SUFFIXES


def same_file(path: Path, recorded: InputFile, rehash: bool) -> bool:
    """Whether an image file is the one recorded: by size and time of change, or else by its content.

    What cannot be read now is taken to be the same: a drive that has gone is no reason to do its images again.
    """
    try:
        size, mtime_ns = size_and_time(path)
        same = (size, mtime_ns) == (recorded.size, recorded.mtime_ns)
        if recorded.sha256 is None or (same and not rehash):
            return same
        return size == recorded.size and (path.is_file() or path.is_dir()) and file_sha256(path) == recorded.sha256
    except OSError as error:
        if recorded.size is not None:
            _tell_unread(path, error)
        return True


def _labels_are_whole(out: Path, image: str, sha256: str | None, rehash: bool) -> bool:
    """Whether the label image is there and, where asked, the one that the record names; taken so where nobody can tell."""
    try:
        if sha256 is None or not rehash:
            return sha256 is None or has_labels(out, image)
        return file_sha256(labels_path(out, image)) == sha256
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        _tell_unread(labels_path(out, image), error)
        return True


def _tell_unread(path: Path, error: OSError) -> None:
    logger.warning("%s cannot be read now: %s. It is taken to be as it was.", path, error.strerror)
