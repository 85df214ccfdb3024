"""LISC: fields of 720 × 576 px, each WBC outlined by an expert (Rezatofighi and Soltanian-Zadeh, 2011).

`LISC Database/Main Dataset/{Baso,eosi,lymp,mixt,mono,neut}/<n>.bmp` with
`LISC Database/Ground Truth Segmentation/<same>/areaforexpert1/<n>_expert.bmp`. The masks lack 4 px on every side. The folder
names the type of its cells; in `mixt` nobody did. Some write `LISC_Database`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..cells import RgbImage
from ..errors import UnsupportedImageError
from .common import Dataset, Source, Truth, by_number, find_base, find_images, subfolders
from .outlines import label_mask, pad_to, read_levels

TYPES: dict[str, str | None] = {
    "baso": "basophil",
    "eosi": "eosinophil",
    "lymp": "lymphocyte",
    "mixt": None,
    "mono": "monocyte",
    "neut": "neutrophil",
}
"""Type of the cells by folder."""

SEVERAL: dict[str, set[int]] = {"baso": {7, 31}, "lymp": {3, 20, 23, 33, 34, 45, 52}, "neut": {31, 38, 42, 47}}
"""Images with several cells, by folder; all of `mixt` has."""

MARGIN_PX = 4
"""What the masks lack on every side."""

IMAGES, MASKS, EXPERT = "main dataset", "ground truth segmentation", "areaforexpert1"


def find_lisc(src: Path) -> Dataset:
    """The images of a LISC folder, each paired by its number with the mask of expert 1."""
    expected = "the folders `Main Dataset` and `Ground Truth Segmentation`"
    root = find_base(src, lambda inside: {IMAGES, MASKS} <= set(inside), "LISC", expected)
    dataset = Dataset(root, "LISC expert")
    images, masks = (subfolders(subfolders(root)[name]) for name in (IMAGES, MASKS))
    for name, folder in images.items():
        if name not in TYPES:
            dataset.left_out.append(f"{folder}: a folder of no known type; known are {', '.join(TYPES)}.")
            continue
        drawn = subfolders(masks[name]).get(EXPERT) if name in masks else None
        _pair(dataset, name, folder, drawn or root / "Ground Truth Segmentation" / folder.name / EXPERT)
    return dataset


def _pair(dataset: Dataset, name: str, folder: Path, drawn: Path) -> None:
    """Add the images of a folder, with the masks of another."""
    masks = by_number(find_images(drawn, dataset.left_out), dataset.left_out) if drawn.is_dir() else {}
    images = by_number(find_images(folder, dataset.left_out), dataset.left_out)
    for number, path in sorted(images.items()):
        several = name == "mixt" or number in SEVERAL.get(name, ())
        mask = masks.get(number, drawn / f"{number}_expert.bmp")
        dataset.sources.append(Source(path, partial(read, mask=mask, cell_type=TYPES[name], several=several)))
    for number in sorted(masks.keys() - images.keys()):
        dataset.left_out.append(f"{masks[number]}: there is no image {number} in {folder}.")


def read(pixels: RgbImage, mask: Path, cell_type: str | None, several: bool) -> Truth:
    """What the mask says of an image (H, W, 3) uint8; `several`: it is known to hold several cells."""
    if not mask.exists():
        raise UnsupportedImageError(f"has no mask: there is no {mask}. Restore it, or remove the image.")
    height, width = pixels.shape[:2]
    labels, nucleus_areas_px = label_mask(pad_to(read_levels(mask), (height, width), MARGIN_PX, mask))
    n_cells = int(labels.max())
    doubt = ""
    if several != (n_cells > 1):
        expected = "several cells are" if several else "one cell is"
        doubt = f"{expected} expected, and its mask has {n_cells} piece{'s'[: n_cells > 1]}. Look at it in napari."
    types = {} if cell_type is None else dict.fromkeys(range(1, n_cells + 1), cell_type)
    return Truth(labels, types, drawn=True, nucleus_areas_px=nucleus_areas_px, doubt=doubt)
