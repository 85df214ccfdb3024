"""The label images of a results folder, value = `cell_id`: flat TIFF of a field, tiled pyramidal OME-TIFF of a slide.

A slide's is written and read window by window; it is never in memory whole.
"""

from __future__ import annotations

import hashlib
import mmap
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import tifffile

from ..cells import Box, Labels
from ..errors import ResultsError
from ..images import DAMAGE, guard_lzw, series_in, tiff_directories
from ..regular import opener, read_file
from .mosaic import Mosaic
from .pixels import Pixels
from .record import Record
from .storage import file_sha256, is_there, place, place_text

TILE_PX = 512
"""Side of the tiles of a slide's label image, px."""
SMALLEST_LEVEL_PX = 1024
"""The pyramid ends where the longer side is no longer than this, px."""
ZLIB_RATIO = 1032
"""Bytes that one byte of a zlib stream unpacks to at most: a small file that declares more is not decoded."""
AGAIN = "Restore it, or analyse the image again."
"""What to do about a damaged label image of a results folder."""


def labels_path(out: Path, image: str) -> Path:
    """Where the label image is: `labels/<image path>.tif`."""
    return place(out, "labels", image, ".tif")


def has_labels(out: Path, image: str) -> bool:
    """Whether there is a label image.

    Raises
    ------
    OSError
        If nobody can tell.
    """
    return is_there(place_text(out, "labels", image, ".tif"))


def write_labels(file: BinaryIO, labels: Labels | Mosaic, um_per_px: float | None) -> str:
    """Write the label image of a field, (H, W) int32, or of a slide, into a new file on disk, and give its SHA-256."""
    if isinstance(labels, Mosaic):
        write_mosaic(file, labels, um_per_px)
    else:
        file.write(encode_labels(labels, um_per_px))
    file.flush()
    return file_sha256(Path(file.name))


def encode_labels(labels: Labels, um_per_px: float | None) -> bytes:
    """A label image (H, W) int32 as a TIFF file; equal labels and pixel size give equal bytes."""
    density = None if um_per_px is None else (1e4 / um_per_px, 1e4 / um_per_px)
    file = BytesIO()
    tifffile.imwrite(
        file,
        labels.astype(labels_dtype(labels)),
        photometric="minisblack",
        compression="zlib",
        metadata=None,
        software="napari-wbc",
        resolution=density,
        resolutionunit="NONE" if density is None else "CENTIMETER",
    )
    return file.getvalue()


def write_mosaic(file: BinaryIO, mosaic: Mosaic, um_per_px: float | None) -> None:
    """The label image as a tiled pyramidal OME-TIFF (BigTIFF, zlib, uint32); equal outlines and pixel size give equal bytes."""
    height, width = mosaic.shape
    steps = [1]
    while max(height, width) / steps[-1] > SMALLEST_LEVEL_PX:
        steps.append(2 * steps[-1])
    metadata = ome_metadata(mosaic.content_id(), um_per_px)
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


def ome_metadata(content_id: uuid.UUID, um_per_px: float | None) -> dict[str, Any]:
    """What an OME-TIFF says of a label image: axes, pixel size where that is known, and a UUID made from its content."""
    size = {} if um_per_px is None else {f"PhysicalSize{axis}": um_per_px for axis in "XY"}
    return {"axes": "YX", "UUID": str(content_id), **size, **{f"{name}Unit": "µm" for name in size}}


def labels_dtype(labels: Labels) -> type[np.uint16 | np.uint32]:
    """The smallest type in which the ids of a label image are written."""
    return np.uint16 if labels.max(initial=0) <= np.iinfo(np.uint16).max else np.uint32


def _tiles(mosaic: Mosaic, step: int) -> Iterator[Labels]:
    """The tiles of one level, row by row."""
    (height, width), side = mosaic.shape, TILE_PX * step
    for y in range(0, height, side):
        for x in range(0, width, side):
            yield mosaic.paint(Box(y, x, min(y + side, height), min(x + side, width)), step).astype(np.uint32)


@contextmanager
def open_labels(out: Path, record: Record) -> Iterator[Pixels[np.int32]]:
    """The label image of a record, (H, W) int32: that of a field is read, that of a slide is read where it is looked at.

    Raises
    ------
    ResultsError
        As in `read_labels`; where windows are read, also then.
    """
    if not record.row.is_slide:
        yield Pixels.of(read_labels(out, record.image, record.hashes.labels))
        return
    path = labels_path(out, record.image)
    with _explained(path, AGAIN):
        if record.hashes.labels != file_sha256(path):
            raise _other(path)
    with open_tiled(path, AGAIN) as levels:
        finest = levels[0]
        yield Pixels(finest.shape, lambda box: finest.read(box).astype(np.int32))


@contextmanager
def open_tiled(path: Path, advice: str) -> Iterator[list[Pixels[Any]]]:
    """The levels of a label image on disk, finest first, (H, W) in its own type; messages end with `advice`.

    They are read where they are looked at.

    Raises
    ------
    ResultsError
        If it is damaged; where windows are read, also then.
    """
    import zarr

    with ExitStack() as stack:
        with _explained(path, advice):
            file = stack.enter_context(open(path, "rb", opener=opener))
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                tiff_directories(data)
            series = series_in(tifffile.TiffFile(file))[0]
            guard_lzw(series)
            levels: list[Any] = [zarr.open_array(level.aszarr(level=0), mode="r") for level in series.levels]
            if levels[0].ndim != 2:
                raise ValueError(f"its shape is {levels[0].shape}, not that of one plane")

        def read(level: Any, box: Box) -> npt.NDArray[Any]:
            with _explained(path, advice):
                return np.asarray(level[box.slices])

        yield [Pixels(level.shape, partial(read, level)) for level in levels]


def read_labels(out: Path, image: str, sha256: str | None = None) -> Labels:
    """The label image of an image, (H, W) int32, read-only.

    Raises
    ------
    ResultsError
        If it is missing or damaged, or its SHA-256 is not `sha256`, where that is given.
    """
    path = labels_path(out, image)
    with _explained(path, AGAIN):
        data = read_file(path)
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise _other(path)
        labels = _decode(data)
    labels.flags.writeable = False
    return np.asarray(labels)


def _decode(data: bytes) -> Labels:
    """The label image in a TIFF file; that of a slide goes to a temporary file, which stands in for memory."""
    tiff_directories(data)
    with tifffile.TiffFile(BytesIO(data)) as tiff:
        series = series_in(tiff)[0]
        guard_lzw(series)
        if not series.keyframe.is_tiled:
            if series.nbytes > ZLIB_RATIO * len(data):
                raise ValueError(f"{len(data)} bytes cannot hold the shape {series.shape} that they declare")
            return np.asarray(series.asarray().astype(np.int32))
        return np.asarray(series.asarray(level=0, out="memmap").view(np.int32))


@contextmanager
def _explained(path: Path, advice: str) -> Iterator[None]:
    """Turn what a damaged file causes into an error that names it and says what to do."""
    try:
        yield
    except ResultsError:
        raise
    except (*DAMAGE, MemoryError) as error:
        raise ResultsError(f"The label image {path} cannot be read: {str(error).rstrip('.')}. {advice}") from error


def _other(path: Path) -> ResultsError:
    return ResultsError(f"{path} is not the label image that its record names. {AGAIN}")
