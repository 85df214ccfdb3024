"""A whole-slide image, and its cells, as multiscale layers: only what is looked at is read; no Qt."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.components import ViewerModel
from napari.layers import Image, Labels

from ..cells import Box, CellTable
from ..pyramids import open_pyramid
from ..results import labels_path
from ..results.label_images import AGAIN, open_tiled
from ..results.pixels import Pixels
from ..results.record import Record
from .features import labels_features
from .inputs import read_image
from .layers import placing, type_colours
from .origin import KEY, Place, place_of, set_place

CHUNK_PX = 512
CELLS_OPACITY = 0.5
LARGEST_TOP_PX = 4096
"""Longer side of the coarsest level at most: coarser ones are made where the file has none."""


class _File:
    """A file that is open as long as any level of it lives; it is closed before the garbage collector comes upon it."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        weakref.finalize(self, self.stack.close)


class _Level:
    """One level as an array, (H, W, 3) uint8 or (H, W) uint32, that is read where it is indexed; its file is open as long."""

    def __init__(self, pixels: Pixels[Any], rest: tuple[int, ...], dtype: type[np.generic], file: _File) -> None:
        self.shape, self.dtype, self.ndim = (*pixels.shape, *rest), np.dtype(dtype), 2 + len(rest)
        self._read, self._file = pixels.read, file

    def __getitem__(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        (y0, y1, dy), (x0, x1, dx) = (part.indices(side) for part, side in zip(index[:2], self.shape[:2], strict=True))
        return self._read(Box(y0, x0, y1, x1))[(slice(None, None, dy), slice(None, None, dx), *index[2:])]


def _arrays(levels: Sequence[Pixels[Any]], rest: tuple[int, ...], dtype: type[np.generic], file: _File) -> list[da.Array]:
    """Levels that are read in chunks, with coarser ones where there are none."""
    chunks = (CHUNK_PX, CHUNK_PX, *rest)
    found = [da.from_array(_Level(level, rest, dtype, file), chunks=chunks, name=False, lock=True) for level in levels]
    while max(found[-1].shape) > LARGEST_TOP_PX:
        found.append(found[-1][::4, ::4])
    return found


def slide_layer(path: Path) -> tuple[Any, dict[str, Any], str]:
    """The layer of a slide, for a reader.

    Raises
    ------
    ImageError
        If it cannot be opened; the message says why.
    """
    file = _File()
    slide = file.stack.enter_context(open_pyramid(path))
    pixels = [Pixels(shape, partial(slide.read, level=i)) for i, shape in enumerate(slide.shapes)]
    levels = _arrays(pixels, (3,), np.uint8, file)
    metadata = {KEY: {"um_per_px": slide.um_per_px}}
    return levels, {"name": path.stem, "metadata": metadata, "rgb": True, "multiscale": True}, "image"


def slide_layers(folder: Path, record: Record, path: Path) -> tuple[Image, Labels]:
    """A slide of a results folder, and its cells in the colours of their types, as layers; cells are named in the gallery.

    `path` is its file, as of `results.pixels.find_slide`.

    Raises
    ------
    ResultsError
        If its label image is missing or damaged.
    ImageError
        If the slide cannot be opened.
    """
    data, options, _ = slide_layer(path)
    if record.row.scale_source == "user":
        options["metadata"][KEY]["um_per_px"] = record.row.um_per_px
    image = Image(data, **options)
    file = _File()
    levels = file.stack.enter_context(open_tiled(labels_path(folder, record.image), AGAIN))
    cells = CellTable(record.cells)
    labels = Labels(
        _arrays(levels, (), np.uint32, file),
        multiscale=True,
        name=f"{image.name} cells",
        features=_features(cells),
        colormap=type_colours(cells, _last_id(cells)),
        opacity=CELLS_OPACITY,
        **placing(image),
    )
    for layer in (image, labels):
        set_place(layer, Place(folder.resolve(), record.image, record.hashes.input))
    return image, labels


def shows_slide(viewer: ViewerModel, folder: Path, name: str) -> Labels | None:
    """The layer that shows the cells of a slide of a results folder, or None."""
    for layer in viewer.layers:
        place = place_of(layer) if isinstance(layer, Labels) and layer.multiscale else None
        if place is not None and (place.folder, place.image) == (folder, name):
            return layer
    return None


def renew_types(labels: Labels, cells: CellTable) -> None:
    """Show the types of a slide's cells as they are now."""
    labels.features = _features(cells)
    labels.colormap = type_colours(cells, _last_id(cells))


def _features(cells: CellTable) -> pd.DataFrame:
    return labels_features(cells, _last_id(cells))


def _last_id(cells: CellTable) -> int:
    return max((cell.cell_id for cell in cells), default=0)


def part_layer(slide: Image, part: Box) -> Image:
    """A part of a slide as an image of its own, which lies where the part lies. May run in any thread: it is read.

    Raises
    ------
    ImageTooLargeError
        If it has more pixels than an image may have.
    """
    field = read_image(slide, part)()
    placed = placing(slide)
    placed["translate"] = slide.translate + slide.rotate @ (slide.scale * np.array(part[:2]))
    name = f"{slide.name} y {part.y0} x {part.x0}"
    return Image(field.pixels.copy(), rgb=True, name=name, metadata={KEY: {"um_per_px": field.um_per_px}}, **placed)
