"""How the cost of a run grows with the number of fields, the side of an image, and the cells of a field."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image as Pillow
from speed_parts import memory_gb, run

from napari_wbc.cells import RgbImage
from napari_wbc.synthetic import draw_field

N_FIELDS = (10, 100, 1000)
SIDES_PX = (500, 1000, 2000, 5000, 10_000, 20_000)
N_CELLS = (1, 10, 50, 200)
UNIT_PX, TILE_PX = 1024, 512


def report(work: Path, fields: Sequence[Path], workers: int) -> Iterator[str]:
    """Three tables."""
    yield "\n| fields | seconds | milliseconds per further field | GB |\n|---|---|---|---|"
    before = run(fields[:1], work / "1-field", workers)
    for n in N_FIELDS:
        if n <= len(fields) * 1.02:
            now = run(fields[:n], work / f"{n}-fields", workers)
            further = (now.s - before.s) / (now.n_fields - before.n_fields)
            yield f"| {now.n_fields} | {now.s:.1f} | {1000 * further:.1f} | {now.gb:.2f} |"
            before = now
    columns = "side, px", "megapixels", "seconds", "seconds per megapixel, start-up taken off", "GB", "more than `import torch`"
    yield f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|"
    unit, start = draw_field(np.random.default_rng(0), (UNIT_PX, UNIT_PX), 4, um_per_px=0.1).image, 0.0
    torch_gb = memory_gb([sys.executable, "-c", "import torch"])[1]
    for side in SIDES_PX:
        path = work / f"side-{side}.tif"
        write_tiled(path, unit, side)
        now = run([path], work / f"side-{side}", workers, ["--um-per-px", "0.1"])
        start = start or now.s
        per_mp = f"{(now.s - start) / (side**2 / 1e6):.3f}" if now.s > start else ""
        yield f"| {side} | {side**2 / 1e6:.2f} | {now.s:.1f} | {per_mp} | {now.gb:.2f} | {now.gb - torch_gb:.2f} |"
    yield "\n| cells drawn in a field of 2000 × 2000 px | seconds for four | GB |\n|---|---|---|"
    for n in N_CELLS:
        folder = work / f"{n}-cells"
        folder.mkdir()
        for i in range(4):
            Pillow.fromarray(draw_field(np.random.default_rng(i), (2000, 2000), n, um_per_px=0.2).image).save(
                folder / f"{i}.png"
            )
        now = run([folder], work / f"{n}-cells-out", workers, ["--um-per-px", "0.2"])
        yield f"| {len(now.diameters_px) / now.n_fields:.0f} | {now.s:.1f} | {now.gb:.2f} |"


def write_tiled(path: Path, unit: RgbImage, side: int) -> None:
    """Write an image of side × side px that repeats a unit, as a tiled TIFF, tile by tile."""

    def tiles() -> Iterator[RgbImage]:
        for y in range(0, side, TILE_PX):
            for x in range(0, side, TILE_PX):
                yield unit[y % UNIT_PX :][:TILE_PX, x % UNIT_PX :][:, :TILE_PX]

    tifffile.imwrite(
        path, tiles(), shape=(side, side, 3), dtype=np.uint8, photometric="rgb", tile=(TILE_PX, TILE_PX), compression="jpeg"
    )
