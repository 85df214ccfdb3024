"""Label images as OME-TIFF, value = `cell_id`, with their pixel size; types, measurements and reviews beside them in CSV."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

import tifffile

from ..cells import Labels
from ..errors import ResultsError
from ..results.label_images import labels_dtype, ome_metadata, open_tiled, write_mosaic
from ..results.mosaic import Mosaic
from ..results.storage import place, writing
from . import cells_csv
from .names import find_files
from .told import Known, Read, Shape, Told, tell_labels

SUFFIX = ".ome.tif"


def write(images: Iterable[Known], dst: Path) -> Iterator[str]:
    """Write `<image path>.ome.tif` for each image, a slide's as a tiled pyramid, and the tables; see `told.Format`."""

    def labels_first() -> Iterator[Known]:
        for one in images:
            with writing(dst, place(dst, "", one.image, SUFFIX)) as file:
                if one.row.is_slide:
                    write_mosaic(file, Mosaic.of(one.labels, one.cells), one.row.um_per_px)
                else:
                    file.write(_encode(one.labels.whole(), one.row.um_per_px))
            yield one

    yield from cells_csv.write(labels_first(), dst)


def find(src: Path, images: Sequence[str]) -> Mapping[str, Read]:
    """The label images with the names of images, with types where there is a `cells.csv`; see `told.Format`."""
    beside = (src if src.is_dir() else src.parent) / cells_csv.CELLS
    named = cells_csv.find(beside.parent, images) if beside.is_file() else {}
    found = find_files(src, images, SUFFIX, ".ome.tiff", ".tif", ".tiff")
    return {image: partial(_read, path, named.get(image)) for image, path in found.items()}


def _encode(labels: Labels, um_per_px: float | None) -> bytes:
    """A label image (H, W) int32 as a file; equal labels and pixel size give equal bytes."""
    array = labels.astype(labels_dtype(labels))
    content = hashlib.sha256(f"{array.shape} {array.dtype} {um_per_px}".encode() + array.tobytes()).digest()
    metadata = ome_metadata(uuid.UUID(bytes=content[:16], version=5), um_per_px)
    file = BytesIO()
    tifffile.imwrite(
        file, array, ome=True, metadata=metadata, compression="zlib", photometric="minisblack", software="napari-wbc"
    )
    return file.getvalue()


def _read(path: Path, types: Read | None, shape: Shape) -> Told:
    with open_tiled(path, "Write it again.") as (labels, *_):
        if labels.shape != shape:
            raise ResultsError(
                f"The label image {path} has the shape {labels.shape}; expected {shape}, that of the image. Write it again."
            )
        return tell_labels(labels, path, types(shape) if types is not None else None)
