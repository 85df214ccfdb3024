"""How fast is the whole road, and what of it is the networks? One run, one machine, one table; see docs/performance.md.

    python benchmarks/speed.py WORK [--short] [--resnet] [--scaling] [--peers PYTHON]

(a) `napari-wbc run`, as a user starts it; (b) its two networks alone on the same inputs, already in memory, by as many
processes; (c) the plain version: DeepLabv3+ with ResNet-50 on the whole field, AlexNet crop by crop, float32, random weights;
(d) the networks of cellpose and StarDist with random weights, where a PYTHON has them. Fields: the dev fields of BCCD ten
times, else drawn ones. `--resnet` adds (a) and (b) with a segmenter on ResNet-50, `--scaling` numbers of fields, sides of an
image, cells of a field. All of it on an idle machine:

    python benchmarks/speed.py WORK --resnet --scaling --peers PYTHON
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import speed_scaling
from devdata import ROOT, rows
from PIL import Image as Pillow
from speed_parts import memory_gb, networks_alone, peer, plain, run
from speed_resnet import write_resnet

import napari_wbc
from napari_wbc.batch import default_workers
from napari_wbc.batch.processors import usable_processors
from napari_wbc.images import read_image
from napari_wbc.synthetic import draw_field

PEER_CELL_PX, PEER_TILE_PX = 30, 224
"""Diameter of a cell to which cellpose resizes an image, and the side of the smallest picture that its network is given, px."""
BCCD_UM_PER_PX = 0.09
"""About what red cells say of BCCD."""
N_FITTED, N_RESNET = 4, 297
"""Fields to which the last layer of ResNet-50 is fitted, and at most so many that it is timed on."""


@dataclass(frozen=True)
class Line:
    """One line of the table: seconds for a picture of so many megapixels, and what else there is to say."""

    what: str
    s: float | None
    megapixels: float
    note: str = ""

    def __str__(self) -> str:
        figures = " | |" if self.s is None else f"{1 / self.s:.1f} | {self.s / self.megapixels:.3f} |"
        return f"| {self.what} | {figures} {self.note} |"


def main() -> None:
    """Measure all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="new folder for images and results")
    parser.add_argument("--short", action="store_true", help="a few drawn fields, about a minute")
    parser.add_argument("--resnet", action="store_true", help="also a segmenter on ResNet-50, with random weights")
    parser.add_argument(
        "--scaling", action="store_true", help="also 10 to 1000 fields, sides of 500 to 20,000 px, 1 to 200 cells"
    )
    parser.add_argument("--peers", nargs="*", default=[sys.executable], help="Pythons that have cellpose (< 4) or StarDist")
    parser.add_argument("--workers", type=int, default=default_workers())
    options = parser.parse_args()
    options.work.mkdir(parents=True)
    fields = write_fields(options.work / "images", *((16, 1) if options.short else (99, 10)), drawn=options.short)
    for line in machine(options.workers):
        print(line, flush=True)
    for part in measure(fields, options.work, options.workers, options.peers, n_plain=1 if options.short else 4):
        print(part, flush=True)
    if options.resnet:
        for part in measure_resnet(fields, options.work, options.workers):
            print(part, flush=True)
    if options.scaling:
        for line in speed_scaling.report(options.work, fields, options.workers):
            print(line, flush=True)


def machine(workers: int) -> Iterator[str]:
    """Machine, threads and versions, and the head of the table."""
    import torch

    info = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.processor())
    yield f"{name}, {usable_processors()} processors to use, load {os.getloadavg()[0]:.1f}; {workers} workers of one thread"
    python = sys.version.split()[0]
    yield f"napari-wbc {napari_wbc.__version__}, torch {torch.__version__}, numpy {np.__version__}, Python {python}\n"
    yield "| what | pictures per second | seconds per megapixel | |\n|---|---|---|---|"


def measure(fields: Sequence[Path], work: Path, workers: int, pythons: Sequence[str], n_plain: int) -> Iterator[Line | str]:
    """The lines of the table, and the ratios below it."""
    height, width = read_image(fields[0]).pixels.shape[:2]
    megapixels = height * width / 1e6
    one, whole = run(fields[:1], work / "one", workers), run([work / "images"], work / "all", workers)
    n_cells = len(whole.diameters_px)
    a = (whole.s - one.s) / (whole.n_fields - 1)
    yield Line(
        "(a) whole `run`, start-up taken off", a, megapixels, f"{whole.n_fields} fields, {n_cells} cells, {whole.s:.1f} s"
    )
    yield Line("one field, with start-up and tables", one.s, megapixels, f"{one.s:.1f} s")
    b = networks_alone(fields[:99], workers)
    yield Line("(b) the networks alone", b, megapixels, f"{workers} processes of one thread")
    c = plain(fields[:n_plain], n_cells / whole.n_fields)
    yield Line("(c) plain: ResNet-50, full size, one by one, float32", c, megapixels, "random weights")
    ratios = [f"a ÷ b = {a / b:.2f}", f"c ÷ a = {c / a:.1f}"]
    shrink = PEER_CELL_PX / median(whole.diameters_px)
    for name in ("cellpose", "stardist"):
        for what, factor in (("whole field", 1.0), ("a field with cells of 30 px", shrink)):
            h, w = (-(-max(PEER_TILE_PX, round(side * factor)) // 32) * 32 for side in (height, width))
            s, note = peer(name, h, w, pythons)
            yield Line(f"(d) {name}, {what}: {w} × {h}", s, h * w / 1e6, note)
            if s is not None:
                per = s / a if factor != 1 else s / (h * w / 1e6) / (a / megapixels)
                ratios.append(f"{name} ÷ a, {'per field' if factor != 1 else 'per megapixel'} = {per:.1f}")
    torch_gb = memory_gb([sys.executable, "-c", "import torch"])[1]
    yield "\n" + "; ".join(ratios)
    yield f"Largest process {whole.gb:.2f} GB, {whole.gb - torch_gb:.2f} GB more than after `import torch`"


def measure_resnet(fields: Sequence[Path], work: Path, workers: int) -> Iterator[Line | str]:
    """(a) and (b) with a segmenter on ResNet-50.

    The pixel size is stated: where it is estimated, fragments, which a rough segmenter finds, ask for a second, larger look.
    """
    model = work / "resnet50.safetensors"
    write_resnet(model, fields[:N_FITTED])
    options, some = ["--segmenter", str(model), "--um-per-px", str(BCCD_UM_PER_PX)], fields[:N_RESNET]
    height, width = read_image(fields[0]).pixels.shape[:2]
    one, whole = run(fields[:1], work / "one-resnet", workers, options), run(some, work / "resnet", workers, options)
    a = (whole.s - one.s) / (whole.n_fields - 1)
    b = networks_alone(some[:99], workers, str(model), BCCD_UM_PER_PX)
    yield "\n| with ResNet-50 | pictures per second | seconds per megapixel | |\n|---|---|---|---|"
    n_cells = len(whole.diameters_px)
    note = f"{whole.n_fields} fields, {n_cells} cells, {whole.s:.1f} s; random weights, the last layer fitted"
    yield Line("(a) whole `run`, start-up taken off", a, height * width / 1e6, note)
    yield Line("(b) the networks alone", b, height * width / 1e6, f"{workers} processes of one thread")
    yield f"\na ÷ b = {a / b:.2f}"


def write_fields(folder: Path, n: int, repeat: int, drawn: bool) -> list[Path]:
    """`n` fields, each `repeat` times, in folders of their own."""
    names = [] if drawn or not (ROOT / "bccd").is_dir() else [row["image"] for row in rows("bccd") if row["split"] == "dev"][:n]
    found = []
    for k in range(repeat):
        here = folder / f"slide-{k}"
        here.mkdir(parents=True)
        found += [Path(shutil.copy(ROOT / "bccd" / "images" / name, here)) for name in names]
        for i in range(0 if names else n):
            found.append(here / f"{i}.png")
            Pillow.fromarray(draw_field(np.random.default_rng(i), n_cells=1).image).save(found[-1])
    return found


if __name__ == "__main__":
    main()
