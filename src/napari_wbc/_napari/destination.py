"""Where the review of an image is saved: a results folder that is made ready for it; no Qt.

An image that is no file (a sample, the result of another program) is saved with its review, as `images/NAME.png`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..cells import RgbImage
from ..errors import ImageError, UsageError
from ..exchange.masks import encode_png
from ..images import decode
from ..regular import read_file
from ..results.record import InputFile
from ..results.runfile import NAME, begin, check_out, input_root, read_run, relative_root, write_run
from ..results.storage import write_bytes
from .origin import KEY, Place, made_by
from .session import Session

IMAGES = "images"
"""Folder of a results folder where images lie that were no files."""


def make_place(session: Session, folder: Path) -> Place:
    """Where the review of an image goes in a results folder, which is made ready for it.

    Raises
    ------
    UsageError
        If the folder cannot be the results folder of this image.
    """
    path = _file_of(session)
    fresh = not (folder / NAME).exists()
    pictures = folder.resolve() / IMAGES
    root = pictures if path is None else path.parent
    if not fresh:
        root = input_root(folder, read_run(folder))
    check_out(folder, root)
    if path is None:
        if root != pictures:
            raise UsageError(f"{folder} holds results of the images in {root}, and this image is no file. Choose a new folder.")
        path = root / f"{session.image.name.replace('/', '-')}.png"
        if path.exists() and not _shows(path, session.pixels):
            raise UsageError(f"{folder} holds another image of the name {path.name}; rename layer '{session.image.name}'.")
    if not path.is_relative_to(root):
        raise UsageError(f"{folder} holds results of the images in {root}, and {path} is not there. Choose a new folder.")
    if fresh:
        made = made_by(session.labels)
        write_run(folder, begin(relative_root(root, folder), made.settings, made.segmenter, made.classifier, made.device, 0))
    if not path.exists():
        write_bytes(folder, path, encode_png(session.pixels))
    data = read_file(path)
    source = InputFile(sha256=hashlib.sha256(data).hexdigest(), size=len(data), mtime_ns=path.stat().st_mtime_ns)
    return Place(folder.resolve(), path.relative_to(root).as_posix(), source)


def _file_of(session: Session) -> Path | None:
    """The file that the image shows, pixel for pixel, or None."""
    stated = session.image.metadata.get(KEY)
    path = stated.get("path") if isinstance(stated, Mapping) else None
    path = Path(path or session.image.source.path or "").resolve()
    return path if path.is_file() and _shows(path, session.pixels) else None


def _shows(path: Path, pixels: RgbImage) -> bool:
    """Whether a file is an image of these pixels (H, W, 3) uint8."""
    try:
        return np.array_equal(decode(read_file(path), path.name).pixels, pixels)
    except (ImageError, OSError):
        return False
