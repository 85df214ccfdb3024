"""The results folders that are learnt from: what they are called, and their images, each file once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from ..results import iter_records, read_record
from ..results.record import ImageRow, Record
from ..results.runfile import input_root, read_run

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A results folder, with a name that no other of the same training has, and where its images may be.

    `slides` names the folder that its slides lie in: results of the same images have the same.
    """

    name: str
    folder: Path
    roots: tuple[Path, ...]
    slides: str


def open_sources(data: Sequence[Path], images: Sequence[Path] = ()) -> list[Source]:
    """The results folders, with the places where their images are looked for: `images`, then their own input root.

    Raises
    ------
    ResultsError
        If one is no results folder.
    """
    sources: list[Source] = []
    for folder in data:
        own, root = folder.absolute().name, input_root(folder, read_run(folder))
        taken = {source.name for source in sources}
        name = next(name for name in chain([own], (f"{own}#{n}" for n in count(2))) if name not in taken)
        slides = next((source.slides for source in sources if source.roots[-1] == root), name)
        sources.append(Source(name, folder, (*images, root), slides))
    return sources


def find_record(sources: Sequence[Source], image: str) -> tuple[Source, Record]:
    """The source and the record of an image by the name that it has as an `Item`.

    Raises
    ------
    ResultsError
        If the record is damaged.
    """
    name, own = image.split("/", 1)
    source = next(source for source in sources if source.name == name)
    return source, read_record(source.folder, own)


def analysed(sources: Sequence[Source]) -> Iterator[tuple[Source, Record]]:
    """The images that were analysed, copies too; errors as of `find_record`."""
    for source in sources:
        yield from ((source, record) for record in iter_records(source.folder) if record.row.status == "done")


def teaching(sources: Sequence[Source], teaches: Callable[[Record], bool]) -> Iterator[tuple[Source, Record]]:
    """The images from which there is something to learn, each file once; errors as of `find_record`.

    Of its copies the first counts that a person vouches for, else the first.
    """
    chosen: dict[str, tuple[Source, ImageRow]] = {}
    for source, record in analysed(sources):
        if not teaches(record):
            continue
        key, found = record.row.sha256 or f"{source.name}/{record.image}", (source, record.row)
        taken = chosen.setdefault(key, found)
        if taken is found:
            continue
        if record.row.reviewed_by is not None and taken[1].reviewed_by is None:
            chosen[key], found, taken = found, taken, found
        logger.warning(
            "%s in %s is a copy of %s in %s, which is taken; left out.",
            found[1].image, found[0].folder, taken[1].image, taken[0].folder,
        )  # fmt: skip
    return (find_record(sources, f"{source.name}/{row.image}") for source, row in chosen.values())
