"""What training reads: images at the analysis scale with the outlines of their cells, and a bank of single cells to paste."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from scipy import ndimage

from ..cells import Labels, RgbImage
from ..crop import boxes
from ..scale import resize

T = TypeVar("T", bound=np.generic)

IGNORE = -1
"""Label of pixels that the loss leaves out."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One image for the segmenter, at the analysis scale.

    Parameters
    ----------
    image
        (H, W, 3) uint8.
    labels
        (H, W) int32; 0 background, 1.. cells, `IGNORE` unknown.
    depth
        (H, W) float32 in 0..1: distance to the outline of the own cell, divided by its maximum in that cell.
    source
        Name of the data set; cells are pasted only within one.
    """

    image: RgbImage
    labels: Labels
    depth: npt.NDArray[np.float32]
    source: str


def depth_map(labels: Labels) -> npt.NDArray[np.float32]:
    """Distance to the outline of the own cell, 0..1 relative to the deepest pixel of that cell; (H, W) float32."""
    depth = np.zeros(labels.shape, dtype=np.float32)
    for i, box in boxes(np.maximum(labels, 0)).items():
        cell = np.pad(labels[box.slices] == i, 1)
        distance = ndimage.distance_transform_edt(cell)[1:-1, 1:-1]
        depth[box.slices] = np.maximum(depth[box.slices], distance / distance.max())
    return depth


def make_sample(image: RgbImage, labels: Labels, analysis_scale: float, source: str) -> Sample:
    """A `Sample` from a native image (H, W, 3) uint8 and its labels (H, W) int32."""
    small = resize(image, analysis_scale)
    size = (small.shape[1], small.shape[0])
    resized = Pillow.fromarray(labels.astype(np.int32)).resize(size, Pillow.Resampling.NEAREST)
    small_labels = np.asarray(resized, dtype=np.int32)
    return Sample(small, small_labels, depth_map(small_labels), source)


@dataclass(frozen=True, eq=False)
class Patch:
    """One cell cut out of a `Sample`, to be pasted into another: image (h, w, 3) uint8, mask (h, w) bool, depth (h, w)."""

    image: RgbImage
    mask: npt.NDArray[np.bool_]
    depth: npt.NDArray[np.float32]
    source: str


def cut_patches(samples: Sequence[Sample]) -> list[Patch]:
    """Every whole cell (not cut by the image border) of the samples, with a rim of two pixels."""
    patches = []
    for sample in samples:
        height, width = sample.labels.shape
        for i, (y0, x0, y1, x1) in boxes(np.maximum(sample.labels, 0)).items():
            if y0 < 2 or x0 < 2 or y1 > height - 2 or x1 > width - 2:
                continue
            rows, columns = slice(y0 - 2, y1 + 2), slice(x0 - 2, x1 + 2)
            mask = sample.labels[rows, columns] == i
            depth = np.where(mask, sample.depth[rows, columns], 0).astype(np.float32)
            patches.append(Patch(sample.image[rows, columns], mask, depth, sample.source))
    return patches


MOST_OVERLAP = 0.15
"""Share of the smaller of two cells that may lie under the other."""


def paste(sample: Sample, patch: Patch, rng: np.random.Generator, touching: bool) -> Sample:
    """The sample with one more cell.

    Parameters
    ----------
    touching
        Place it against a cell of the sample, overlapping it by at most `MOST_OVERLAP` of the smaller of the two; else
        anywhere, apart from other cells.
    """
    height, width = sample.labels.shape
    quarter, flip = int(rng.integers(4)), bool(rng.integers(2))
    mask, image = _turn(patch.mask, quarter, flip), _turn(patch.image, quarter, flip)
    depth = _turn(patch.depth, quarter, flip)
    h, w = mask.shape
    ids = np.unique(sample.labels[sample.labels > 0])
    if h >= height or w >= width or (touching and not len(ids)):
        return sample
    if touching:
        place = _beside(sample.labels, int(rng.choice(ids)), mask, rng)
    else:
        place = int(rng.integers(height - h)), int(rng.integers(width - w))
        if (sample.labels[place[0] : place[0] + h, place[1] : place[1] + w][mask] > 0).any():
            return sample
    if place is None:
        return sample
    rows, columns = slice(place[0], place[0] + h), slice(place[1], place[1] + w)
    soft = ndimage.gaussian_filter(mask.astype(np.float32), 0.7)[..., None]
    new_image, new_labels, new_depth = sample.image.copy(), sample.labels.copy(), sample.depth.copy()
    new_image[rows, columns] = np.rint(soft * image + (1 - soft) * new_image[rows, columns]).astype(np.uint8)
    new_labels[rows, columns][mask] = int(sample.labels.max()) + 1
    new_depth[rows, columns][mask] = depth[mask]
    return Sample(new_image, new_labels, new_depth, sample.source)


def _turn(array: npt.NDArray[T], quarter: int, flip: bool) -> npt.NDArray[T]:
    turned = np.rot90(array, quarter)
    return np.ascontiguousarray(turned[:, ::-1] if flip else turned)


def _beside(labels: Labels, neighbour: int, mask: npt.NDArray[np.bool_], rng: np.random.Generator) -> tuple[int, int] | None:
    """Top-left corner at which `mask` touches the neighbour, found by moving it inwards along a random ray."""
    height, width = labels.shape
    h, w = mask.shape
    cell = labels == neighbour
    cy, cx = ndimage.center_of_mass(cell)
    angle = rng.uniform(0, 2 * np.pi)
    smaller = min(np.count_nonzero(cell), np.count_nonzero(mask))
    wanted = rng.uniform(0, MOST_OVERLAP) * smaller
    best = None
    for distance in np.arange(np.hypot(h, w) / 2 + np.sqrt(np.count_nonzero(cell)), 0, -1.5):
        y, x = round(cy + distance * np.sin(angle) - h / 2), round(cx + distance * np.cos(angle) - w / 2)
        if y < 0 or x < 0 or y + h > height or x + w > width:
            continue
        under = labels[y : y + h, x : x + w][mask]
        if (under > 0).sum() > max(wanted, 1):
            return best
        best = (y, x)
    return None
