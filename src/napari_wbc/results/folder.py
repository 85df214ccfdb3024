"""The results folder: a record of each image, written after its label image (`label_images.py`), as the commit mark.

The tables are made from the records alone (`collect.py`); `run.json` tells how the records were made (`runfile.py`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TypeVar

from pydantic import ValidationError

from ..cells import Analysis, CellTable, Domain, Labels, Scale
from ..errors import ResultsError
from ..regular import opener
from .label_images import labels_path, read_labels, write_labels
from .mosaic import Mosaic
from .record import Hashes, ImageRow, InputFile, Mark, Origin, Record, Timing, as_stored, first_problem
from .storage import is_there, place, place_text, remove, unseen, walk, write_bytes, writing_together

R = TypeVar("R", Record, Mark)


def slide_of(image: str) -> str:
    """The slide of an image: its parent folder, `.` at the root."""
    return str(PurePosixPath(image).parent)


def write_analysis(
    out: Path,
    image: str,
    analysis: Analysis,
    source: InputFile,
    origin: Origin,
    *,
    timing: Timing | None = None,
    edited: bool = False,
    reviewed_by: str | None = None,
    reviewed_at: str | None = None,
) -> Record:
    """Write the label image, then the record, of an analysed image.

    Parameters
    ----------
    out
        The results folder.
    image
        Path relative to the input root, with `/`.
    source, origin
        What the analysis was made from.
    edited
        A person saved it: batch never overwrites it.
    reviewed_by, reviewed_at
        The person who vouches for every cell of the image, and when (ISO 8601, UTC).

    Raises
    ------
    StorageError
        If it cannot be written.
    ResultsError
        If the name of the image would leave the folder.
    """
    shape = analysis.labels.shape[0], analysis.labels.shape[1]
    row = image_row(image, shape, len(analysis.cells), analysis.scale, analysis.domain, source)
    row = row.model_copy(update={"reviewed_by": reviewed_by or None, "reviewed_at": reviewed_at or None})
    cells = tuple(sorted(map(as_stored, analysis.cells), key=lambda cell: cell.cell_id))
    hashes = Hashes(input=source, labels=None, origin=origin)
    return commit(out, Record(row=row, cells=cells, hashes=hashes, edited=edited, timing=timing), analysis.labels)


def write_slide(
    out: Path,
    image: str,
    outlines: Mosaic,
    cells: CellTable,
    scale: Scale,
    domain: Domain | None,
    source: InputFile,
    origin: Origin,
    timing: Timing | None = None,
) -> Record:
    """Write the label image, then the record, of an analysed slide; parameters and errors as of `write_analysis`."""
    row = image_row(image, outlines.shape, len(cells), scale, domain, source).model_copy(update={"slide": image})
    hashes = Hashes(input=source, labels=None, origin=origin)
    return commit(out, Record(row=row, cells=tuple(map(as_stored, cells)), hashes=hashes, timing=timing), outlines)


def image_row(
    image: str, shape: tuple[int, int], n_cells: int, scale: Scale, domain: Domain | None, source: InputFile
) -> ImageRow:
    """The line of `images.csv` of an analysed image of (H, W) px."""
    height, width = shape
    return ImageRow(
        image=image,
        slide=slide_of(image),
        sha256=source.sha256,
        width=width,
        height=height,
        um_per_px=scale.um_per_px,
        analysis_scale=scale.analysis_scale,
        scale_source=scale.source,
        domain_ok=None if domain is None else domain.ok,
        domain_reason=None if domain is None else domain.reason or None,
        status="done",
        n_cells=n_cells,
    )


def write_failure(
    out: Path,
    image: str,
    error: str,
    source: InputFile,
    origin: Origin,
    timing: Timing | None = None,
    slide: str | None = None,
) -> Record:
    """Write the record of an image that could not be analysed; labels of an earlier analysis are removed.

    `slide` is the image itself where that is a whole-slide image; None: its parent folder.
    """
    row = ImageRow(image=image, slide=slide or slide_of(image), sha256=source.sha256, status="failed", error=error)
    remove(out, labels_path(out, image))
    return commit(out, Record(row=row, hashes=Hashes(input=source, labels=None, origin=origin), timing=timing))


def commit(out: Path, record: Record, labels: Labels | Mosaic | None = None) -> Record:
    """Write the record of an image, the commit mark, after its label image where that is new.

    Returns
    -------
    The record as written, which names that label image. Where either cannot be written, both are as they were.
    """
    if labels is None:
        write_bytes(out, record_path(out, record.image), _encode(record))
        return record
    places = labels_path(out, record.image), record_path(out, record.image)
    with writing_together(out, *places) as (label_file, record_file):
        sha256 = write_labels(label_file, labels, record.row.um_per_px)
        record = record.model_copy(update={"hashes": record.hashes.model_copy(update={"labels": sha256})})
        record_file.write(_encode(record))
    return record


def _encode(record: Record) -> bytes:
    text = json.dumps(record.model_dump(mode="json"), ensure_ascii=False, indent=1, allow_nan=False)
    return f"{text}\n".encode()


def readings_path(out: Path, image: str) -> Path:
    """Where the readings of an image are."""
    return place(out, "readings", image, ".csv")


def record_path(out: Path, image: str) -> Path:
    """Where the record is: `records/<image path>.json`."""
    return place(out, "records", image, ".json")


def images_in(out: Path) -> list[str]:
    """The images that have a record, in alphabetical order.

    Raises
    ------
    ResultsError
        If a folder of records cannot be looked at.
    """
    root, found = out / "records", []
    for folder, _, names in walk(root):
        below = Path(folder).relative_to(root)
        names = [name for name in names if name.endswith(".json") and not name.startswith("._")]  # macOS puts ._x beside x
        found += [(below / name).as_posix()[: -len(".json")] for name in names]
    return sorted(found)


def has_record(out: Path, image: str) -> bool:
    """Whether there is a record of the image, sound or damaged.

    Raises
    ------
    ResultsError
        If nobody can tell.
    """
    try:
        return is_there(place_text(out, "records", image, ".json"))
    except OSError as error:
        raise unseen(error) from error


def iter_records(out: Path) -> Iterator[Record]:
    """The records in alphabetical order of image; errors as in `read_record`."""
    return (read_record(out, image) for image in images_in(out))


def read_record(out: Path, image: str) -> Record:
    """The record of an image.

    Raises
    ------
    ResultsError
        If it is missing, damaged, of another version, or of another image.
    """
    return _read(out, image, Record)


def read_mark(out: Path, image: str) -> Mark:
    """The commit mark in the record of an image; errors as in `read_record`."""
    return _read(out, image, Mark)


def _read(out: Path, image: str, model: type[R]) -> R:
    path = place_text(out, "records", image, ".json")
    try:
        with open(path, "rb", buffering=0, opener=opener) as file:
            record = model.model_validate_json(file.read())
    except FileNotFoundError:
        name = os.path.basename(path)
        raise ResultsError(f"{out} has no record of {image}: {name} is missing. Analyse the image again.") from None
    except (OSError, ValidationError) as error:
        raise ResultsError(
            f"The record {path} cannot be read: {first_problem(error)}. Restore it, or remove it and analyse again."
        ) from error
    if record.row.image != image:
        raise ResultsError(f"The record {path} is of the image {record.row.image}. Put it back to where it belongs.")
    return record


def read_analysis(out: Path, image: str) -> Analysis:
    """The analysis of an image, exactly as it was written.

    Raises
    ------
    ResultsError
        If the image failed, or its record or label image is missing, damaged, or not of the other.
    """
    record = read_record(out, image)
    row = record.row
    if row.status == "failed" or row.analysis_scale is None or row.scale_source is None:
        raise ResultsError(f"{image} was not analysed: {row.error or 'its record is incomplete'}.")
    labels = read_labels(out, image, record.hashes.labels)
    domain = None if row.domain_ok is None else Domain(row.domain_ok, row.domain_reason or "")
    return Analysis(labels, CellTable(record.cells), Scale(row.um_per_px, row.analysis_scale, row.scale_source), domain)
