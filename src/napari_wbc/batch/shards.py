"""A run in parts: each job of an array takes the images of one shard, and `collect` puts together what they report."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ResultsError, UsageError
from ..results.runfile import NAME, Counts, RunFile, read_run, write_run
from ..results.storage import remove, walk
from .discover import InputImage

logger = logging.getLogger(__name__)

FOLDER = "shards"

MOST_NAMED = 20
"""Images or shards that a line of the log names."""


@dataclass(frozen=True, order=True)
class Shard:
    """Part `number`, from 0 to `of` − 1, of a run in `of` parts."""

    number: int
    of: int

    def share(self, images: Sequence[InputImage]) -> tuple[InputImage, ...]:
        """The images of this shard, by a hash of their names: an image that is added moves no other."""
        return tuple(image for image in images if _hash(image.name) % self.of == self.number)

    @property
    def name(self) -> str:
        """Name of the file in which the shard reports."""
        return f"{self.number}-of-{self.of}.json"


def read_shard(text: str) -> Shard:
    """`2/5` as a shard.

    Raises
    ------
    UsageError
        If it is none.
    """
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and int(number) < int(of)):
        raise UsageError(f"--shard takes i/n with i from 0 to n - 1, such as 0/5 to 4/5; found {text!r}.")
    return Shard(int(number), int(of))


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def write_state(out: Path, state: RunFile, shard: Shard | None) -> None:
    """Write `run.json`, or the report of a shard, which makes `run.json` only where there is none.

    Reports of other divisions are removed, and by a run that has no shards all of them.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    if shard is None or not (out / NAME).exists():
        write_run(out, state)
    for other in _reported(out):
        if shard is None or other.of != shard.of:
            remove(out, out / FOLDER / other.name)
    if shard is not None:
        write_run(out, state, f"{FOLDER}/{shard.name}")


def merge_reports(out: Path) -> RunFile:
    """`run.json`, and where the last run had shards, made from their reports.

    The log says which have not finished, and whether their threads differ, on which last digits may depend: as in a run that
    is continued with others, `run.json` has one number.

    Raises
    ------
    ResultsError
        If a file is missing or damaged, or shards ran with different settings or models.
    StorageError
        If `run.json` cannot be written.
    """
    shards = _reported(out)
    if not shards:
        return read_run(out)
    reports = [read_run(out, f"{FOLDER}/{shard.name}") for shard in shards]
    first = reports[0]
    for shard, report in zip(shards, reports, strict=True):
        if (report.settings, report.segmenter, report.classifier) != (first.settings, first.segmenter, first.classifier):
            raise ResultsError(
                f"The shards {shards[0].name} and {shard.name} in {out} differ in settings or models. Run one again."
            )
    threads = sorted({report.threads for report in reports})
    if len(threads) > 1:
        numbers = ", ".join(map(str, threads))
        logger.warning("The shards ran with %s threads each: last digits may differ. Give all the same --threads.", numbers)
    ends = {shard: report.finished_at for shard, report in zip(shards, reports, strict=True) if report.finished_at}
    left = [str(number) for number in range(shards[0].of) if Shard(number, shards[0].of) not in ends]
    if left:
        n = f"{len(left)} of {shards[0].of} shards"
        logger.warning("%s have not finished: %s. Run them again, then `collect`.", n, first_of(left))
    merged = first.model_copy(
        update={
            "host": _joined(report.host for report in reports),
            "device": _joined(report.device for report in reports),
            "workers": sum(report.workers for report in reports),
            "started_at": min(report.started_at for report in reports),
            "finished_at": None if left else max(ends.values()),
            "counts": Counts(**{n: sum(getattr(r.counts, n) for r in reports) for n in Counts.model_fields}),
            "kept": tuple(sorted(image for report in reports for image in report.kept)),
            "unsearched": tuple(sorted({folder for report in reports for folder in report.unsearched})),
        }
    )
    write_run(out, merged)
    return merged


def _reported(out: Path) -> list[Shard]:
    """The shards that have a report; errors as in `storage.walk`."""
    _, _, files = next(walk(out / FOLDER), ("", [], []))
    names = [re.fullmatch(r"(\d+)-of-(\d+)\.json", file) for file in files]
    return sorted(Shard(int(name[1]), int(name[2])) for name in names if name)


def _joined(texts: Iterable[str]) -> str:
    """Each text once."""
    return ", ".join(dict.fromkeys(texts))


def first_of(names: Sequence[str]) -> str:
    """Names in one line, of many the first."""
    return ", ".join([*names[:MOST_NAMED], *(["…"] if len(names) > MOST_NAMED else [])])
