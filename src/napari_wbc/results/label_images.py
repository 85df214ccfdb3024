"""The label images of a results folder: `labels/<image path>.tif`, a TIFF file in which a pixel has the id of its cell."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
import tifffile

from ..cells import Analysis, Labels
from ..errors import ResultsError
from ..images import DAMAGE, tiff_directories
from .storage import place

ZLIB_RATIO = 1032
"""Bytes that one byte of a zlib stream unpacks to at most: a small file that declares more is not decoded."""


def labels_path(out: Path, image: str) -> Path:
    """Where the label image is: `labels/<image path>.tif`."""
    return place(out, "labels", image, ".tif")


def encode_labels(analysis: Analysis) -> bytes:
    """The label image as a TIFF file; equal labels and pixel size give equal bytes."""
    labels, um_per_px = analysis.labels, analysis.scale.um_per_px
    dtype = np.uint16 if labels.max(initial=0) <= np.iinfo(np.uint16).max else np.uint32
    density = None if um_per_px is None else (1e4 / um_per_px, 1e4 / um_per_px)
    file = BytesIO()
    tifffile.imwrite(
        file,
        labels.astype(dtype),
        photometric="minisblack",
        compression="zlib",
        metadata=None,
        software="napari-wbc",
        resolution=density,
        resolutionunit="NONE" if density is None else "CENTIMETER",
    )
    return file.getvalue()


def read_labels(out: Path, image: str, sha256: str | None = None) -> Labels:
    """The label image of an image, (H, W) int32, read-only.

    Raises
    ------
    ResultsError
        If it is missing or damaged, or its SHA-256 is not `sha256`, where that is given.
    """
    path = labels_path(out, image)
    try:
        data = path.read_bytes()
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise ResultsError(f"{path} is not the label image that its record names. Restore it, or analyse the image again.")
        labels = _decode_labels(data)
    except ResultsError:
        raise
    except (*DAMAGE, MemoryError) as error:
        raise ResultsError(
            f"The label image {path} cannot be read: {error}. Restore it, or analyse the image again."
        ) from error
    labels.flags.writeable = False
    return np.asarray(labels)


def _decode_labels(data: bytes) -> Labels:
    """The label image in a TIFF file; that of a slide goes to a temporary file, which stands in for memory."""
    tiff_directories(data)
    with tifffile.TiffFile(BytesIO(data)) as tiff:
        series = tiff.series[0]
        if not series.keyframe.is_tiled:
            if series.nbytes > ZLIB_RATIO * len(data):
                raise ValueError(f"{len(data)} bytes cannot hold the shape {series.shape} that they declare")
            return np.asarray(series.asarray().astype(np.int32))
        return np.asarray(series.asarray(level=0, out="memmap").view(np.int32))
