"""The parts that `speed.py` times: the whole program, its networks alone, the plain version, and the networks of others."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from napari_wbc.batch.processors import usable_processors
from napari_wbc.images import read_image


@dataclass(frozen=True)
class Run:
    """One run of the command line: seconds, peak memory of its largest process in GB, fields, diameters of cells in px."""

    s: float
    gb: float
    n_fields: int
    diameters_px: tuple[float, ...]


def run(inputs: Sequence[Path], out: Path, workers: int, options: Sequence[str] = ()) -> Run:
    """`napari-wbc run` on files and folders."""
    command = [sys.executable, "-m", "napari_wbc", "run", *map(str, inputs), str(out), "--workers", str(workers), *options]
    seconds, gb = memory_gb(command)
    with (out / "images.csv").open(newline="", encoding="utf-8") as file:
        n_done = sum(row["status"] == "done" for row in csv.DictReader(file))
    with (out / "cells.csv").open(newline="", encoding="utf-8") as file:
        return Run(seconds, gb, n_done, tuple(float(row["diameter_px"]) for row in csv.DictReader(file)))


WATCH = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""A small program that starts another: a process begins with the peak memory of the one that starts it."""


def memory_gb(command: Sequence[str]) -> tuple[float, float]:
    """Seconds of a command, and the peak memory of the largest of its processes, GB."""
    start = time.perf_counter()
    watched = [sys.executable, "-c", WATCH, *command]
    code, kibibytes = subprocess.run(watched, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    if int(code):
        raise SystemExit(f"{' '.join(command[:4])} … ended with exit code {code}")
    return time.perf_counter() - start, int(kibibytes) * 1024 / 1e9


def networks_alone(fields: Sequence[Path], workers: int, segmenter: str = "default", um_per_px: float | None = None) -> float:
    """Seconds per field of the segmenter on fields at its scale, and of the classifier on their crops, by several processes."""
    context = get_context("spawn")
    with context.Manager() as manager, context.Pool(workers) as pool:
        ready = manager.Barrier(workers)
        shares = [(list(fields[i::workers]), segmenter, um_per_px, ready) for i in range(workers)]
        return max(pool.starmap(_compute, shares, chunksize=1)) / len(fields)


def _compute(fields: Sequence[Path], segmenter: str, um_per_px: float | None, ready: Any) -> float:
    """Runs in a process: seconds of the two networks on its share, the best of three times."""
    from napari_wbc import Settings, load_models
    from napari_wbc.crop import crop
    from napari_wbc.pipeline import analyse
    from napari_wbc.scale import to_analysis

    models = load_models(segmenter, threads=1)
    inputs, crops = [], []
    for path in fields:
        field = read_image(path)
        found = analyse(field, models, Settings(um_per_px=um_per_px))
        inputs.append(to_analysis(field.pixels, found.scale.analysis_scale))
        crops += [crop(field.pixels, c.box, models.classifier.crop_size_px, models.classifier.crop_margin) for c in found.cells]
    seconds = []
    for _ in range(3):
        ready.wait()
        start = time.perf_counter()
        for image in inputs:
            models.segmenter([image])
        models.classifier(crops)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def plain(fields: Sequence[Path], cells_per_field: float) -> float:
    """Seconds per field of version (c), reading included, with all processors."""
    import torch

    from napari_wbc.nets.alexnet import AlexNet
    from napari_wbc.nets.deeplab import DeepLabV3Plus

    torch.set_num_threads(usable_processors())
    segmenter, classifier = DeepLabV3Plus("resnet50", 2).eval(), AlexNet("original").eval()
    crop, seconds = torch.rand(1, 3, 227, 227), []
    with torch.inference_mode():
        for path in fields:
            start = time.perf_counter()
            pixels = torch.from_numpy(read_image(path).pixels.copy())
            segmenter(pixels.permute(2, 0, 1)[None].float() / 255)
            middle = time.perf_counter()
            classifier(crop)
            seconds.append(middle - start + cells_per_field * (time.perf_counter() - middle))
    return median(seconds)


def peer(name: str, height: int, width: int, pythons: Sequence[str]) -> tuple[float | None, str]:
    """Seconds of a peer's network on a picture of a size, with all processors; else why there are none."""
    script, why = Path(__file__).with_name("peers.py"), ""
    for python in pythons:
        command = [python, str(script), name, str(height), str(width), str(usable_processors())]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 and done.stdout else {"why": done.stderr[-150:]}
        if "s" in said:
            return float(said["s"]), "random weights"
        why = str(said["why"]).replace("\n", " ")
    return None, why
