"""The gallery of the report: small crops of the cells to look at first, by type; a bounded number of them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from ..cells import Box, Cell
from ..config import CELL_TYPES
from ..crop import square
from ..errors import WbcError
from ..results.folder import read_record
from ..results.least_certain import MOST_PER_TYPE, Example
from ..results.pixels import Pixels, cut, open_pixels
from ..results.runfile import RunFile, input_root
from ..results.summary import Summary

MOST_TYPES = 16
"""Types that are shown; a user may have added many."""

MOST_MEGAPIXELS = 400.0
"""Fields are read for crops until they have so many pixels in all: 2 seconds of JPEG, a quarter of a minute of PNG."""

CROP_PX, CROP_MARGIN, JPEG_QUALITY = 112, 0.4, 80
"""Side of a crop, the surroundings it shows as a part of the cell's box, and its compression: about 3 kB each."""


@dataclass(frozen=True)
class Picture:
    """A crop of a cell, as a JPEG file in base64, and the type that it is most like beside the one it has."""

    example: Example
    second_type: str | None
    jpeg: str


@dataclass(frozen=True)
class TypePictures:
    """The pictures of a type, the least certain first; `n` cells have it."""

    cell_type: str
    n: int
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Gallery:
    """The types that occur, in the order of the differential; `n_missing` cells are not shown, as their image is gone."""

    types: tuple[TypePictures, ...] = ()
    n_missing: int = 0


def make_gallery(out: Path, run: RunFile, summary: Summary) -> Gallery:
    """Cut the least certain cells of each type from their images.

    An image that is gone, has changed since it was analysed, or comes after `MOST_MEGAPIXELS` is left out.

    Parameters
    ----------
    out
        The results folder.
    run
        Tells where the images are.
    summary
        Tells which cells are the least certain.
    """
    rows = [row for row in summary.pooled if summary.least_certain.get(row.cell_type)][:MOST_TYPES]
    chosen = [summary.least_certain[row.cell_type] for row in rows]
    pictures = dict(_cut(out, input_root(out, run), _by_image(chosen)))
    types = tuple(
        TypePictures(row.cell_type, row.n, tuple(pictures[key] for key in map(_key, examples) if key in pictures))
        for row, examples in zip(rows, chosen, strict=True)
    )
    return Gallery(types, sum(map(len, chosen)) - len(pictures))


def _key(example: Example) -> tuple[str, int]:
    return example.image, example.cell.cell_id


def _by_image(chosen: Sequence[Sequence[Example]]) -> dict[str, list[Example]]:
    """The examples by image; the images in the order of how uncertain their cells are."""
    found: dict[str, list[Example]] = {}
    for rank in range(MOST_PER_TYPE):
        for examples in chosen:
            for example in examples[rank : rank + 1]:
                found.setdefault(example.image, []).append(example)
    return found


def _cut(out: Path, root: Path, wanted: dict[str, list[Example]]) -> Iterator[tuple[tuple[str, int], Picture]]:
    """The pictures that can be had, image by image, by image and id."""
    left = MOST_MEGAPIXELS
    for image, examples in wanted.items():
        try:
            record = read_record(out, image)
            megapixels = 0.0 if record.row.is_slide else (record.row.width or 0) * (record.row.height or 0) / 1e6
            if megapixels > left:
                continue
            with open_pixels(out, record, (root,)) as pixels:
                cut_out = [_jpeg(pixels, example.cell) for example in examples]
        except (WbcError, OSError):
            continue
        left -= megapixels
        for example, jpeg in zip(examples, cut_out, strict=True):
            yield _key(example), Picture(example, _second_type(example.cell), jpeg)


def _jpeg(pixels: Pixels[np.uint8], cell: Cell) -> str:
    """The cell with its surroundings; at the border of the image the view is moved inwards."""
    view, (height, width) = square(cell.box, CROP_MARGIN), pixels.shape
    y0, x0 = max(0, min(view.y0, height - view.height)), max(0, min(view.x0, width - view.width))
    file = BytesIO()
    picture = cut(pixels, Box(y0, x0, y0 + view.height, x0 + view.width), CROP_PX, margin=0)
    Pillow.fromarray(picture).save(file, "JPEG", quality=JPEG_QUALITY)
    return base64.b64encode(file.getvalue()).decode()


def _second_type(cell: Cell) -> str | None:
    """The most probable of the five types that the cell does not have; None where there are no probabilities."""
    if cell.p is None:
        return None
    p, others = dict(zip(CELL_TYPES, cell.p, strict=True)), [name for name in CELL_TYPES if name != cell.cell_type]
    return max(others, key=lambda name: p[name])
