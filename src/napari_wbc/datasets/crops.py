"""Folders of crops with one cell each, whose names tell the type of the cell."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..cells import RgbImage
from .common import Dataset, Source, Truth, find_images, subfolders
from .outlines import centred_box, stand_ins


def add_crops(dataset: Dataset, folder: Path, types: dict[str, str]) -> None:
    """Add the crops in the sub-folders of a folder, whose names tell the types."""
    for name, inside in subfolders(folder).items():
        if name in types:
            crops = find_images(inside, dataset.left_out)
            dataset.sources += [Source(path, partial(read_crop, cell_type=types[name])) for path in crops]
        else:
            dataset.left_out.append(f"{inside}: a folder of no known type; known are {', '.join(types)}.")


def read_crop(pixels: RgbImage, cell_type: str) -> Truth:
    """What is said of a crop (H, W, 3) uint8 whose one cell has a type and no box: a stand-in for its outline."""
    return stand_ins([centred_box(pixels)], {1: cell_type}, pixels)
