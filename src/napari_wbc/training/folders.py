"""What results folders hold to learn from: images that a person vouches for, and cells that a person named."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from PIL import Image as Pillow

from ..cells import Box, Cell, Labels, RgbImage
from ..config import ASSUMED_UM_PER_PX, CELL_TYPES, UNIDENTIFIED
from ..crop import boxes
from ..errors import UsageError
from ..nets.classifier import OTHER
from ..results import iter_records, read_labels, read_record
from ..results.pixels import read_pixels
from ..results.record import Record
from ..results.runfile import input_root, read_run
from .classification import NamedCell
from .data import Sample, make_sample

logger = logging.getLogger(__name__)
T = TypeVar("T", Sample, NamedCell)


@dataclass(frozen=True)
class Source:
    """A results folder, with a name that no other of the same training has, and where its images may be."""

    name: str
    folder: Path
    roots: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class Item(Generic[T]):
    """Something to learn from, and where it comes from.

    Parameters
    ----------
    what
        A `Sample`: an image for the segmenter. A `NamedCell`: for the classifier.
    image, slide
        Names with that of the source before them; what shares them is never parted between training and validation.
    stratum
        Cell type; of an image, whether it has cells.
    um_per_px
        Pixel size of `what`, µm.
    diameters_px
        Diameters of the whole cells of an image, pixels of `what`.
    identity
        SHA-256 of what a person said about it.
    """

    what: T
    image: str
    slide: str
    stratum: str
    um_per_px: float
    identity: str
    diameters_px: tuple[float, ...] = ()


def open_sources(data: Sequence[Path], images: Sequence[Path] = ()) -> list[Source]:
    """The results folders, with the places where their images are looked for: `images`, then their own input root.

    Raises
    ------
    ResultsError
        If one is no results folder.
    """
    sources: list[Source] = []
    for folder in data:
        name = folder.absolute().name
        taken = sum(source.name.split("#")[0] == name for source in sources)
        root = input_root(folder, read_run(folder))
        sources.append(Source(f"{name}#{taken + 1}" if taken else name, folder, (*images, root)))
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


def segmenter_items(sources: Sequence[Source], um_per_px: float, field_px: int | None = None) -> list[Item[Sample]]:
    """The images that a person vouches for, as a whole, with their outlines.

    Parameters
    ----------
    um_per_px
        Pixel size to which they are resized, µm.
    field_px
        Resize them to this many pixels square instead.

    Raises
    ------
    UsageError
        If there is none.
    """
    items, seen = [], 0
    for source, record in _records(sources):
        seen += 1
        if record.row.reviewed_by is None:
            continue
        image = read_pixels(source.folder, record, source.roots)
        labels = read_labels(source.folder, record.image, record.hashes.labels)
        native = record.row.um_per_px or ASSUMED_UM_PER_PX
        if field_px is None:
            sample, size = make_sample(image, labels, native / um_per_px, source.name), um_per_px
        else:
            sample, size = square_sample(image, labels, field_px, source.name), native * _mean_side(image) / field_px
        stratum = "with cells" if labels.any() else "without cells"
        what = f"{record.hashes.labels} {record.row.um_per_px}"
        items.append(Item(sample, *_names(source, record), stratum, size, _sha256(what), whole_diameters_px(sample.labels)))
    if not items:
        raise UsageError(
            f"No image to learn from: none of the {seen} analysed images is marked as reviewed. Review some in napari."
        )
    return items


def classifier_items(sources: Sequence[Source]) -> list[Item[NamedCell]]:
    """The cells that a person named; `target` is the place of the type in the five, or 5 for every other name.

    Cells that a person called `unidentified` are left out: nothing was said about them.

    Raises
    ------
    UsageError
        If there is none.
    """
    items, seen = [], 0
    for source, record in _records(sources):
        seen += len(record.cells)
        cells = [c for c in record.cells if c.type_source == "human" and c.cell_type not in (None, UNIDENTIFIED)]
        image = read_pixels(source.folder, record, source.roots) if cells else None
        for cell in cells:
            assert image is not None
            stratum = cell.cell_type if cell.cell_type in CELL_TYPES else OTHER
            what = cut_out(image, cell, (*CELL_TYPES, OTHER).index(stratum))
            identity = _sha256(f"{cell.cell_id} {cell.box} {cell.cell_type}")
            items.append(Item(what, *_names(source, record), stratum, record.row.um_per_px or ASSUMED_UM_PER_PX, identity))
    if not items:
        raise UsageError(f"No cell to learn from: none of the {seen} cells was named by a person. Name some in napari.")
    return items


def cut_out(image: RgbImage, cell: Cell, target: int) -> NamedCell:
    """The cell with as much of the image round it as training looks at."""
    box = cell.box
    reach = round(max(box.height, box.width) * 1.5) + 8
    y, x = (box.y0 + box.y1) // 2, (box.x0 + box.x1) // 2
    y0, x0 = max(0, y - reach), max(0, x - reach)
    near = image[y0 : y + reach, x0 : x + reach].copy()
    return NamedCell(near, Box(box.y0 - y0, box.x0 - x0, box.y1 - y0, box.x1 - x0), target)


def square_sample(image: RgbImage, labels: Labels, size_px: int, source: str) -> Sample:
    """A whole field resized to a square, image bilinear and antialiased, labels nearest; it has no depth."""
    size = (size_px, size_px)
    small = np.asarray(Pillow.fromarray(image).resize(size, Pillow.Resampling.BILINEAR))
    small_labels = np.asarray(Pillow.fromarray(labels.astype(np.int32)).resize(size, Pillow.Resampling.NEAREST), dtype=np.int32)
    return Sample(small, small_labels, np.zeros(small_labels.shape, np.float32), source)


def whole_diameters_px(labels: Labels) -> tuple[float, ...]:
    """Diameter of the circle of equal area of every cell that does not touch the border, px."""
    height, width = labels.shape
    return tuple(
        float(2 * np.sqrt(np.count_nonzero(labels[box.slices] == i) / np.pi))
        for i, box in boxes(np.maximum(labels, 0)).items()
        if box.y0 > 0 and box.x0 > 0 and box.y1 < height and box.x1 < width
    )


def _records(sources: Sequence[Source]) -> Iterator[tuple[Source, Record]]:
    """The analysed images, each file once, however often it occurs."""
    seen: set[str] = set()
    for source in sources:
        for record in iter_records(source.folder):
            if record.row.status == "failed":
                continue
            if record.row.sha256 in seen:
                logger.warning("%s in %s is a copy of an image that was taken before; left out.", record.image, source.folder)
                continue
            if record.row.sha256 is not None:
                seen.add(record.row.sha256)
            yield source, record


def _names(source: Source, record: Record) -> tuple[str, str]:
    return f"{source.name}/{record.image}", f"{source.name}/{record.row.slide}"


def _mean_side(image: RgbImage) -> float:
    return float(np.sqrt(image.shape[0] * image.shape[1]))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
