"""A whole slide assembled from real fields whose cells are known one by one: does it give the same cells, in how much memory?

The dev fields of BCCD are laid out on a pale background, each several times and each time elsewhere in the tiles of the
analysis. What is found in the slide is compared with what is found in each field alone, both at the same given pixel size:
as the field is, and with the same glass round it, since a cell beside the edge of its field has other surroundings in the
slide. Cells that the edge cuts are left out.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import tifffile
from devdata import UM_PER_PX, bccd

from napari_wbc import Settings, load_models
from napari_wbc.cells import Box, Labels, RgbImage
from napari_wbc.metrics.objects import match_outlines
from napari_wbc.pipeline import Models, analyse, finish
from napari_wbc.pyramids import open_pyramid
from napari_wbc.results.label_images import write_mosaic
from napari_wbc.slides import SlideAnalysis, analyse_slide_steps

BACKGROUND = (233, 228, 232)
"""Colour of the empty glass round the fields."""
FRAME_PX = 200
"""Width of that glass in the second comparison, px: as far as the halo of a tile reaches."""
TILE_PX = 512


def main() -> None:
    """Assemble, analyse, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the slide is written")
    parser.add_argument("--side", type=int, default=20_480, help="side of the slide, px")
    parser.add_argument("--every", type=int, default=4, help="one place of so many gets a field")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    path, settings, models = options.folder / "slide.tif", Settings(um_per_px=UM_PER_PX["bccd"]), load_models()
    fields = [real.pixels for real in bccd("dev")]
    places = lay_out(options.side, [field.shape[:2] for field in fields], options.every)
    write_slide(path, options.side, fields, places)
    memory = memory_gb()
    start = time.perf_counter()
    with open_pyramid(path) as slide:
        found = finish(analyse_slide_steps(slide, models, settings))
    seconds, megapixels = time.perf_counter() - start, options.side**2 / 1e6
    with (options.folder / "labels.tif").open("wb") as file:
        write_mosaic(file, found.outlines, found.scale.um_per_px)
    print(f"slide {options.side} × {options.side} px, {len(places)} fields of {len(fields)} images, {len(found.cells)} cells")
    print(f"{found.n_skipped} of {found.n_tiles} tiles skipped; {seconds:.0f} s, {seconds / megapixels:.3f} s per megapixel")
    print(f"peak memory {memory_gb():.2f} GB ({memory:.2f} GB before the analysis)")
    for name, frame_px in (("as they are", 0), ("with glass round them", FRAME_PX)):
        print(f"\nfields {name}:")
        compare(found, fields, places, partial(alone, models=models, settings=settings, frame_px=frame_px))


def lay_out(side: int, shapes: list[tuple[int, ...]], every: int) -> list[tuple[int, int, int]]:
    """(field, y, x) of each field laid on the slide: a grid with gaps, in which each has a place of its own by chance."""
    rng, places = np.random.default_rng(0), list[tuple[int, int, int]]()
    height, width = (max(shape[axis] for shape in shapes) for axis in (0, 1))
    for y in range(0, side - height - 40, height + 40):
        for x in range(0, side - width - 40, width + 40):
            if rng.integers(every) == 0:
                dy, dx = rng.integers(0, 40, 2)
                places.append((len(places) % len(shapes), y + int(dy), x + int(dx)))
    return places


def write_slide(path: Path, side: int, fields: list[RgbImage], places: list[tuple[int, int, int]]) -> None:
    """Write the slide as a tiled BigTIFF, tile by tile."""

    def tiles() -> Iterator[RgbImage]:
        for top in range(0, side, TILE_PX):
            band = np.full((TILE_PX, side, 3), BACKGROUND, np.uint8)
            for i, y, x in places:
                field = fields[i]
                y0, y1 = max(y, top), min(y + field.shape[0], top + TILE_PX)
                if y0 < y1:
                    band[y0 - top : y1 - top, x : x + field.shape[1]] = field[y0 - y : y1 - y]
            for left in range(0, side, TILE_PX):
                yield np.ascontiguousarray(band[: side - top, left : left + TILE_PX])

    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        tiff.write(
            tiles(), shape=(side, side, 3), dtype=np.uint8, tile=(TILE_PX, TILE_PX), photometric="rgb", compression="zlib"
        )


def alone(field: RgbImage, models: Models, settings: Settings, frame_px: int) -> tuple[Labels, dict[int, str | None]]:
    """The cells of a field alone, with so much glass round it, and the types by id of those that its edge does not cut."""
    around = np.full([side + 2 * frame_px for side in field.shape[:2]] + [3], BACKGROUND, np.uint8)
    inner = np.s_[frame_px : frame_px + field.shape[0], frame_px : frame_px + field.shape[1]]
    around[inner] = field
    found = analyse(around, models, settings)
    labels = found.labels[inner]
    whole = set(np.unique(labels).tolist()) - at_edge(labels)
    return labels, {cell.cell_id: cell.cell_type for cell in found.cells if cell.cell_id in whole}


def at_edge(labels: Labels) -> set[int]:
    """The ids at the edge of labels."""
    return set(np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])).tolist())


def compare(
    found: SlideAnalysis,
    fields: list[RgbImage],
    places: list[tuple[int, int, int]],
    see: Callable[[RgbImage], tuple[Labels, dict[int, str | None]]],
) -> None:
    """Print how many cells of the fields alone, as `see` gives them, are in the slide, and the other way round."""
    seen: dict[int, tuple[Labels, dict[int, str | None]]] = {}
    type_of = {cell.cell_id: cell.cell_type for cell in found.cells}
    ious, n_same, n_missed, n_more = [], 0, 0, 0
    for i, y, x in places:
        if i not in seen:
            seen[i] = see(fields[i])
        (height, width), (expected, inner) = fields[i].shape[:2], seen[i]
        labels = found.outlines.paint(Box(y, x, y + height, x + width))
        matched = {match.true_id: match for match in match_outlines(labels, expected) if match.iou >= 0.5}
        ious += [matched[cell_id].iou for cell_id in inner if cell_id in matched]
        n_same += sum(type_of[matched[i].found_id] == cell_type for i, cell_type in inner.items() if i in matched)
        n_missed += len(inner.keys() - matched.keys())
        n_more += len(set(np.unique(labels).tolist()) - {0} - at_edge(labels) - {m.found_id for m in matched.values()})
    n, good = len(ious) + n_missed, sum(iou >= 0.9 for iou in ious)
    print(
        f"cells of the fields alone, not cut by their edge: {n}; found in the slide: {len(ious)} ({100 * len(ious) / n:.2f} %)"
    )
    print(f"with IoU ≥ 0.9: {good} ({100 * good / n:.2f} %); mean IoU {np.mean(ious):.4f}, least {min(ious):.3f}")
    print(f"with the same type: {n_same} of {len(ious)} found ({100 * n_same / len(ious):.2f} %)")
    print(f"in the slide only: {n_more}")


def memory_gb() -> float:
    """The most memory that this process has used so far, 10⁹ bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
