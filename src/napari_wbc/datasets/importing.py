"""Import a data set: read each image and what is said of it, write a results folder, survive bad files."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..cells import Analysis, CellTable, Field, Scale
from ..config import ASSUMED_UM_PER_PX, UNIDENTIFIED, Settings
from ..errors import ImageError, ImageTooLargeError, ResultsError, UsageError
from ..exchange.report import write_report
from ..exchange.stand_ins import stand_in_cells
from ..images import MAX_MEGAPIXELS, decode, read_bytes
from ..measure import measure
from ..results import read_record, record_path, write_analysis, write_failure
from ..results.record import InputFile, Origin, Record
from ..results.runfile import Counts, Model, Progress, RunFile, begin, check_out, now, relative_root, write_run
from ..results.summary import Summary, make_tables
from ..scale import choose_scale, scale_from_cells
from .bccd import find_bccd
from .common import Dataset, Source, Truth
from .lisc import find_lisc
from .pbc import find_pbc
from .raabin import find_raabin
from .zheng import find_zheng

logger = logging.getLogger(__name__)

LAYOUTS: dict[str, Callable[[Path], Dataset]] = {
    "bccd": find_bccd,
    "lisc": find_lisc,
    "pbc": find_pbc,
    "raabin": find_raabin,
    "zheng": find_zheng,
}
"""The layouts that are known, by name: each finds the images of a data set in a folder."""

CELL_DIAMETER_UM = 15.0
"""Usual diameter of a white cell, µm: the ruler where there is no other."""

VERSION = 1
"""Of what the importers make of a set; part of the identity in the records."""


@dataclass(frozen=True)
class ImportSummary:
    """How an import ended: its `run.json`, what the tables say, and one message for each file that belongs to nothing."""

    out: Path
    run: RunFile
    summary: Summary
    left_out: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 if every image of the folder is done, 1 if some failed."""
        return 1 if self.summary.failed else 0


def import_dataset(layout: str, src: str | Path, out: str | Path) -> Generator[Progress, None, ImportSummary]:
    """Import a data set into a results folder, image by image.

    Parameters
    ----------
    layout
        A name in `LAYOUTS`.
    src
        The folder of the data set, or the one that holds it.
    out
        A new or empty folder, or that of an earlier import of the same set, which is made anew.

    Returns
    -------
    A generator of progress that returns the summary. An image that cannot be read, or has nothing that belongs to it, is a
    failed one in the results, with the reason.

    Raises
    ------
    UsageError
        If there is no such layout, `src` is not laid out so, or `out` cannot be the results folder.
    StorageError
        If results cannot be written; what is finished is kept.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"There is no layout {layout!r}. Known layouts: {', '.join(LAYOUTS)}.")
    out, dataset = Path(out), LAYOUTS[layout](Path(src))
    if not dataset.sources:
        raise UsageError(f"No image found in {dataset.root}. Name the folder of the data set, unpacked.")
    check_out(out, dataset.root)
    for message in dataset.left_out:
        logger.warning("Left out: %s", message)
    state, origin = _begin(layout, dataset, out)
    write_run(out, state)
    counts: dict[str, int] = {"done": 0, "failed": 0, "skipped": 0}
    kept = []
    for done, source in enumerate(dataset.sources, start=1):
        image = source.path.relative_to(dataset.root).as_posix()
        record = _corrected(out, image)
        status: Literal["done", "failed", "skipped"] = "skipped"
        if record is None:
            record = _import(out, image, source, dataset.seen_by, origin)
            status = record.row.status
        else:
            kept.append(image)
        counts[status] += 1
        yield Progress(image, status, record.row.error, record.row.n_cells, done, len(dataset.sources))
    state = state.model_copy(update={"finished_at": now(), "counts": Counts(**counts), "kept": tuple(kept)})
    write_run(out, state)
    summary = make_tables(out)
    write_report(out, state, summary)
    return ImportSummary(out, state, summary, tuple(dataset.left_out))


def _begin(layout: str, dataset: Dataset, out: Path) -> tuple[RunFile, Origin]:
    """`run.json` of an import, and the identities in its records; the set's people stand where else the models do."""
    settings, identity = Settings(), f"import {layout} {VERSION}"
    model = Model(name=f"{dataset.seen_by} (imported)", identity=identity)
    state = begin(relative_root(dataset.root, out), settings, model, model, "none", 0)
    return state, Origin(segmenter=identity, classifier=identity, settings=settings.identity())


def _corrected(out: Path, image: str) -> Record | None:
    """The record of an image that a person has saved in napari since it was imported, else None."""
    if not record_path(out, image).exists():
        return None
    try:
        record = read_record(out, image)
    except ResultsError as error:
        logger.warning("%s It is imported again now.", error)
        return None
    return record if record.edited else None


def _import(out: Path, image: str, source: Source, seen_by: str, origin: Origin) -> Record:
    """Read an image and what is said of it, and write its record."""
    file = InputFile()
    try:
        data = read_bytes(source.path)
        mtime_ns = source.path.stat().st_mtime_ns
        file = InputFile(sha256=hashlib.sha256(data).hexdigest(), size=len(data), mtime_ns=mtime_ns)
        field = decode(data, str(source.path))
        truth = source.read(field.pixels)
    except ImageError as error:
        reason = str(error).removeprefix(f"{source.path}: ")
        if isinstance(error, ImageTooLargeError):
            reason = _too_large(reason)
        return write_failure(out, image, reason, file, origin)
    if truth.doubt:
        logger.warning("%s: %s%s", image, truth.doubt, " It is imported, but not vouched for." if truth.drawn else "")
    vouched_by = seen_by if truth.drawn and not truth.doubt else None
    return write_analysis(out, image, as_analysis(field, truth, seen_by), file, origin, reviewed_by=vouched_by)


def _too_large(reason: str) -> str:
    """What a reader found too large, with what helps here, where there are neither settings nor slides."""
    found = reason.partition(", more than")[0].partition(". Write")[0]
    return (
        f"{found}: an import takes at most {MAX_MEGAPIXELS:g}, if memory suffices. "
        "Cut the image, and what belongs to it, into smaller ones."
    )


def as_analysis(field: Field, truth: Truth, seen_by: str) -> Analysis:
    """What is said of an image, as an analysis."""
    scale = choose_pixel_size(field, truth)
    if truth.drawn:
        cells = measure(field.pixels, truth.labels, {}, scale.um_per_px, truth.nucleus_areas_px)
    else:
        cells = stand_in_cells(truth.labels)
    named = tuple(
        dataclasses.replace(
            cell,
            cell_type=truth.cell_types.get(cell.cell_id, UNIDENTIFIED),
            outline_source="human" if truth.drawn else "model",
            type_source="human" if cell.cell_id in truth.cell_types else "model",
            reviewed_by=seen_by,
        )
        for cell in cells
    )
    return Analysis(truth.labels, CellTable(named), scale)


def choose_pixel_size(field: Field, truth: Truth) -> Scale:
    """The pixel size as the pipeline finds it: from the file, the red cells, or the white ones if they were outlined."""
    scale = dataclasses.replace(choose_scale(field, Settings(), ASSUMED_UM_PER_PX), analysis_scale=1.0)
    if not truth.drawn:
        return scale
    better = scale_from_cells(truth.labels, scale, scale.um_per_px or ASSUMED_UM_PER_PX, CELL_DIAMETER_UM)
    return scale if better is None else dataclasses.replace(better, analysis_scale=1.0)
