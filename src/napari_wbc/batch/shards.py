"""A run in parts: each job of an array takes the images of one shard, and `collect` puts together what they report."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ..errors import ResultsError, UsageError
from ..results.runfile import NAME, Counts, RunFile, read_run, write_run
from ..results.storage import remove, walk
from .discover import InputImage

logger = logging.getLogger(__name__)

FOLDER = "shards"

MOST_SHARDS = 10**6
"""Jobs of an array, of which schedulers take fewer."""
MOST_NAMED = 20
"""Images or shards that a line of the log names."""
LONGEST_TOLD = 40
"""Characters of a wrong option that its error repeats."""


@dataclass(frozen=True, order=True)
class Shard:
    """Part `number`, from 0 to `of` − 1, of a run in `of` parts."""

    number: int
    of: int

    @property
    def is_sound(self) -> bool:
        """Whether there can be such a part."""
        return self.number < self.of <= MOST_SHARDS

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
    found = re.fullmatch("([0-9]{1,9})/([0-9]{1,9})", text)
    shard = Shard(int(found[1]), int(found[2])) if found else None
    if shard is None or not shard.is_sound:
        what = text if len(text) <= LONGEST_TOLD else f"{text[:LONGEST_TOLD]}…"
        raise UsageError(
            f"--shard takes i/n with i from 0 to n - 1 and n at most {MOST_SHARDS}, such as 0/5 to 4/5; found {what!r}."
        )
    return shard


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
        If a file is missing or damaged, or of no possible shard, or shards ran with different settings or models.
    StorageError
        If `run.json` cannot be written.
    """
    shards = _reported(out)
    if not shards:
        return read_run(out)
    reports = _read_reports(out, shards)
    first = reports[0]
    threads = sorted({report.threads for report in reports})
    if len(threads) > 1:
        numbers = ", ".join(map(str, threads))
        logger.warning("The shards ran with %s threads each: last digits may differ. Give all the same --threads.", numbers)
    ends = {shard: report.finished_at for shard, report in zip(shards, reports, strict=True) if report.finished_at}
    n_left = _tell_unfinished(shards[0].of, ends)
    merged = first.model_copy(
        update={
            "host": _joined(report.host for report in reports),
            "device": _joined(report.device for report in reports),
            "workers": sum(report.workers for report in reports),
            "started_at": min(report.started_at for report in reports),
            "finished_at": None if n_left else max(ends.values()),
            "counts": Counts(**{n: sum(getattr(r.counts, n) for r in reports) for n in Counts.model_fields}),
            "kept": tuple(sorted(image for report in reports for image in report.kept)),
            "unsearched": tuple(sorted({folder for report in reports for folder in report.unsearched})),
        }
    )
    write_run(out, merged)
    return merged


def _read_reports(out: Path, shards: Sequence[Shard]) -> list[RunFile]:
    """The reports of shards, if they go together; errors as in `merge_reports`."""
    for shard in shards:
        if not shard.is_sound:
            raise ResultsError(
                f"{out / FOLDER / shard.name} is of no shard i-of-n with i from 0 to n - 1 and n at most {MOST_SHARDS}. "
                "Remove it, then `collect`."
            )
    reports = [read_run(out, f"{FOLDER}/{shard.name}") for shard in shards]
    first = reports[0]
    for shard, report in zip(shards, reports, strict=True):
        if (report.settings, report.segmenter, report.classifier) != (first.settings, first.segmenter, first.classifier):
            raise ResultsError(
                f"The shards {shards[0].name} and {shard.name} in {out} differ in settings or models. Run one again."
            )
    return reports


def _tell_unfinished(of: int, finished: Collection[Shard]) -> int:
    """How many of the shards have not finished, of which the log names the first."""
    n_left = of - sum(shard.of == of for shard in finished)
    if n_left:
        left = (str(number) for number in range(of) if Shard(number, of) not in finished)
        first = first_of(list(islice(left, MOST_NAMED + 1)))
        logger.warning("%d of %d shards have not finished: %s. Run them again, then `collect`.", n_left, of, first)
    return n_left


def _reported(out: Path) -> list[Shard]:
    """The shards that have a report; errors as in `storage.walk`."""
    _, _, files = next(walk(out / FOLDER), ("", [], []))
    names = [re.fullmatch(r"([0-9]+)-of-([0-9]+)\.json", file) for file in files]
    return sorted(Shard(int(name[1]), int(name[2])) for name in names if name)


def _joined(texts: Iterable[str]) -> str:
    """Each text once."""
    return ", ".join(dict.fromkeys(texts))


def first_of(names: Sequence[str]) -> str:
    """Names in one line, of many the first."""
    return ", ".join([*names[:MOST_NAMED], *(["…"] if len(names) > MOST_NAMED else [])])
