"""Read an image file, of whichever format its content says."""

from __future__ import annotations

from pathlib import Path

from ..cells import Field
from ..config import Settings
from ..errors import ImageTooLargeError, UnreadableImageError
from ..regular import read_file
from .checks import explained
from .png_jpeg_bmp import READERS, decode_png_jpeg_bmp
from .tiff import TIFF, decode_tiff

IMAGE_SUFFIXES: tuple[str, ...] = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
"""Suffixes of the files that are images, lower case."""

MAX_MEGAPIXELS: float = Settings.model_fields["max_megapixels"].default


def read_image(path: str | Path, max_megapixels: float = MAX_MEGAPIXELS) -> Field:
    """Read an image file, upright, with the pixel size that it states.

    Parameters
    ----------
    path
        A PNG, JPEG, BMP or TIFF file with one flat image.
    max_megapixels
        Images that declare more pixels are refused before they are decoded, megapixels.

    Returns
    -------
    (H, W, 3) uint8 read-only, and µm per pixel where the file states a plausible one.

    Raises
    ------
    UnreadableImageError
        If the file cannot be opened, is damaged, truncated, empty, or not an image.
    UnsupportedImageError
        If it is sound, but several images, or values that are not a picture's.
    ImageTooLargeError
        If it declares more pixels than the budget, or memory does not suffice.
    """
    return decode(read_bytes(path), str(path), max_megapixels)


def read_bytes(path: str | Path) -> bytes:
    """The bytes of an image file, for `decode`; whoever also needs their SHA-256 reads the file once.

    Raises
    ------
    UnreadableImageError
        If the file is missing, a folder, or may not be read.
    ImageTooLargeError
        If memory does not suffice.
    """
    try:
        return read_file(Path(path))
    except OSError as error:
        raise UnreadableImageError(f"{path}: cannot be read: {error.strerror or error}. Check path and permission.") from None
    except MemoryError:
        raise ImageTooLargeError(f"{path}: the file does not fit into memory. Write a tiled TIFF instead.") from None


def decode(data: bytes, name: str, max_megapixels: float = MAX_MEGAPIXELS) -> Field:
    """`read_image` for the bytes of a file; `name` is what messages call it."""
    with explained(name):
        if not data:
            raise UnreadableImageError("the file is empty (0 bytes). Copy or export it again.")
        if data.startswith(TIFF):
            return decode_tiff(data, max_megapixels)
        for signature, reader in READERS.items():
            if data.startswith(signature):
                return decode_png_jpeg_bmp(data, reader, max_megapixels)
        raise UnreadableImageError(
            f"not a PNG, JPEG, BMP or TIFF image: it begins with {data[:8]!r}. Export it as one of these."
        )
