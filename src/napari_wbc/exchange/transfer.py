"""Results go to other programs and come back: export of a results folder, and import into it, image by image."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..cells import Box, CellTable
from ..errors import ImageError, ResultsError, UsageError
from ..results import images_in, iter_records, read_record
from ..results.folder import commit
from ..results.label_images import open_labels
from ..results.pixels import open_pixels
from ..results.record import ImageRow, Record, as_stored
from ..results.replaced import copy_old, date
from ..results.runfile import Progress, input_root, names_in, read_run
from . import cells_csv, coco, crops, geojson, imagej_roi, masks, ome_tiff, yolo
from .merging import Merged, merge
from .told import Format, Known, Read, Told

MODULES: dict[str, Format] = {
    "geojson": geojson,
    "coco": coco,
    "ome-tiff": ome_tiff,
    "imagej-roi": imagej_roi,
    "png-masks": masks,
    "yolo": yolo,
    "csv": cells_csv,
    "crops": crops,
}
"""The modules of the formats, by name."""

FIELDS_ONLY = ("png-masks", "yolo")
"""Formats in which every image is a picture to be read whole: a slide is none."""

LONG_SUFFIXES = {"geojson": geojson.SUFFIX, "ome-tiff": ome_tiff.SUFFIX}
"""What formats add to the name of an image, where that is more than `.json`, with which the results have room for it."""

LONGEST_NAME = 255
"""Bytes in the name of a file at most, on the drives of all systems."""


@dataclass(frozen=True)
class Transfer:
    """How an export or an import ended: what came where, and the images that changed, stayed, and could not be read."""

    source: Path
    target: Path
    done: tuple[str, ...]
    skipped: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 if all went well, 1 if an image failed."""
        return 1 if self.failed else 0


def format_named(name: str) -> Format:
    """A format.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if name not in MODULES:
        raise UsageError(f"There is no format {name!r}. Known formats: {', '.join(MODULES)}.")
    return MODULES[name]


def export_results(
    name: str, out: str | Path, dst: str | Path, images: Sequence[Path] = ()
) -> Generator[Progress, None, Transfer]:
    """Write the analysed images of a results folder in another format.

    Parameters
    ----------
    name
        A name in `MODULES`.
    out
        The results folder.
    dst
        A new or empty folder.
    images
        Folders where the images are looked for before the input root; only some formats need them.

    Returns
    -------
    A generator of progress that returns what was done. An image that the format cannot hold has failed.

    Raises
    ------
    UsageError
        If there is no such format, or `dst` is not a new or empty folder that can be looked at.
    ResultsError
        If `out` is no results folder, a record is damaged, or pixels that are needed were not found.
    StorageError
        If a file cannot be written.
    """
    form, out, dst = format_named(name), Path(out), Path(dst)
    roots = (*images, input_root(out, read_run(out)))
    if names_in(dst):
        raise UsageError(f"{dst} is not an empty folder. Name a new folder for the export.")
    rows = [record.row for record in iter_records(out) if record.row.status == "done"]
    refused = {row.image: reason for row in rows if (reason := _refusal(name, row) or _unwritable(name, row))}
    written, done = [row.image for row in rows if row.image not in refused], list[str]()
    for n, (image, reason) in enumerate(refused.items(), start=1):
        yield Progress(image, "failed", reason, None, n, len(rows))
    for image in form.write(_read_all(out, written, roots), dst):
        done.append(image)
        yield Progress(image, "done", None, None, len(refused) + len(done), len(rows))
    return Transfer(out, dst, tuple(done), (), tuple(refused))


def _unwritable(name: str, row: ImageRow) -> str | None:
    """Why no file of a format can have the name of an image; None if one can."""
    n_bytes = len(os.fsencode(row.image.rpartition("/")[2] + LONG_SUFFIXES.get(name, "")))
    if n_bytes > LONGEST_NAME:
        return f"its file in {name} would have a name of {n_bytes} bytes, more than the {LONGEST_NAME} allowed. Take coco."
    return None


def _refusal(name: str, row: ImageRow) -> str | None:
    """Why a format does not hold an image; None if it does."""
    if name in FIELDS_ONLY and row.is_slide:
        return f"a whole-slide image does not go into {name}, whose images are read whole. Take geojson, coco or ome-tiff."
    return None


def _read_all(out: Path, images: Sequence[str], roots: Sequence[Path]) -> Iterator[Known]:
    for image in images:
        with _open(out, read_record(out, image), roots) as known:
            yield known


@contextmanager
def _open(out: Path, record: Record, roots: Sequence[Path]) -> Iterator[Known]:
    """What is known of an image that was analysed; its files are open as long as it is looked at."""
    if record.row.status == "failed":
        raise ResultsError("it was not analysed: `images.csv` says why. Analyse it first.")
    with ExitStack() as stack:
        labels = stack.enter_context(open_labels(out, record))
        yield Known(
            record.row,
            CellTable(record.cells),
            labels,
            lambda: stack.enter_context(open_pixels(out, record, roots)),
            record.edited,
        )


def import_into(
    name: str, src: str | Path, out: str | Path, images: Sequence[Path] = ()
) -> Generator[Progress, None, Transfer]:
    """Bring what a file or folder of another format says into the results folder whose images it describes.

    What it says differently becomes a person's; images of which it says nothing, or nothing new, stay as they are. Where a cell
    goes that a person has worked on, the old results are copied to `replaced/<date>/` first. The tables are not made: `collect`
    does that.

    Parameters
    ----------
    name
        A name in `MODULES`.
    src
        The folder that an export made, or one of another program, or a file.
    out
        The results folder.
    images
        Folders where the images are looked for before the input root: changed cells are measured again.

    Returns
    -------
    A generator of progress that returns what was done. An image whose file cannot be read stays as it was, and has failed.

    Raises
    ------
    UsageError
        If there is no such format, or nothing in `src` belongs to the results.
    ResultsError
        If `out` is no results folder, or `src` cannot be read.
    StorageError
        If a record cannot be written.
    """
    form, src, out = format_named(name), Path(src), Path(out)
    roots = (*images, input_root(out, read_run(out)))
    found = form.find(src, images_in(out))
    if not found:
        raise UsageError(
            f"{src} says nothing of an image of {out}: it is no {name} file, or no name fits. Use the names of its images, or "
            "its results folder."
        )
    ended: dict[str, list[str]] = {"done": [], "skipped": [], "failed": []}
    for n, image in enumerate(sorted(found), start=1):
        step = _import(name, out, image, found[image], roots, n, len(found))
        ended[step.status].append(image)
        yield step
    return Transfer(src, out, *(tuple(ended[status]) for status in ("done", "skipped", "failed")))


def _import(name: str, out: Path, image: str, read: Read, roots: Sequence[Path], n: int, total: int) -> Progress:
    """Bring what is said of one image into its record."""
    try:
        record = read_record(out, image)
        if reason := _refusal(name, record.row):
            raise ResultsError(f"{image}: {reason}")
        with _open(out, record, roots) as known:
            told = read(known.labels.shape)
            merged = merge(known, told)
    except (ResultsError, ImageError) as error:
        return Progress(image, "failed", str(error), None, n, total)
    review = _review(record.row, told, merged)
    if not merged.changed and review == (record.row.reviewed_by, record.row.reviewed_at):
        return Progress(image, "skipped", None, record.row.n_cells, n, total)
    left = {cell.cell_id for cell in merged.cells}
    if any(cell.source == "human" and cell.cell_id not in left for cell in record.cells):
        copy_old(out, image, date())
    _write(out, record, merged, review)
    return Progress(image, "done", None, len(merged.cells), n, total)


def _review(row: ImageRow, told: Told, merged: Merged) -> tuple[str | None, str | None]:
    """Who vouches for the cells of the image, and since when: nobody does for stand-ins."""
    if not merged.drawn:
        return None, None
    return (told.reviewed_by, told.reviewed_at) if told.reviewed_by else (row.reviewed_by, row.reviewed_at)


def _write(out: Path, record: Record, merged: Merged, review: tuple[str | None, str | None]) -> None:
    """Write the label image, where it has changed, and the record."""
    row, labels = record.row, merged.labels
    painted = labels.paint(Box(0, 0, *labels.shape)) if labels is not None and not row.is_slide else labels
    row = row.model_copy(update={"n_cells": len(merged.cells), "reviewed_by": review[0], "reviewed_at": review[1]})
    cells = tuple(map(as_stored, merged.cells))
    commit(out, record.model_copy(update={"row": row, "cells": cells, "edited": True}), painted)
