"""Read an input file once, for its hash and its pixels, if it may be read at all."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..cells import Field
from ..errors import ImageError, ImageTooLargeError, UnreadableImageError, UnsupportedImageError
from ..images import decode
from ..pyramids import is_folder_image, is_slide
from ..regular import opener
from ..results.record import InputFile
from ..results.storage import file_sha256, size_and_time
from .discover import InputImage

_BYTES_PER_PX = 8
"""Of four channels of 16 bits: a file of more bytes than the pixel budget explains is not read."""


@dataclass(frozen=True, eq=False)
class Loaded:
    """An image as read, or the reason why it cannot be analysed; what is known of its file; the seconds that reading took.

    `slide` is the file of a whole-slide image, which is read later, tile by tile.
    """

    name: str
    field: Field | None
    error: str = ""
    source: InputFile = dataclasses.field(default_factory=InputFile)
    read_s: float = 0.0
    slide: Path | None = None


def load(image: InputImage, max_megapixels: float) -> Loaded:
    """Read an image file and decode it, unless it is a whole-slide image."""
    start = time.perf_counter()
    source, field, error, slide = known_of(image.path), None, "", None
    try:
        slide = slide_file(image, max_megapixels)
        if slide:
            sha256 = _hash_slide(image)
            source = source.model_copy(update={"sha256": sha256})
            return Loaded(image.name, None, "", source, time.perf_counter() - start, slide)
        data = read_whole(image, max_megapixels)
        source = InputFile(sha256=hashlib.sha256(data).hexdigest(), size=len(data), mtime_ns=source.mtime_ns)
        field = decode(data, image.name, max_megapixels)
    except ImageError as refused:
        error = str(refused).removeprefix(f"{image.name}: ")
    return Loaded(image.name, field, error, source, time.perf_counter() - start, slide)


def slide_file(image: InputImage, max_megapixels: float) -> Path | None:
    """The file of a whole-slide image, None of a flat one; errors as in `read_whole`."""
    with _readable(image):
        return image.path if is_slide(image.path, max_megapixels) else None


def read_whole(image: InputImage, max_megapixels: float) -> bytes:
    """The bytes of an image file; messages name the image as the results do.

    Raises
    ------
    UnsupportedImageError
        If its name cannot be written to the results.
    ImageTooLargeError
        If it has more bytes than `max_megapixels` explain.
    UnreadableImageError
        If it is missing, not a regular file, or may not be read.
    """
    name, path = image.name, image.path
    with _readable(image), open(path, "rb", opener=opener) as file:
        size = path.stat().st_size
        if size > _BYTES_PER_PX * 1e6 * max_megapixels:
            raise ImageTooLargeError(
                f"{name}: the file has {size / 1e6:.0f} MB, more than {max_megapixels:g} megapixels explain. "
                "Write a tiled TIFF instead, or raise max_megapixels."
            )
        return file.read()


def _hash_slide(image: InputImage) -> str:
    """SHA-256 of a whole-slide image, which is not read into memory; errors as in `read_whole`."""
    with _readable(image):
        return file_sha256(image.path)


@contextmanager
def _readable(image: InputImage) -> Iterator[None]:
    """Refuse what is not a file with a name that can be written; turn an `OSError` into an error of ours."""
    name, path = image.name, image.path
    if not path.as_posix().endswith(name):
        raise UnsupportedImageError(f"{name}: the file name is not valid UTF-8. Rename the file.")
    try:
        if path.exists() and not path.is_file() and not is_folder_image(path):
            raise UnreadableImageError(f"{name}: not a regular file. Copy the image to a file.")
        yield
    except OSError as error:
        raise UnreadableImageError(f"{name}: cannot be read: {error.strerror or error}. Check path and permission.") from None


def known_of(path: Path) -> InputFile:
    """Size and time of change of a file, where they can be had."""
    try:
        size, mtime_ns = size_and_time(path)
    except OSError:
        return InputFile()
    return InputFile(size=size, mtime_ns=mtime_ns)
