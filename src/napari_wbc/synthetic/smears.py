"""Draw slides and write them with their truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from ..errors import StorageError
from .field import Drawn, draw_field
from .looks import draw_stain


def write_smears(
    folder: Path, n_slides: int = 2, n_fields: int = 3, seed: int = 0, n_cells: int = 4
) -> list[tuple[Path, Drawn]]:
    """Draw slides and write them with their truth.

    Writes `images/slide-1/field-1.png` and so on, with the pixel size in the file, `truth/labels/slide-1/field-1.png.tif`, and
    `truth/cells.csv` with the columns image, cell_id, cell_type.

    Returns
    -------
    Path of each image, and what it shows.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    import tifffile

    rng = np.random.default_rng(seed)
    written, rows = [], ["image,cell_id,cell_type\n"]
    try:
        for slide in range(1, n_slides + 1):
            stain = draw_stain(rng)
            for field in range(1, n_fields + 1):
                name = f"slide-{slide}/field-{field}.png"
                drawn = draw_field(rng, n_cells=n_cells, stain=stain)
                path, truth = folder / "images" / name, folder / "truth" / "labels" / f"{name}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                truth.parent.mkdir(parents=True, exist_ok=True)
                Pillow.fromarray(drawn.image).save(path, dpi=(25400 / drawn.um_per_px,) * 2)
                tifffile.imwrite(truth, drawn.labels.astype(np.uint16), compression="zlib")
                rows += [f"{name},{i},{cell_type}\n" for i, cell_type in drawn.cell_types.items()]
                written.append((path, drawn))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "truth" / "cells.csv").write_text("".join(rows), encoding="utf-8", newline="\n")
    except OSError as error:
        raise StorageError(f"Cannot write drawn smears to {folder}: {error}. Choose a folder that can be written.") from error
    return written
