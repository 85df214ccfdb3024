"""Contact sheets of the best, the typical and the worst cases, to look at.

    python benchmarks/contact_sheets.py bccd|pbc|zheng OUT [--segmenter NAME|FILE] [--classifier NAME|FILE]

writes OUT/best.png, OUT/typical.png and OUT/worst.png. Cases are ordered by the IoU of the WBC where there are masks, else by
the probability given to the true type. Found outlines are white, true ones black; below stand the true type and the name given.
The pictures show images of the data sets and do not belong into the repository.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import devdata
import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw
from skimage.segmentation import find_boundaries

from napari_wbc.cells import Analysis, Box, RgbImage
from napari_wbc.config import CELL_TYPES
from napari_wbc.crop import boxes, crop
from napari_wbc.metrics.objects import box_iou
from napari_wbc.nets import load_models
from napari_wbc.pipeline import Models, analyse

TILE_PX, COLUMNS, ROWS = 200, 8, 4


@dataclass(frozen=True, eq=False)
class Case:
    """One true cell: how good it came out, 0..1, and its picture."""

    score: float
    tile: RgbImage


def cases(reals: Iterable[devdata.Real], models: Models) -> Iterable[Case]:
    """Every true cell of the images."""
    for real in reals:
        analysis = analyse(real.pixels, models)
        true = boxes(real.labels) if real.labels is not None else dict(enumerate(real.boxes, start=1))
        picture = drawn(real, analysis)
        for i, box in true.items():
            yield case(real, analysis, picture, i, box)


def case(real: devdata.Real, analysis: Analysis, picture: RgbImage, i: int, box: Box) -> Case:
    """The true cell `i` with this box."""
    ious = box_iou([cell.box for cell in analysis.cells], [box])[:, 0] if len(analysis.cells) else np.zeros(0)
    cell = analysis.cells[int(ious.argmax())] if len(ious) and ious.max() > 0.1 else None
    score, named = 0.0, "missed"
    if cell is not None:
        named = str(cell.cell_type)
        if real.labels is not None:
            mask, found = real.labels == i, analysis.labels == cell.cell_id
            score = float((mask & found).sum() / (mask | found).sum())
        elif cell.p is not None and real.cell_type in CELL_TYPES:
            score = cell.p[CELL_TYPES.index(real.cell_type)]
        else:
            score = cell.none_of_five_score or 0.0
    elif real.cell_type not in CELL_TYPES and real.labels is None:
        score = 1.0  # what is none of the five was not found: nothing is wrong
    tile = Pillow.fromarray(crop(picture, box, TILE_PX, 0.5))
    pen = ImageDraw.Draw(tile)
    pen.rectangle((0, TILE_PX - 24, TILE_PX, TILE_PX), fill="black")
    pen.text((3, TILE_PX - 23), f"{real.cell_type or '?'} > {named}\n{score:.2f} {real.name[-24:]}", fill="white", spacing=0)
    return Case(score, np.asarray(tile))


def drawn(real: devdata.Real, analysis: Analysis) -> RgbImage:
    """The image with the true outlines in black and the found ones in white."""
    picture = real.pixels.copy()
    if real.labels is not None:
        picture[find_boundaries(real.labels, mode="inner")] = 0
    picture[find_boundaries(analysis.labels, mode="inner")] = 255
    return picture


def write_sheet(path: Path, chosen: list[Case]) -> None:
    """Tiles in rows."""
    tiles = [c.tile for c in chosen]
    tiles += [np.zeros((TILE_PX, TILE_PX, 3), np.uint8)] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]
    Pillow.fromarray(np.vstack(rows)).save(path)


def main() -> None:
    """Write the three sheets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=["bccd", "pbc", "zheng"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--segmenter", default="default")
    parser.add_argument("--classifier", default="default")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    reals = devdata.zheng() if args.set == "zheng" else getattr(devdata, args.set)("dev")
    ordered = sorted(cases(reals, load_models(args.segmenter, args.classifier, "cpu")), key=lambda found: found.score)
    count = COLUMNS * ROWS
    middle = max(0, len(ordered) // 2 - count // 2)
    write_sheet(args.out / "worst.png", ordered[:count])
    write_sheet(args.out / "typical.png", ordered[middle : middle + count])
    write_sheet(args.out / "best.png", ordered[-count:])


if __name__ == "__main__":
    main()
