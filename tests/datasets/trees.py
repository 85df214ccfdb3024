"""Small made-up data sets: drawn discs on a pale ground, laid out like the public ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from napari_wbc.cells import Analysis
from napari_wbc.datasets import ImportSummary, Progress, import_dataset
from napari_wbc.results import read_analysis
from tests.steps import watch

Disc = tuple[float, float, float]
"""Row and column of the centre, and radius, px."""

GROUND, STAIN = (235, 225, 230), (110, 50, 170)
EXIF_ORIENTATION = 0x0112


def draw(shape: tuple[int, int], discs: Sequence[Disc]) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8: purple discs on a pale ground."""
    image = np.full((*shape, 3), GROUND, dtype=np.uint8)
    for disc in discs:
        image[inside(shape, disc)] = STAIN
    return image


def draw_mask(shape: tuple[int, int], discs: Sequence[Disc], levels: Sequence[int]) -> npt.NDArray[np.uint8]:
    """(H, W) uint8: discs of the grey levels, in turn."""
    mask = np.zeros(shape, dtype=np.uint8)
    for disc, level in zip(discs, levels, strict=True):
        mask[inside(shape, disc)] = level
    return mask


def inside(shape: tuple[int, int], disc: Disc) -> npt.NDArray[np.bool_]:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    found: npt.NDArray[np.bool_] = (rows - disc[0]) ** 2 + (columns - disc[1]) ** 2 < disc[2] ** 2
    return found


def save(path: Path, pixels: npt.NDArray[np.uint8], orientation: int | None = None) -> Path:
    """Write an image in the format of its suffix; with an orientation, the pixels are as stored, not upright."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if orientation is None:
        Pillow.fromarray(pixels).save(path)
    else:
        exif = Pillow.Exif()
        exif[EXIF_ORIENTATION] = orientation
        Pillow.fromarray(pixels).save(path, exif=exif, quality=95)
    return path


def run_import(layout: str, src: Path, out: Path) -> tuple[list[Progress], ImportSummary]:
    """Import to the end; what was seen on the way, and the summary."""
    return watch(import_dataset(layout, src, out))


def imported(layout: str, src: Path, out: Path, image: str) -> Analysis:
    """Import, and read one image back."""
    run_import(layout, src, out)
    return read_analysis(out, image)


def errors_of(seen: Sequence[Progress]) -> dict[str, str]:
    """The reasons of the images that failed."""
    return {step.image: step.error or "" for step in seen if step.status == "failed"}
