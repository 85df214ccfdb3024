"""The second half: cells of known outlines are measured, cropped and named."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterable, Sequence

import numpy as np

from ..cells import Analysis, Box, Cell, CellTable, Field, Mask, Probabilities, RgbImage, Segmentation
from ..config import CELL_TYPES, UNIDENTIFIED
from ..crop import crop
from ..measure import measure
from ..nucleus import nucleus_areas_px
from .networks import Classifier
from .steps import Step, Steps


def reclassify_steps(
    fields: Sequence[Field], segmentations: Sequence[Segmentation], classifier: Classifier
) -> Steps[list[Analysis]]:
    """`reclassify` for several images, step by step; crops are named in batches across images."""
    tables = []
    for i, (field, segmentation) in enumerate(zip(fields, segmentations, strict=True)):
        yield Step("measure", i, len(fields))
        tables.append(_measured(field.pixels, segmentation))
    cells = [(field.pixels, cell) for field, table in zip(fields, tables, strict=True) for cell in table]
    named = iter((yield from _name_steps(cells, classifier)))
    return [
        Analysis(s.labels, CellTable(tuple(next(named) for _ in table)), s.scale, s.domain)
        for s, table in zip(segmentations, tables, strict=True)
    ]


def _measured(pixels: RgbImage, segmentation: Segmentation) -> CellTable:
    """The cells of an image, without types."""
    window = Box.around(segmentation.labels)
    if window is None:
        return CellTable()
    labels = segmentation.labels[window.slices]
    nuclei = nucleus_areas_px(pixels[window.slices], labels)
    return measure(pixels, labels, segmentation.scores, segmentation.scale.um_per_px, nuclei, window)


def name_steps(pixels: RgbImage, cells: Sequence[Cell], classifier: Classifier) -> Steps[list[Cell]]:
    """Measured cells of an image (H, W, 3) uint8 with their types and probabilities, step by step."""
    return (yield from _name_steps([(pixels, cell) for cell in cells], classifier))


def _name_steps(cells: Sequence[tuple[RgbImage, Cell]], classifier: Classifier) -> Steps[list[Cell]]:
    """The cells, each with its image, as named."""
    said: list[tuple[Probabilities, Probabilities]] = []
    crops = (crop(pixels, cell.box, classifier.crop_size_px, classifier.crop_margin) for pixels, cell in cells)
    for batch in _chunks(crops, CROPS_PER_STEP):
        yield Step("classify", len(said) * CROPS_PER_STEP, len(cells))
        said.append(classifier(batch))
    rows = [row for probabilities, none in said for row in zip(probabilities, none, strict=True)]
    return [_name(cell, *row, classifier) for (_, cell), row in zip(cells, rows, strict=True)]


CROPS_PER_STEP = 32
"""Crops named between two steps: about a tenth of a second on two cores."""


def _name(cell: Cell, probabilities: Probabilities, none_of_five: np.float32, classifier: Classifier) -> Cell:
    """The cell with its type: the most probable of the five, or `unidentified`."""
    second, first = np.sort(probabilities)[-2:]
    score = round(float(none_of_five), 4)
    unknown = unidentified(probabilities[None], np.array([score]), classifier)[0]
    return dataclasses.replace(
        cell,
        p=tuple(round(float(p), 4) for p in probabilities),
        none_of_five_score=score,
        margin=round(float(first - second), 4),
        cell_type=UNIDENTIFIED if unknown else CELL_TYPES[int(probabilities.argmax())],
    )


def unidentified(probabilities: Probabilities, none_of_five: Probabilities, classifier: Classifier) -> Mask:
    """Which of N cells are none of the five or too unsure; (N, 5) and (N,) as the classifier gives them → (N,) bool."""
    unsure = probabilities.max(axis=1) < classifier.least_probability
    return np.asarray((none_of_five >= classifier.none_of_five_threshold) | unsure)


def _chunks(items: Iterable[RgbImage], size: int) -> Generator[list[RgbImage]]:
    """Lists of at most `size` items."""
    chunk: list[RgbImage] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
