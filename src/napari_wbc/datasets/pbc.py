"""PBC (Acevedo et al., Data in Brief 30, 2020): crops of 360 × 363 px with one cell each, typed by its folder.

`PBC_dataset_normal_DIB/{basophil,eosinophil,erythroblast,ig,lymphocyte,monocyte,neutrophil,platelet}/<PREFIX>_<number>.jpg`;
files that begin with a dot are no images.
"""

from __future__ import annotations

from pathlib import Path

from ..config import CELL_TYPES
from .common import Dataset, find_base
from .crops import add_crops

TYPES = {name: name for name in (*CELL_TYPES, "erythroblast", "ig", "platelet")}
"""Types by folder: the five, and three that are none of them."""


def find_pbc(src: Path) -> Dataset:
    """The crops of a PBC folder."""
    expected = f"the folders {', '.join(TYPES)}"
    root = find_base(src, lambda inside: bool(TYPES.keys() & inside.keys()), "PBC", expected)
    dataset = Dataset(root, "PBC authors")
    add_crops(dataset, root, TYPES)
    return dataset
