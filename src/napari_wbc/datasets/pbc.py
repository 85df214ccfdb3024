"""PBC (Acevedo et al., Data in Brief 30, 2020): crops of 360 × 363 px with one cell each, typed by its folder.

`PBC_dataset_normal_DIB/{basophil,eosinophil,erythroblast,ig,lymphocyte,monocyte,neutrophil,platelet}/<PREFIX>_<number>.jpg`;
files that begin with a dot are no images.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..cells import RgbImage
from ..config import CELL_TYPES
from .common import Dataset, Source, Truth, find_base, find_images, subfolders
from .outlines import centred_box, stand_ins

TYPES = {name: name for name in (*CELL_TYPES, "erythroblast", "ig", "platelet")}
"""Types by folder: the five, and three that are none of them."""


def find_pbc(src: Path) -> Dataset:
    """The crops of a PBC folder."""
    expected = f"the folders {', '.join(TYPES)}"
    root = find_base(src, lambda inside: bool(TYPES.keys() & inside.keys()), "PBC", expected)
    dataset = Dataset(root, "PBC authors")
    add_crops(dataset, root, TYPES)
    return dataset


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
