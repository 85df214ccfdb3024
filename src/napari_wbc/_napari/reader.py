"""Open image files upright, as RGB of 8 bits, with the pixel size that they state: as the command line reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..images import IMAGE_SUFFIXES, read_image
from .origin import KEY

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """`read` for image files, None for other files."""
    return read if all(Path(p).suffix.lower() in IMAGE_SUFFIXES for p in _paths(path)) else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """One Image layer per file, in pixels; the pixel size is in the metadata, where our widgets find it.

    Raises
    ------
    ImageError
        If a file cannot be read; the message says why.
    """
    layers: list[LayerData] = []
    for file in map(Path, _paths(path)):
        field = read_image(file)
        layers.append(
            (field.pixels.copy(), {"name": file.stem, "metadata": {KEY: {"um_per_px": field.um_per_px}}, "rgb": True}, "image")
        )
    return layers


def _paths(path: str | Sequence[str]) -> list[str]:
    return [path] if isinstance(path, str) else list(path)
