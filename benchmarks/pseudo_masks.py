"""Outlines for the single-cell images of pbc, by GrabCut inside their boxes (Rother et al., 2004; OpenCV).

    python benchmarks/pseudo_masks.py WORK

writes WORK/pbc_masks.npz, which `train_models.py` reads. A mask is kept if it fills 50 to 95 % of its box and reaches all
four of its sides.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import devdata
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_wbc.cells import Box, RgbImage

PER_TYPE = {
    "basophil": 180,
    "eosinophil": 180,
    "lymphocyte": 180,
    "monocyte": 180,
    "neutrophil": 180,
    "ig": 100,
    "platelet": 60,
}
"""Images taken of each type; platelets are images without a white cell."""


def grab_cut(image: RgbImage, box: Box) -> npt.NDArray[np.bool_] | None:
    """(H, W) bool mask of the cell in a box, or None where GrabCut does not fit the box."""
    mask = np.zeros(image.shape[:2], np.uint8)
    models = np.zeros((2, 1, 65))
    rectangle = (box.x0, box.y0, box.width, box.height)
    cv2.setRNGSeed(0)
    cv2.grabCut(np.ascontiguousarray(image[..., ::-1]), mask, rectangle, models[0], models[1], 5, cv2.GC_INIT_WITH_RECT)
    found = ndimage.binary_closing(np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)), iterations=3)
    components, count = ndimage.label(found)
    if count == 0:
        return None
    cell = ndimage.binary_fill_holes(components == np.bincount(components.ravel())[1:].argmax() + 1)
    share = cell.sum() / (box.height * box.width)
    inside = cell[box.slices]
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    gaps = (rows[0], columns[0], box.height - 1 - rows[-1], box.width - 1 - columns[-1]) if len(rows) else (99,)
    return cell if 0.5 <= share <= 0.95 and max(gaps) <= 6 else None


def main(work: Path) -> None:
    """Write the masks of the training images."""
    masks: dict[str, npt.NDArray[np.uint8]] = {}
    wanted = dict(PER_TYPE)
    tried = 0
    for real in devdata.pbc("train"):
        if wanted.get(real.cell_type, 0) == 0:
            continue
        if real.cell_type == "platelet":
            mask = np.zeros(real.pixels.shape[:2], bool)
        elif real.boxes:
            tried += 1
            found = grab_cut(real.pixels, real.boxes[0])
            if found is None:
                continue
            mask = found
        else:
            continue
        wanted[real.cell_type] -= 1
        masks[real.name] = mask.astype(np.uint8)
    work.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(work / "pbc_masks.npz", allow_pickle=False, **masks)
    print(f"{len(masks)} masks kept, {tried} boxes tried")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
