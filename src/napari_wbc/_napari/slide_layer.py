"""A whole-slide image as a multiscale layer: only what is looked at is read."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from ..cells import Box, RgbImage
from ..pyramids import Pyramid, open_pyramid
from .origin import KEY

CHUNK_PX = 512
LARGEST_TOP_PX = 4096
"""Longer side of the coarsest level at most: coarser ones are made where the file has none."""


class _Level:
    """One level as an array (H, W, 3) uint8 that is read where it is indexed; the file is open as long as it lives."""

    dtype, ndim = np.dtype(np.uint8), 3

    def __init__(self, slide: Pyramid, level: int, file: ExitStack) -> None:
        self.shape = (*slide.shapes[level], 3)
        self._slide, self._level, self._file = slide, level, file

    def __getitem__(self, index: tuple[slice, ...]) -> RgbImage:
        (y0, y1, dy), (x0, x1, dx), _ = (
            part.indices(side) for part, side in zip((*index, slice(None))[:3], self.shape, strict=True)
        )
        part = self._slide.read(Box(y0, x0, y1, x1), self._level)[::dy, ::dx]
        return part if len(index) < 3 else part[..., index[2]]


def slide_layer(path: Path) -> tuple[Any, dict[str, Any], str]:
    """The layer of a slide, for a reader.

    Raises
    ------
    ImageError
        If it cannot be opened; the message says why.
    """
    file = ExitStack()
    slide = file.enter_context(open_pyramid(path))
    levels = [
        da.from_array(_Level(slide, i, file), chunks=(CHUNK_PX, CHUNK_PX, 3), name=False, lock=True)
        for i in range(len(slide.shapes))
    ]
    while max(levels[-1].shape) > LARGEST_TOP_PX:
        levels.append(levels[-1][::4, ::4])
    metadata = {KEY: {"um_per_px": slide.um_per_px}}
    return levels, {"name": path.stem, "metadata": metadata, "rgb": True, "multiscale": True}, "image"
