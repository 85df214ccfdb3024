"""The pixels of an image of the results: they stay where they are, are known by their SHA-256, and are read box by box."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ..cells import Box, Field, RgbImage
from ..crop import crop, square
from ..errors import ResultsError
from ..images import MAX_MEGAPIXELS, decode, explained, read_bytes
from ..pyramids import open_pyramid
from .record import Record
from .storage import file_sha256, size_and_time

S = TypeVar("S", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Pixels(Generic[S]):
    """A picture or a label image that is read box by box: of a field from memory, of a slide from its file.

    Parameters
    ----------
    shape
        (H, W), px.
    read
        A box within it → (h, w, 3) uint8 of a picture, (h, w) of a label image.
    """

    shape: tuple[int, int]
    read: Callable[[Box], npt.NDArray[S]]

    @classmethod
    def of(cls, array: npt.NDArray[S]) -> Pixels[S]:
        """What is in memory."""
        return cls((array.shape[0], array.shape[1]), lambda box: array[box.slices])

    def whole(self) -> npt.NDArray[S]:
        """All of it."""
        return self.read(Box(0, 0, *self.shape))


def cut(pixels: Pixels[np.uint8], box: Box, size_px: int, margin: float) -> RgbImage:
    """The crop that `crop.crop` cuts from the whole picture, of which no more is read than it shows."""
    (height, width), view = pixels.shape, square(box, margin)
    y0, x0 = max(view.y0, 0), max(view.x0, 0)
    part = pixels.read(Box(y0, x0, min(view.y1, height), min(view.x1, width)))
    return crop(part, Box(box.y0 - y0, box.x0 - x0, box.y1 - y0, box.x1 - x0), size_px, margin)


@contextmanager
def open_pixels(out: Path, record: Record, roots: Sequence[Path]) -> Iterator[Pixels[np.uint8]]:
    """The picture of a record; that of a slide is read from its file. Parameters and errors as of `read_pixels`."""
    if not record.row.is_slide:
        yield Pixels.of(read_pixels(out, record, roots))
        return
    with open_pyramid(find_slide(out, record, roots), record.image) as slide:
        yield Pixels(slide.shapes[0], slide.read)


def read_pixels(out: Path, record: Record, roots: Sequence[Path]) -> RgbImage:
    """The field of a record, (H, W, 3) uint8: the first file of its name that is byte for byte the one analysed.

    Parameters
    ----------
    out
        The results folder, for messages.
    record
        Of the image.
    roots
        Folders in which it may be.

    Raises
    ------
    ResultsError
        If there is none.
    ImageError
        If it cannot be read.
    """
    return find_field(out, record, roots)[1].pixels


def find_field(out: Path, record: Record, roots: Sequence[Path]) -> tuple[Path, Field]:
    """The file of a record, and what it shows, with its pixel size; parameters and errors as of `read_pixels`.

    It may be larger than the default limit: whoever analysed it allowed that.
    """
    there = [path for path in _paths(record, roots) if path.is_file()]
    megapixels = (record.row.width or 0) * (record.row.height or 0) / 1e6
    for path in there:
        data = read_bytes(path)
        if record.row.sha256 in (None, hashlib.sha256(data).hexdigest()):
            return path, decode(data, str(path), max(MAX_MEGAPIXELS, megapixels))
    raise _not_found(out, record, roots, there)


def find_slide(out: Path, record: Record, roots: Sequence[Path]) -> Path:
    """The file of a record of a slide; size and time as recorded are trusted. Parameters and errors as of `read_pixels`."""
    there, known = [path for path in _paths(record, roots) if path.exists()], record.hashes.input
    for path in there:
        with explained(str(path)):
            size, mtime_ns = size_and_time(path)
            if (size, mtime_ns) == (known.size, known.mtime_ns) or record.row.sha256 is None:
                return path
            if known.size in (None, size) and file_sha256(path) == record.row.sha256:
                return path
    raise _not_found(out, record, roots, there)


def _paths(record: Record, roots: Sequence[Path]) -> list[Path]:
    return [root / record.image for root in roots]


def _not_found(out: Path, record: Record, roots: Sequence[Path], there: Sequence[Path]) -> ResultsError:
    missing = f"no file {' or '.join(map(str, _paths(record, roots)))}"
    found = f"{there[0]} is another file (sha256)" if there else missing
    return ResultsError(
        f"The pixels of {record.image} in {out} were not found: {found}. "
        "Put them back, or on the command line name their folder with --images."
    )
