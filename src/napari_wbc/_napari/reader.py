"""Open image files upright, as the command line reads them, and results folders with all that was reviewed in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari import current_viewer

from ..images import IMAGE_SUFFIXES, MAX_MEGAPIXELS, read_image
from ..pyramids import SLIDE_SUFFIXES, is_slide
from ..results.runfile import NAME
from .legible import hide_small_texts
from .origin import KEY
from .slide_layer import slide_layer

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """`read` for image files, `read_results` for a results folder, None for all else."""
    paths = [Path(p) for p in _paths(path)]
    if len(paths) == 1 and (paths[0] / NAME).is_file():
        return read_results
    return read if all(p.suffix.lower() in (*IMAGE_SUFFIXES, *SLIDE_SUFFIXES) for p in paths) else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """One Image layer per file, in pixels; the pixel size is in the metadata, where our widgets find it.

    A whole-slide image is read as far as it is looked at.

    Raises
    ------
    ImageError
        If a file cannot be read; the message says why.
    """
    layers: list[LayerData] = []
    for file in map(Path, _paths(path)):
        if is_slide(file, MAX_MEGAPIXELS):
            layers.append(slide_layer(file))
            continue
        field = read_image(file)
        layers.append(
            (field.pixels.copy(), {"name": file.stem, "metadata": {KEY: {"um_per_px": field.um_per_px}}, "rgb": True}, "image")
        )
    return layers


def read_results(path: str | Sequence[str]) -> list[LayerData]:
    """The first image of a results folder, its cells and their boxes; *Review cells* goes to the next.

    Raises
    ------
    WbcError
        If the folder, its image or its record cannot be read; the message says why.
    """
    from .reopening import reviewed_layers

    viewer = current_viewer()
    if viewer is not None:
        hide_small_texts(viewer.layers)
    return [layer.as_layer_data_tuple() for layer in reviewed_layers(Path(_paths(path)[0]))]


def _paths(path: str | Sequence[str]) -> list[str]:
    return [path] if isinstance(path, str) else list(path)
