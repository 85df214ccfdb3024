"""Zheng et al. (Micron 107, 2018): one cell per image, outlined with its nucleus, typed by the authors; GPL-3.

`Dataset 1/001.bmp` with the mask `001.png` (0 background, 128 cytoplasm, 255 nucleus), and `Class Labels of Dataset 1.csv`;
the same for `Dataset 2`. The images 112 and 139 of dataset 1 are one: keep them in one fold.
"""

from __future__ import annotations

import csv
import re
from functools import partial
from pathlib import Path

from ..cells import RgbImage
from ..errors import UnsupportedImageError
from ..regular import read_text
from .common import Dataset, Source, Truth, by_number, entries, find_base, find_images, normal, subfolders
from .outlines import label_mask, pad_to, read_levels

TYPES = {1: "neutrophil", 2: "lymphocyte", 3: "monocyte", 4: "eosinophil", 5: "basophil"}
"""Types by the number of their class."""

INCOMPLETE = {("dataset 2", 45): "a second white blood cell at its border is missing in its mask."}
"""Images whose masks are known to lack a cell."""

_DATASET = re.compile(r"dataset [0-9]+")


def find_zheng(src: Path) -> Dataset:
    """The images of the folders `Dataset 1` and `Dataset 2`, each with its mask and its class."""
    expected = "the folder `Dataset 1` or `Dataset 2`, with `Class Labels of Dataset 1.csv` beside it"
    root = find_base(src, lambda inside: any(map(_DATASET.fullmatch, inside)), "Zheng's sets", expected)
    dataset = Dataset(root, "Zheng et al.")
    for name, folder in subfolders(root).items():
        if _DATASET.fullmatch(name):
            _pair(dataset, name, folder, _read_types(root, name, dataset.left_out))
    return dataset


def _pair(dataset: Dataset, name: str, folder: Path, types: dict[int, str]) -> None:
    """Add the images of a folder, with their masks and types by number."""
    images = by_number(find_images(folder, dataset.left_out, (".bmp",)), dataset.left_out)
    masks = by_number(find_images(folder, dataset.left_out, (".png",)), dataset.left_out)
    for number, path in sorted(images.items()):
        mask = masks.get(number, path.with_suffix(".png"))
        doubt = INCOMPLETE.get((name, number), "")
        dataset.sources.append(Source(path, partial(read, mask=mask, cell_type=types.get(number), doubt=doubt)))
        if types and number not in types:
            dataset.left_out.append(f"{path}: has no class among the class labels; its cell is imported without a type.")
    for number in sorted(masks.keys() - images.keys()):
        dataset.left_out.append(f"{masks[number]}: there is no image {number:03d}.bmp beside it.")


def _read_types(root: Path, name: str, left_out: list[str]) -> dict[int, str]:
    """The types by number of the image, from the table of a data set; what is wrong with it adds messages to `left_out`."""
    path = next((p for p in entries(root) if normal(p.name) == f"class labels of {name}.csv"), None)
    if path is None:
        left_out.append(f"{root / f'Class Labels of {name.title()}.csv'}: is missing; the cells are imported without types.")
        return {}
    types = {}
    try:
        rows = list(csv.reader(read_text(path, "utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        left_out.append(f"{path}: cannot be read ({error}); the cells are imported without types.")
        return {}
    for line, row in enumerate(rows[1:], start=2):
        if not "".join(row).strip():
            continue
        try:
            types[int(row[0])] = TYPES[int(row[1])]
        except (IndexError, KeyError, ValueError):
            left_out.append(
                f"{path}, line {line}: expected the number of an image and a class from 1 to 5, found {','.join(row)}."
            )
    return types


def read(pixels: RgbImage, mask: Path, cell_type: str | None, doubt: str) -> Truth:
    """What the mask says of an image (H, W, 3) uint8; its one piece has the type, of several none."""
    if not mask.exists():
        raise UnsupportedImageError(f"has no mask: there is no {mask}. Restore it, or remove the image.")
    height, width = pixels.shape[:2]
    labels, nucleus_areas_px = label_mask(pad_to(read_levels(mask), (height, width), 0, mask))
    n_cells = int(labels.max())
    if n_cells > 1:
        doubt = f"one cell is expected, and its mask has {n_cells} pieces. Look at it in napari."
    types = {} if cell_type is None or n_cells > 1 else {1: cell_type}
    return Truth(labels, types, drawn=True, nucleus_areas_px=nucleus_areas_px, doubt=doubt)
