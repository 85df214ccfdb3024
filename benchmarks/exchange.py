"""How long 10,000 cells take to go out and come back, format by format.

    python benchmarks/exchange.py [FORMAT...]

Drawn cells with holes, 100 images of 1,000 × 1,000 px. They come back twice: into the results they came from, where nothing
is to be done, and into results without a cell, where each is measured. Every cell must come back as it was; boxes come back as
boxes.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
from collections.abc import Generator
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from napari_wbc.cells import Analysis, CellTable, Labels, RgbImage, Scale
from napari_wbc.config import Settings
from napari_wbc.exchange import FORMATS
from napari_wbc.exchange.transfer import Transfer, export_results, import_into
from napari_wbc.measure import measure
from napari_wbc.results import images_in, read_analysis, write_analysis
from napari_wbc.results.record import InputFile, Origin
from napari_wbc.results.runfile import Model, Progress, begin, relative_root, write_run

N_IMAGES, SIDE_PX, CELLS_PER_SIDE = 100, 1000, 10
WHOLE = ("geojson", "coco", "ome-tiff", "imagej-roi", "png-masks")


def draw(seed: int) -> tuple[RgbImage, Labels]:
    """Wavy discs, every third of them with a hole, 80 px wide."""
    rng, pitch = np.random.default_rng(seed), SIDE_PX // CELLS_PER_SIDE
    labels = np.zeros((SIDE_PX, SIDE_PX), dtype=np.int32)
    y, x = np.mgrid[:pitch, :pitch] - pitch / 2
    angle, distance = np.arctan2(y, x), np.hypot(y, x)
    for i in range(CELLS_PER_SIDE**2):
        row, column = divmod(i, CELLS_PER_SIDE)
        wave = 40 + 4 * np.sin(5 * angle + rng.uniform(0, 6)) + 2 * np.sin(9 * angle + rng.uniform(0, 6))
        inside = (distance < wave) & ((distance > 12) | (i % 3 > 0))
        labels[row * pitch : (row + 1) * pitch, column * pitch : (column + 1) * pitch][inside] = i + 1
    image = np.where(labels[..., None] > 0, (110, 50, 170), (235, 225, 230)).astype(np.uint8)
    return image, labels


def make(folder: Path, empty: bool) -> Path:
    """Results of the drawn images, with their cells or without."""
    root, out = folder / "images", folder / ("empty" if empty else "results")
    root.mkdir(exist_ok=True)
    for n in range(N_IMAGES):
        image, labels = draw(n)
        path = root / f"{n}.png"
        file = BytesIO()
        Pillow.fromarray(image).save(file, format="PNG")
        path.write_bytes(file.getvalue())
        cells = CellTable() if empty else measure(image, labels, {}, 0.1)
        analysis = Analysis(labels * (not empty), cells, Scale(0.1, 1.0, "user"))
        source = InputFile(sha256=hashlib.sha256(file.getvalue()).hexdigest(), size=path.stat().st_size)
        write_analysis(out, path.name, analysis, source, Origin(segmenter="", classifier="", settings=""))
    model = Model(name="drawn", identity="drawn")
    write_run(out, begin(relative_root(root, out), Settings(), model, model, "none", 0))
    return out


def timed(steps: Generator[Progress, None, Transfer]) -> tuple[Transfer, str]:
    """What became of it, and the seconds that it took: by the clock, and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, f"{time.perf_counter() - clock:.1f} ({time.process_time() - processor:.1f})"


def same_cells(one: Path, other: Path) -> bool:
    """Whether two results have the same outlines and ids."""
    return all(np.array_equal(read_analysis(one, n).labels, read_analysis(other, n).labels) for n in images_in(one))


def main() -> None:
    """Print a table."""
    n_cells = N_IMAGES * CELLS_PER_SIDE**2
    print(f"{n_cells} cells: seconds by the clock (of the processor)\n")
    print("| format | out | in, unchanged | in, all new | size, MB |\n|---|---|---|---|---|", flush=True)
    for name in sys.argv[1:] or FORMATS:
        with tempfile.TemporaryDirectory() as at:
            folder = Path(at)
            out, empty, dst = make(folder, False), make(folder, True), folder / "dst"
            _, out_s = timed(export_results(name, out, dst))
            back, in_s = timed(import_into(name, dst, out))
            assert len(back.skipped) == N_IMAGES, f"{name}: {back.done[:3]} changed, {back.failed[:3]} failed"
            new_s = timed(import_into(name, dst, empty))[1] if name in (*WHOLE, "yolo") else ""
            assert name not in WHOLE or same_cells(out, empty), f"{name}: the cells that came back differ"
            size = sum(path.stat().st_size for path in dst.rglob("*") if path.is_file())
            print(
                f"| {name} | {out_s} | {in_s} | {new_s} | {size / 1e6:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
