"""The figures of docs/results.md, from the development data and the bundled models.

    python benchmarks/judge.py bccd|scale|chula|types|zheng WORK [--segmenter FILE] [--classifier FILE]

`bccd` goes through the command line: 99 fields and a truncated one, then `evaluate` against the hand-drawn masks.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import devdata
import numpy as np
from single_cells import Row, figures, judge_cells, write_rows

from napari_wbc.batch.discover import discover
from napari_wbc.batch.intake import load
from napari_wbc.cells import Analysis, CellTable, Labels, RgbImage, Scale
from napari_wbc.crop import boxes
from napari_wbc.evaluate import Evaluation, evaluate, read_pairs
from napari_wbc.measure import measure
from napari_wbc.metrics.objects import average_precision, match_boxes, match_outlines
from napari_wbc.nets import load_models
from napari_wbc.pipeline import Models, segment_cells
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


def judge_boxes(models: Models, reals: Iterable[devdata.Real]) -> None:
    """Boxes of cells found in fields that have true boxes and no masks: a set that the segmenter was not trained on."""
    scores, right, n_true = [], [], 0
    for real in reals:
        found = segment_cells(real.pixels, models.segmenter)
        boxed = list(boxes(found.labels).values())
        certainty = np.array([found.scores[i] for i in boxes(found.labels)])
        right.append(match_boxes(boxed, certainty, real.boxes, 0.7) >= 0)
        scores.append(certainty)
        n_true += len(real.boxes)
    hits = int(sum(flags.sum() for flags in right))
    say("cells found at box IoU 0.7", hits, n_true)
    say("found boxes right at IoU 0.7", hits, sum(map(len, right)))
    print(f"AP at box IoU 0.7: {100 * average_precision(np.concatenate(scores), np.concatenate(right), n_true):.1f} %")


def report(work: Path, title: str, reals: Iterable[devdata.Real], models: Models) -> list[Row]:
    """Figures of images of one cell, and the rows as CSV in WORK."""
    rows = list(judge_cells(reals, models))
    write_rows(work / f"{title.replace(', ', '_').replace(' ', '_')}.csv", rows)
    print(figures(title, rows), flush=True)
    return rows


def main() -> None:
    """Judge one thing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["bccd", "scale", "chula", "types", "zheng"])
    parser.add_argument("work", type=Path)
    parser.add_argument("--segmenter", default="default")
    parser.add_argument("--classifier", default="default")
    args = parser.parse_args()
    if args.what == "bccd":
        code, seconds, evaluation = judge_bccd(args.work, args.segmenter, args.classifier)
        print(f"\nexit code {code}; {seconds:.1f} s, {100 / seconds:.1f} fields per second, start-up included")
        print(evaluation.table())
        return
    models = load_models(args.segmenter, args.classifier, "cpu")
    if args.what == "scale":
        fields = list(devdata.bccd("dev"))
        say("same cells at 0.5x, 1x and 2x", judge_scale(models, fields), len(fields))
    elif args.what == "chula":
        judge_boxes(models, devdata.chula())
    elif args.what == "types":
        report(args.work, "pbc dev", devdata.pbc("dev"), models)
        report(args.work, "pbc dev, distorted", devdata.distorted(devdata.pbc("dev")), models)
    else:
        rows = report(args.work, "zheng dataset1", (r for r in devdata.zheng() if r.split == "dataset1"), models)
        rows += report(args.work, "zheng dataset2", (r for r in devdata.zheng() if r.split == "dataset2"), models)
        print(figures("zheng, both", rows))


if __name__ == "__main__":
    main()
