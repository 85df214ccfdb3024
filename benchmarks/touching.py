"""Pairs and triples of touching cells, pasted from real cells with hand-drawn outlines: how many are parted.

    python benchmarks/touching.py [--segmenter NAME|FILE] [--sheet FILE.png]

Edge to edge, or overlapping by up to 15 % of the smaller cell. On bccd dev a cell is pasted beside one of its field, and no
pixel size is given. The images of zheng are cut round one cell, so its cells are pasted on a plain background of their own
colour, and the pixel size is given: that at which the median cell is as wide as those the network knows.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import devdata
import numpy as np
from PIL import Image as Pillow
from skimage.segmentation import find_boundaries

from napari_wbc.config import Settings
from napari_wbc.metrics.objects import match_outlines
from napari_wbc.nets import load_models
from napari_wbc.pipeline import Segmenter, segment_cells
from napari_wbc.proportion import Proportion
from napari_wbc.training.data import Patch, Sample, cut_patches, depth_map, paste

OUTLINE_IOU = 0.7


def sample_of(real: devdata.Real) -> Sample:
    """The image at its own size."""
    assert real.labels is not None
    return Sample(real.pixels, real.labels, depth_map(real.labels), real.split)


def on_plain_background(patch: Patch, background: np.ndarray, side_px: int) -> Sample:
    """The cell in the middle of a square of one colour with a little noise."""
    rng = np.random.default_rng(int(patch.mask.sum()))
    noisy = background + rng.normal(0, 3, (side_px, side_px, 3))
    labels = np.zeros((side_px, side_px), np.int32)
    image = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    h, w = patch.mask.shape
    y, x = (side_px - h) // 2, (side_px - w) // 2
    image[y : y + h, x : x + w][patch.mask] = patch.image[patch.mask]
    labels[y : y + h, x : x + w][patch.mask] = 1
    return Sample(image, labels, depth_map(labels), patch.source)


def clusters(bases: list[Sample], patches: list[Patch], n_cells: int, count: int, seed: int) -> Iterator[Sample]:
    """`count` images in which `n_cells` cells touch."""
    rng = np.random.default_rng(seed)
    made = 0
    while made < count:
        sample = bases[int(rng.integers(len(bases)))]
        alone = sample.labels.max() == 1
        for _ in range(n_cells - 1):
            before = sample
            sample = paste(sample, patches[int(rng.integers(len(patches)))], rng, touching=True)
            if sample is before:
                break
        else:
            areas = np.bincount(sample.labels.ravel())[1:]
            if alone and len(areas) == n_cells and areas.min() > 0.6 * np.median(areas):
                made += 1
                yield sample


def parted(sample: Sample, segmenter: Segmenter, settings: Settings) -> bool:
    """Whether every cell is met by an outline of its own with IoU of at least 0.7."""
    found = segment_cells(sample.image, segmenter, settings).labels
    matches = [m for m in match_outlines(found, sample.labels) if m.iou >= OUTLINE_IOU]
    return len(matches) == int(sample.labels.max())


def sets(known_um: float) -> Iterator[tuple[str, Settings, list[Sample], list[Patch]]]:
    """Name, settings, images to paste into, and cells to paste, of each set; `known_um` is what `--um-per-px` is made from."""
    fields = [sample_of(real) for real in devdata.bccd("dev")]
    yield "bccd dev", Settings(), fields, cut_patches(fields)
    for name in ("dataset1", "dataset2"):
        reals = [real for real in devdata.zheng() if real.split == name]
        patches, bases = [], []
        for real in reals:
            sample = sample_of(real)
            for patch in cut_patches([sample]):
                background = np.median(real.pixels[sample.labels == 0], axis=0)
                patches.append(patch)
                bases.append(on_plain_background(patch, background, 4 * max(patch.mask.shape)))
        median_px = float(np.median([2 * np.sqrt(patch.mask.sum() / np.pi) for patch in patches]))
        yield f"zheng {name}", Settings(um_per_px=round(known_um / median_px, 4)), bases, patches


def main() -> None:
    """Print how many clusters are parted, with and without the core map."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segmenter", default="default")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--sheet", type=Path, help="write a picture of the clusters that were not parted")
    args = parser.parse_args()
    segmenter = load_models(args.segmenter, device="cpu").segmenter
    failures = []
    for name, settings, bases, patches in sets(segmenter.cell_diameter_um):
        for n_cells, count in ((2, args.count), (3, args.count // 2)):
            for way in (settings, without_parting(settings)):
                made = list(clusters(bases, patches, n_cells, count, seed=n_cells))
                good = [parted(sample, segmenter, way) for sample in made]
                failures += [s for s, ok in zip(made, good, strict=True) if not ok and way.separate_touching]
                how = "parted" if way.separate_touching else "connected components"
                print(f"{name}, {n_cells} cells, {how}: {Proportion(k=sum(good), n=count)}", flush=True)
    if args.sheet and failures:
        write_sheet(args.sheet, failures, segmenter)


def without_parting(settings: Settings) -> Settings:
    """The settings without the parting of touching cells."""
    return settings.model_copy(update={"separate_touching": False})


def write_sheet(path: Path, samples: list[Sample], segmenter: Segmenter) -> None:
    """Clusters side by side, the outlines that were found in white, the true ones in black."""
    tiles = []
    for sample in samples[:24]:
        image = sample.image.copy()
        found = segment_cells(image, segmenter).labels
        image[find_boundaries(sample.labels)] = 0
        image[find_boundaries(found)] = 255
        tiles.append(np.asarray(Pillow.fromarray(image).resize((240, 240))))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 6)
    Pillow.fromarray(np.vstack([np.hstack(tiles[i : i + 6]) for i in range(0, len(tiles), 6)])).save(path)


if __name__ == "__main__":
    main()
