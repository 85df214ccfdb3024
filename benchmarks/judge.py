"""The figures of docs/results.md, from the development data and the bundled models.

    python benchmarks/judge.py bccd|scale|pbc|zheng WORK [--segmenter FILE] [--classifier FILE]

`bccd` goes through the command line: 99 fields and a truncated one, then `evaluate` against the hand-drawn masks.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import devdata
import numpy as np

from napari_wbc.batch.discover import discover
from napari_wbc.batch.intake import load
from napari_wbc.cells import Analysis, Cell, CellTable, Labels, RgbImage, Scale
from napari_wbc.config import CELL_TYPES
from napari_wbc.crop import boxes
from napari_wbc.evaluate import Evaluation, evaluate, read_pairs
from napari_wbc.measure import measure
from napari_wbc.metrics.objects import box_iou, match_outlines
from napari_wbc.nets import load_models
from napari_wbc.pipeline import Models, analyse, segment_cells
from napari_wbc.proportion import Proportion
from napari_wbc.results import write_analysis
from napari_wbc.results.record import Origin
from napari_wbc.scale import resize


def say(what: str, k: int, n: int) -> None:
    """A proportion with its interval."""
    print(f"{what}: {Proportion(k=k, n=n)}", flush=True)


def judge_bccd(work: Path, segmenter: str = "default", classifier: str = "default") -> tuple[int, float, Evaluation]:
    """Exit code, seconds and figures of `napari-wbc run` on the 99 dev fields and a truncated file."""
    images, truth, out = work / "bccd_dev", work / "bccd_truth", work / "bccd_results"
    for folder in (images, truth, out):
        shutil.rmtree(folder, ignore_errors=True)
    images.mkdir(parents=True)
    reals = list(devdata.bccd("dev"))
    for real in reals:
        shutil.copy(devdata.ROOT / "bccd/images" / real.name, images)
    for found, real in zip(discover([images], truth).images, reals, strict=True):
        assert real.labels is not None
        analysis = truth_of(real.pixels, real.labels)
        source = load(found, 150).source
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_analysis(
            truth, found.name, analysis, source, Origin(segmenter="-", classifier="-", settings="-"),
            reviewed_by="bccd", reviewed_at=now,
        )  # fmt: skip
    data = (images / reals[0].name).read_bytes()
    (images / "truncated.jpg").write_bytes(data[: len(data) // 2])
    command = [sys.executable, "-m", "napari_wbc", "run", str(images), str(out)]
    command += ["--segmenter", segmenter, "--classifier", classifier]
    start = time.perf_counter()
    code = subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode
    seconds = time.perf_counter() - start
    return code, seconds, evaluate(read_pairs(out, truth))


def truth_of(pixels: RgbImage, labels: Labels) -> Analysis:
    """Hand-drawn labels as an analysis by a person."""
    cells = CellTable(tuple(measure(pixels, labels, {}, None)))
    return Analysis(labels, cells, Scale(None, 1.0, "assumed"))


def judge_scale(models: Models, reals: list[devdata.Real]) -> int:
    """The same field at half, full and double size: same number of cells, outlines of IoU ≥ 0.8, no pixel size given."""
    same = 0
    for real in reals:
        one = segment_cells(real.pixels, models.segmenter)
        good = True
        for factor in (0.5, 2.0):
            other = segment_cells(resize(real.pixels, factor), models.segmenter)
            y, x = (
                np.minimum((np.arange(n) + 0.5) * factor, m - 1).astype(int)
                for n, m in zip(one.labels.shape, other.labels.shape, strict=True)
            )
            matches = [m.iou for m in match_outlines(other.labels[np.ix_(y, x)], one.labels)]
            n_one, n_other = len(boxes(one.labels)), len(boxes(other.labels))
            if n_one != n_other or sum(iou >= 0.8 for iou in matches) != n_one:
                good = False
                print(real.name, factor, n_one, n_other, np.round(matches, 2), one.scale, other.scale)
        same += good
    return same


def central(analysis: Analysis, box: tuple[int, int, int, int] | None) -> Cell | None:
    """The found cell that best fits the box, or the one nearest to the centre of the image."""
    height, width = analysis.labels.shape
    if box is not None and len(analysis.cells):
        ious = box_iou([cell.box for cell in analysis.cells], [box])[:, 0]
        return analysis.cells[int(ious.argmax())] if ious.max() >= 0.3 else None
    near = [c for c in analysis.cells if np.hypot(c.centroid_y - height / 2, c.centroid_x - width / 2) < 0.25 * width]
    return max(near, key=lambda cell: cell.area_px, default=None)


def judge_types(reals: Iterator[devdata.Real], models: Models) -> list[tuple[str, str]]:
    """(true type, name given to the cell, or `missed`) of images of one cell."""
    pairs = []
    for real in reals:
        box = real.boxes[0] if real.boxes else boxes(real.labels).get(1) if real.labels is not None else None
        cell = central(analyse(real.pixels, models), box)
        pairs.append((real.cell_type, str(cell.cell_type) if cell else "missed"))
    return pairs


def report_types(pairs: list[tuple[str, str]]) -> None:
    """Accuracy over the five types, recall of each, and what the rest was called."""
    five = [(t, p) for t, p in pairs if t in CELL_TYPES]
    say("named right, of all of the five types", sum(t == p for t, p in five), len(five))
    say("  of those called unidentified", sum(p == "unidentified" for _, p in five), len(five))
    say("  of those missed", sum(p == "missed" for _, p in five), len(five))
    for true, n in sorted(Counter(t for t, _ in pairs).items()):
        print(f"  {true:13s} {n:4d}", dict(Counter(p for t, p in pairs if t == true).most_common()))


def judge_zheng(models: Models) -> None:
    """Outlines and types in the unseen laboratories."""
    for name in ("dataset1", "dataset2"):
        ious, pairs = [], []
        for real in devdata.zheng():
            if real.split != name:
                continue
            assert real.labels is not None
            analysis = analyse(real.pixels, models)
            cell = central(analysis, boxes(real.labels)[1])
            mask = analysis.labels == cell.cell_id if cell else np.zeros(real.labels.shape, bool)
            true = real.labels > 0
            ious.append(float((mask & true).sum() / (mask | true).sum()))
            pairs.append((real.cell_type, str(cell.cell_type) if cell else "missed"))
        print(f"{name}: mean IoU of the WBC {np.mean(ious):.3f}, median {np.median(ious):.3f}")
        say("  found at IoU >= 0.7", sum(iou >= 0.7 for iou in ious), len(ious))
        report_types(pairs)


def main() -> None:
    """Judge one thing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["bccd", "scale", "pbc", "zheng"])
    parser.add_argument("work", type=Path)
    parser.add_argument("--segmenter", default="default")
    parser.add_argument("--classifier", default="default")
    args = parser.parse_args()
    if args.what == "bccd":
        code, seconds, figures = judge_bccd(args.work, args.segmenter, args.classifier)
        print(f"\nexit code {code}; {seconds:.1f} s, {100 / seconds:.1f} fields per second, start-up included")
        print(figures.table())
        return
    models = load_models(args.segmenter, args.classifier, "cpu")
    if args.what == "scale":
        fields = list(devdata.bccd("dev"))
        say("same cells at 0.5x, 1x and 2x", judge_scale(models, fields), len(fields))
    elif args.what == "pbc":
        report_types(judge_types(devdata.pbc("dev"), models))
    else:
        judge_zheng(models)


if __name__ == "__main__":
    main()
