"""Outlines for images that have boxes only.

    python benchmarks/pseudo_masks.py WORK
    python benchmarks/pseudo_masks.py WORK --chula [--segmenter NAME|FILE]

The first writes WORK/pbc_masks.npz for the single-cell images of pbc, by GrabCut inside their boxes (Rother et al., 2004;
OpenCV): a mask is kept if it fills 50 to 95 % of its box and reaches all four of its sides. The second writes
WORK/chula_masks.npz for the training slides of chula, by a segmenter itself (self-training): an outline is kept where its box
meets a true one with IoU of at least 0.7; the pixels of the other true boxes are unknown, and what else was found is
background. `train_models.py` reads both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import devdata
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_wbc.cells import Box, Labels, RgbImage
from napari_wbc.config import Settings
from napari_wbc.crop import boxes
from napari_wbc.metrics.objects import box_iou
from napari_wbc.nets import load_models
from napari_wbc.pipeline import Segmenter, segment_cells
from napari_wbc.training.data import IGNORE

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


def self_labels(real: devdata.Real, segmenter: Segmenter) -> tuple[Labels, int]:
    """Labels (H, W) of a field with boxes, `IGNORE` in boxes whose cell was not outlined well; and how many were."""
    found = segment_cells(real.pixels, segmenter, Settings(um_per_px=devdata.UM_PER_PX["chula"])).labels
    ids, candidates = list(boxes(found)), list(boxes(found).values())
    labels, kept = np.zeros(found.shape, np.int32), 0
    for box in real.boxes:
        ious = box_iou(candidates, [box])[:, 0] if candidates else np.zeros(1)
        if ious.max() >= 0.7:
            kept += 1
            labels[found == ids[int(ious.argmax())]] = kept
        else:
            region = labels[box.slices]
            region[region == 0] = IGNORE
    return labels, kept


def write_chula(work: Path, segmenter: Segmenter) -> None:
    """Write the labels of the training slides of chula."""
    labels, kept, n = {}, 0, 0
    for real in devdata.chula():
        if real.split in devdata.CHULA_DEV:
            continue
        labels[real.name], good = self_labels(real, segmenter)
        kept, n = kept + good, n + len(real.boxes)
    np.savez_compressed(work / "chula_masks.npz", allow_pickle=False, **{k: v.astype(np.int8) for k, v in labels.items()})
    print(f"{kept} of {n} boxes outlined in {len(labels)} fields")


def write_pbc(work: Path) -> None:
    """Write the masks of the training images of pbc."""
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
    np.savez_compressed(work / "pbc_masks.npz", allow_pickle=False, **masks)
    print(f"{len(masks)} masks kept, {tried} boxes tried")


def main() -> None:
    """Write the masks of one of the two sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--chula", action="store_true")
    parser.add_argument("--segmenter", default="default")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.chula:
        write_chula(args.work, load_models(args.segmenter, device="cpu").segmenter)
    else:
        write_pbc(args.work)


if __name__ == "__main__":
    main()
