"""What results folders hold to learn from: images that a person vouches for, and cells that a person named."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from PIL import Image as Pillow

from ..cells import Box, Cell, Labels, RgbImage
from ..config import ARTEFACT, ASSUMED_UM_PER_PX, CELL_TYPES, UNIDENTIFIED
from ..crop import boxes
from ..errors import UsageError
from ..evaluate.compare import without_artefacts
from ..nets.classifier import OTHER
from ..results import read_labels
from ..results.pixels import Pixels, open_pixels, read_pixels
from ..results.record import Record
from .classification import NamedCell
from .data import Sample, make_sample
from .sources import Source, analysed, teaching

logger = logging.getLogger(__name__)
T = TypeVar("T", Sample, NamedCell)


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


def segmenter_items(sources: Sequence[Source], um_per_px: float, field_px: int | None = None) -> list[Item[Sample]]:
    """The images that a person vouches for, as a whole, with their outlines; slides are left out. An artefact is no cell.

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
    items = []
    for source, record in teaching(sources, lambda record: record.row.reviewed_by is not None):
        if record.row.is_slide:
            logger.warning(
                "%s in %s is a whole-slide image, from which a segmenter does not learn; left out. In napari, Analyse image, "
                "choice 'what is in view', makes an image of a part of it.",
                record.image, source.folder,
            )  # fmt: skip
            continue
        image = read_pixels(source.folder, record, source.roots)
        labels = without_artefacts(read_labels(source.folder, record.image, record.hashes.labels), record.cells)
        native = record.row.um_per_px or ASSUMED_UM_PER_PX
        if field_px is None:
            sample, size = make_sample(image, labels, native / um_per_px, source.name), um_per_px
        else:
            sample, size = square_sample(image, labels, field_px, source.name), native * _mean_side(image) / field_px
        stratum = "with cells" if labels.any() else "without cells"
        artefacts = [cell.cell_id for cell in record.cells if cell.cell_type == ARTEFACT]
        what = " ".join(map(str, (record.hashes.labels, record.row.um_per_px, *artefacts)))
        items.append(Item(sample, *_names(source, record), stratum, size, _sha256(what), whole_diameters_px(sample.labels)))
    if not items:
        raise UsageError(
            f"No image to learn from: none of the {sum(1 for _ in analysed(sources))} analysed images is marked as reviewed; "
            "whole-slide images do not count. Review some in napari."
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
    items = []
    for source, record in teaching(sources, lambda record: bool(_named(record))):
        with open_pixels(source.folder, record, source.roots) as pixels:
            for cell in _named(record):
                stratum = cell.cell_type if cell.cell_type in CELL_TYPES else OTHER
                what = cut_out(pixels, cell.box, (*CELL_TYPES, OTHER).index(stratum))
                identity = _sha256(f"{cell.cell_id} {cell.box} {cell.cell_type}")
                um_per_px = record.row.um_per_px or ASSUMED_UM_PER_PX
                items.append(Item(what, *_names(source, record), stratum, um_per_px, identity))
    if not items:
        seen = sum(len(record.cells) for _, record in analysed(sources))
        raise UsageError(f"No cell to learn from: none of the {seen} cells was named by a person. Name some in napari.")
    return items


def _named(record: Record) -> list[Cell]:
    """The cells that a person named."""
    return [cell for cell in record.cells if cell.type_source == "human" and cell.cell_type not in (None, UNIDENTIFIED)]


def cut_out(pixels: Pixels[np.uint8], box: Box, target: int) -> NamedCell:
    """The cell in a box with as much of the image round it as training looks at; no more is read."""
    height, width = pixels.shape
    reach = round(max(box.height, box.width) * 1.5) + 8
    y, x = (box.y0 + box.y1) // 2, (box.x0 + box.x1) // 2
    y0, x0 = max(0, y - reach), max(0, x - reach)
    near = pixels.read(Box(y0, x0, min(y + reach, height), min(x + reach, width))).copy()
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


def _names(source: Source, record: Record) -> tuple[str, str]:
    return f"{source.name}/{record.image}", f"{source.slides}/{record.row.slide}"


def _mean_side(image: RgbImage) -> float:
    return float(np.sqrt(image.shape[0] * image.shape[1]))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
