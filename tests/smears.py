"""Small drawn images for tests of the batch: purple discs on a pale ground, found and named by the stand-ins of `fakes`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from napari_wbc.cells import RgbImage


def smear(seed: int = 0, n_cells: int = 2, shape: tuple[int, int] = (96, 160)) -> RgbImage:
    """(H, W, 3) uint8 with `n_cells` discs side by side, whose place, size and colour depend on the seed."""
    rng = np.random.default_rng(seed)
    image = np.full((*shape, 3), (235, 225, 230), dtype=np.uint8)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    width = shape[1] // max(1, n_cells)
    for i in range(n_cells):
        y, x = shape[0] / 2 + rng.uniform(-8, 8), (i + 0.5) * width + rng.uniform(-4, 4)
        disc = (rows - y) ** 2 + (columns - x) ** 2 < rng.uniform(14, 22) ** 2
        image[disc] = (rng.integers(60, 200), rng.integers(40, 70), rng.integers(150, 220))
    return image


def write_smear(path: Path, seed: int = 0, n_cells: int = 2, shape: tuple[int, int] = (96, 160)) -> Path:
    """Write a smear; the format is that of the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(smear(seed, n_cells, shape)).save(path)
    return path


def write_slides(folder: Path, n_slides: int = 2, n_fields: int = 3) -> Path:
    """Write `slide-1/field-1.png` and so on, with 0, 1, 2, … cells."""
    for slide in range(1, n_slides + 1):
        for field in range(1, n_fields + 1):
            seed = 10 * slide + field
            write_smear(folder / f"slide-{slide}" / f"field-{field}.png", seed, n_cells=seed % 4)
    return folder
