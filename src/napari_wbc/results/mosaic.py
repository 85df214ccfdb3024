"""The outlines of an image's cells, packed: a label image that is painted where it is looked at, never whole in memory."""

from __future__ import annotations

import hashlib
import uuid
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from math import ceil

import numpy as np

from ..cells import Box, Cell, Labels, Mask
from .pixels import Pixels

_BUCKET_PX = 1024


def pack(mask: Mask) -> bytes:
    """The pixels of a cell in its box, (h, w) bool, in few bytes."""
    return zlib.compress(np.packbits(mask).tobytes())


class Mosaic:
    """Outlines by id, on an image of (H, W) px. Where two overlap, the one that was added later lies on top."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self._outlines: dict[int, tuple[Box, bytes]] = {}
        self._rank: dict[int, int] = {}
        self._near: defaultdict[tuple[int, int], list[int]] = defaultdict(list)

    @classmethod
    def of(cls, labels: Pixels[np.int32], cells: Iterable[Cell]) -> Mosaic:
        """The outlines of cells in a label image."""
        mosaic = cls(labels.shape)
        for cell in cells:
            mosaic.add(cell.cell_id, cell.box, pack(labels.read(cell.box) == cell.cell_id))
        return mosaic

    def __len__(self) -> int:
        return len(self._outlines)

    def add(self, cell_id: int, box: Box, packed: bytes) -> None:
        """Add a cell; what is `packed` is the part of the image in `box` that is the cell's."""
        self._outlines[cell_id] = box, packed
        self._rank[cell_id] = len(self._rank)
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

    def near(self, box: Box) -> list[int]:
        """The ids of the cells whose boxes meet a box, and of some beside it, in the order in which they were added."""
        found = {i for bucket in _buckets(box) for i in self._near.get(bucket, ())}
        return sorted(found, key=self._rank.__getitem__)

    def paint(self, window: Box, step: int = 1) -> Labels:
        """Every `step`-th pixel of a window, row and column, (ceil(h / step), ceil(w / step)) int32, value = id."""
        labels = np.zeros((ceil(window.height / step), ceil(window.width / step)), np.int32)
        for cell_id in self.near(window):
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
