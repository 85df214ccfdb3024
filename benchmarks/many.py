"""What a folder of very many images costs beside their analysis: listing, resuming, collecting, and memory.

    python benchmarks/many.py FOLDER [--images 100000] [--slides 100] [--profile]

The images are small and drawn, and are not analysed: their records are written as a run would, with three cells each. Then
the folder is resumed as by `napari-wbc run`, which finds nothing to do, and its tables are made. Seconds by the clock and of
the processor; memory is that of the whole process at its most. A FOLDER that is there already is used again.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import pstats
import resource
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image as Pillow

from napari_wbc.batch.collect import collect
from napari_wbc.batch.discover import discover
from napari_wbc.batch.job import Engine
from napari_wbc.batch.resume import Redo, plan
from napari_wbc.cells import Analysis, Cell, CellTable, Labels, RgbImage, Scale
from napari_wbc.config import CELL_TYPES, Settings
from napari_wbc.measure import measure
from napari_wbc.results import write_analysis
from napari_wbc.results.leftovers import sweep
from napari_wbc.results.record import InputFile
from napari_wbc.results.runfile import Model, begin, relative_root, write_run
from napari_wbc.results.summary import TABLES

SIDE_PX, N_CELLS = 48, 3
T = TypeVar("T")

ENGINE = Engine(Model(name="drawn", identity="drawn"), Model(name="drawn", identity="drawn"), "none", 1)


def main() -> None:
    """Make the folder where it is missing, then time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--slides", type=int, default=100)
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    options = parser.parse_args()
    images, out = options.folder / "images", options.folder / "results"
    if not out.exists():
        timed("make", lambda: make(images, out, options.images, options.slides), False)
    found = timed("list the images", lambda: discover(images, out), options.profile)
    timed("sweep", lambda: sweep(out), options.profile)
    tasks = timed("resume", lambda: plan(out, found.images, ENGINE, Settings(), Redo()), options.profile)
    assert {task.need for task in tasks} == {"skip"}, "the images are not as they were: take a new folder"
    timed("collect", lambda: collect(out), options.profile)
    lines = [sum(1 for _ in (out / name).open("rb")) - 1 for name in TABLES]
    assert lines[:2] == [len(tasks), N_CELLS * len(tasks)], f"the tables have {lines} lines"
    print(f"lines of {', '.join(TABLES)}: {', '.join(map(str, lines))}")


def timed(what: str, work: Callable[[], T], profile: bool) -> T:
    """The result of some work; what it cost is printed."""
    clock, processor = time.perf_counter(), time.process_time()
    with cProfile.Profile() if profile else nullcontext() as profiler:
        result = work()
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what}: {clock:.1f} s ({processor:.1f} s of the processor), at most {memory_mb:.0f} MiB so far", flush=True)
    if profiler is not None:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(12)
    return result


def make(images: Path, out: Path, n_images: int, n_slides: int) -> None:
    """Images, and their results."""
    image, labels = draw()
    file = BytesIO()
    Pillow.fromarray(image).save(file, format="PNG")
    sha256, cells = hashlib.sha256(file.getvalue()).hexdigest(), CellTable(tuple(named(image, labels)))
    analysis, origin = Analysis(labels, cells, Scale(0.1, 1.0, "user")), ENGINE.origin(Settings())
    for i in range(n_images):
        name = f"slide-{i % n_slides:03}/field-{i:06}.png"
        path = images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.getvalue())
        stat = path.stat()
        source = InputFile(sha256=sha256, size=stat.st_size, mtime_ns=stat.st_mtime_ns)
        write_analysis(out, name, analysis, source, origin)
    state = begin(relative_root(images, out), Settings(), ENGINE.segmenter, ENGINE.classifier, ENGINE.device, 0)
    write_run(out, state)


def draw() -> tuple[RgbImage, Labels]:
    """An image with squares for cells."""
    image, labels = np.full((SIDE_PX, SIDE_PX, 3), (235, 225, 230), np.uint8), np.zeros((SIDE_PX, SIDE_PX), np.int32)
    for i in range(N_CELLS):
        labels[4:14, 4 + 14 * i : 14 + 14 * i] = i + 1
    image[labels > 0] = (110, 50, 170)
    return image, labels


def named(image: RgbImage, labels: Labels) -> list[Cell]:
    """The cells of an image, each of another type."""
    table = measure(image, labels, {i + 1: 0.9 for i in range(N_CELLS)}, 0.1)
    p = (0.6, 0.1, 0.1, 0.1, 0.1)
    return [replace(cell, cell_type=CELL_TYPES[i], p=p, none_of_five_score=0.1, margin=0.5) for i, cell in enumerate(table)]


if __name__ == "__main__":
    main()
