"""The outlines of a slide's cells, packed, and its label image, painted from them tile by tile: it is never in memory whole."""

from __future__ import annotations

import hashlib
import uuid
import zlib
from collections import defaultdict
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import BinaryIO

import numpy as np
import tifffile

from ..cells import Box, CellTable, Domain, Labels, Mask, Scale
from .folder import commit, image_row, labels_path
from .record import Hashes, InputFile, Origin, Record, Timing, as_stored
from .storage import file_sha256, writing

TILE_PX = 512
"""Side of the tiles of the label image, px."""
SMALLEST_LEVEL_PX = 1024
"""The pyramid ends where the longer side is no longer than this, px."""
_BUCKET_PX = 1024


def pack(mask: Mask) -> bytes:
    """The pixels of a cell in its box, (h, w) bool, in few bytes."""
    return zlib.compress(np.packbits(mask).tobytes())


class Mosaic:
    """Outlines by id, on a slide of (H, W) px."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self._outlines: dict[int, tuple[Box, bytes]] = {}
        self._near: defaultdict[tuple[int, int], list[int]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._outlines)

    def add(self, cell_id: int, box: Box, packed: bytes) -> None:
        """Add a cell; what is `packed` is the part of the slide in `box` that is the cell's."""
        self._outlines[cell_id] = box, packed
        for bucket in _buckets(box):
            self._near[bucket].append(cell_id)

    def renumbered(self, new_ids: dict[int, int]) -> Mosaic:
        """The same outlines with other ids; those that have none are left out."""
        fresh = Mosaic(self.shape)
        for old in sorted(new_ids, key=new_ids.__getitem__):
            fresh.add(new_ids[old], *self._outlines[old])
        return fresh

    def mask(self, cell_id: int) -> Mask:
        """The pixels of a cell in its box, (h, w) bool."""
        box, packed = self._outlines[cell_id]
        bits = np.frombuffer(zlib.decompress(packed), np.uint8)
        return np.unpackbits(bits, count=box.height * box.width).astype(bool).reshape(box.height, box.width)

    def paint(self, window: Box, step: int = 1) -> Labels:
        """Every `step`-th pixel of a window, row and column, (ceil(h / step), ceil(w / step)) int32, value = id."""
        labels = np.zeros((ceil(window.height / step), ceil(window.width / step)), np.int32)
        for cell_id in sorted({i for bucket in _buckets(window) for i in self._near.get(bucket, ())}):
            box = self._outlines[cell_id][0]
            y0, x0 = (max(0, ceil((a - b) / step)) for a, b in zip(box[:2], window[:2], strict=True))
            part = self.mask(cell_id)[window.y0 + y0 * step - box.y0 :: step, window.x0 + x0 * step - box.x0 :: step]
            target = labels[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]]
            target[part[: target.shape[0], : target.shape[1]]] = cell_id
        return labels

    def content_id(self) -> uuid.UUID:
        """A UUID that changes with any outline."""
        digest = hashlib.sha256(repr(self.shape).encode())
        for cell_id, (box, packed) in sorted(self._outlines.items()):
            digest.update(f"{cell_id} {tuple(box)} ".encode() + packed)
        return uuid.UUID(bytes=digest.digest()[:16], version=5)


def _buckets(box: Box) -> Iterator[tuple[int, int]]:
    """The squares of a coarse grid that a box touches."""
    for y in range(box.y0 // _BUCKET_PX, (box.y1 - 1) // _BUCKET_PX + 1):
        for x in range(box.x0 // _BUCKET_PX, (box.x1 - 1) // _BUCKET_PX + 1):
            yield y, x


def write_mosaic(file: BinaryIO, mosaic: Mosaic, um_per_px: float | None) -> None:
    """The label image as a tiled pyramidal OME-TIFF (BigTIFF, zlib, uint32); equal outlines and pixel size give equal bytes."""
    height, width = mosaic.shape
    steps = [1]
    while max(height, width) / steps[-1] > SMALLEST_LEVEL_PX:
        steps.append(2 * steps[-1])
    size = {} if um_per_px is None else {f"PhysicalSize{axis}": um_per_px for axis in "XY"}
    metadata = {"axes": "YX", "UUID": str(mosaic.content_id()), **size, **{f"{name}Unit": "µm" for name in size}}
    with tifffile.TiffWriter(file, bigtiff=True, ome=True) as tiff:
        for step in steps:
            tiff.write(
                _tiles(mosaic, step),
                shape=(ceil(height / step), ceil(width / step)),
                dtype=np.uint32,
                tile=(TILE_PX, TILE_PX),
                compression="zlib",
                photometric="minisblack",
                software="napari-wbc",
                resolution=None if um_per_px is None else (1e4 / um_per_px / step, 1e4 / um_per_px / step),
                resolutionunit=None if um_per_px is None else "CENTIMETER",
                **({"subifds": len(steps) - 1, "metadata": metadata} if step == 1 else {"subfiletype": 1, "metadata": None}),
            )


def _tiles(mosaic: Mosaic, step: int) -> Iterator[Labels]:
    """The tiles of one level, row by row."""
    (height, width), side = mosaic.shape, TILE_PX * step
    for y in range(0, height, side):
        for x in range(0, width, side):
            yield mosaic.paint(Box(y, x, min(y + side, height), min(x + side, width)), step).astype(np.uint32)


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
    path = labels_path(out, image)
    with writing(out, path) as file:
        write_mosaic(file, outlines, scale.um_per_px)
    row = image_row(image, outlines.shape, len(cells), scale, domain, source).model_copy(update={"slide": image})
    hashes = Hashes(input=source, labels=file_sha256(path), origin=origin)
    return commit(out, Record(row=row, cells=tuple(map(as_stored, cells)), hashes=hashes, timing=timing))
