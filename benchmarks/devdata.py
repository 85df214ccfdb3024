"""The development data: real images with masks, boxes and types, found through `NAPARI_WBC_DATA` (see docs/data.md)."""

from __future__ import annotations

import csv
import dataclasses
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from distort import distort, distort_box, distortion_of
from PIL import Image as Pillow

from napari_wbc.cells import Box, Labels, Mask, RgbImage
from napari_wbc.separate import label_components

ROOT = Path(os.environ.get("NAPARI_WBC_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))

UM_PER_PX = {"bccd": 0.0895, "pbc": 0.113, "chula": 0.145}
"""Pixel size of each set, µm: 7.5 µm ÷ the median width of its red cells, as `scale.red_cell_diameter_px` finds it."""


@dataclass(frozen=True, eq=False)
class Real:
    """One real image: pixels (H, W, 3) uint8, and what is known of it; `nucleus` is (H, W) bool."""

    name: str
    pixels: RgbImage
    split: str
    boxes: list[Box]
    cell_type: str
    labels: Labels | None = None
    nucleus: Mask | None = None


def read_rgb(path: Path) -> RgbImage:
    """An image file as (H, W, 3) uint8."""
    return np.asarray(Pillow.open(path).convert("RGB"))


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a set's `index.csv`."""
    with (ROOT / name / "index.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _boxes(text: str) -> list[Box]:
    return [Box(y0, x0, y1, x1) for x0, y0, x1, y1 in (map(int, part.split()) for part in text.split(";") if part.strip())]


def bccd(split: str | None = None) -> Iterator[Real]:
    """Fields with hand-drawn masks; the two cells that are fused in 00313 are cut between their boxes."""
    for row in rows("bccd"):
        if split in (None, row["split"]):
            mask = read_rgb(ROOT / "bccd/masks" / row["image"].replace(".jpg", ".png"))[..., 0] > 127
            labels, boxes = label_components(mask), _boxes(row["wbc_boxes_xyxy"])
            if "00313" in row["image"] and len(boxes) == 2:
                labels = cut_between(mask, boxes)
            pixels = read_rgb(ROOT / "bccd/images" / row["image"])
            yield Real(row["image"], pixels, row["split"], boxes, row["cell_type_unreliable"], labels)


def cut_between(mask: npt.NDArray[np.bool_], boxes: list[Box]) -> Labels:
    """Labels of a mask whose pixels go to the box with the nearer centre (distances in units of the box's size)."""
    y, x = np.indices(mask.shape)
    distances = [((y - (b.y0 + b.y1) / 2) / b.height) ** 2 + ((x - (b.x0 + b.x1) / 2) / b.width) ** 2 for b in boxes]
    return np.where(mask, np.argmin(distances, axis=0) + 1, 0).astype(np.int32)


def pbc(split: str | None = None) -> Iterator[Real]:
    """Images of one centred cell, with its box where there is one."""
    for row in rows("pbc"):
        if split in (None, row["split"]):
            yield Real(
                row["image"], read_rgb(ROOT / "pbc" / row["image"]), row["split"], _boxes(row["bbox_xyxy"]), row["cell_type"]
            )


def chula() -> Iterator[Real]:
    """Fields of video frames, each once, with boxes. Split = slide."""
    for row in {row["image"]: row for row in rows("chula")}.values():
        pixels = read_rgb(ROOT / "chula/images" / row["image"])
        yield Real(row["image"], pixels, row["slide"], _boxes(row["bbox_xyxy"]), row["cell_type_unreliable"])


CHULA_DEV = ("B-42", "E-14", "L-9", "N-2B")
"""Slides of chula that are held out."""


def zheng() -> Iterator[Real]:
    """Images of one cell from two laboratories that no model was trained on: for evaluation only. Split = data set."""
    for row in rows("zheng"):
        mask = read_rgb(ROOT / "zheng" / row["mask"])[..., 0]
        labels = (mask > 63).astype(np.int32)
        name = row["image"]
        pixels = read_rgb(ROOT / "zheng" / name)
        yield Real(name, pixels, name.split("/")[0], [], row["cell_type_unverified"], labels, mask > 191)


def distorted(reals: Iterable[Real], seed: int = 1) -> Iterator[Real]:
    """The images as another laboratory would have them; masks are left out."""
    for real in reals:
        how = distortion_of(real.name, seed)
        cells = [distort_box(box, how.scale) for box in real.boxes]
        yield dataclasses.replace(real, pixels=distort(real.pixels, how), boxes=cells, labels=None, nucleus=None)
