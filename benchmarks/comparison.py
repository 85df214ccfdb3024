"""The paper's comparison: its Table 1 of segmenters, and the two stages against detectors, over folds, at equal budgets.

    python benchmarks/comparison.py --weights DIR                                on bccd; `DIR` holds the start weights
    python benchmarks/comparison.py --weights DIR --data RESULTS --csv FILE      on the reviewed images of a results folder
    python benchmarks/comparison.py --table [--csv FILE] [--plot FOLDER]         Markdown tables, ANOVA, box plot

Every method sees as many images. One row per method and fold is kept; the same command again makes those that are missing.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from comparison_data import SIZE_PX, Data, read_data
from comparison_judge import finder, judge
from comparison_methods import ALEXNET, BFLOAT16, DETECTION, METHODS, FieldsTask, PaperTask, train, train_classifier
from comparison_tables import Row, add_row, anova, box_plot, detection_table, missing, read_rows, segmentation_table
from detectors import FasterRcnn, Yolo

from napari_wbc.errors import UsageError
from napari_wbc.nets.start import read_npz
from napari_wbc.training.begin import load_matching
from napari_wbc.training.loop import Plan
from napari_wbc.training.recipes import RECIPES

KEPT = Path(__file__).parent / "comparison" / "bccd_folds.csv"


def run_fold(data: Data, name: str, fold: int, n_folds: int, n_seen: int, weights: Path) -> Row:
    """Train a method without one fold, and judge it on that fold."""
    method, (learnt, held), start = METHODS[name], data.split(fold), time.monotonic()
    torch.manual_seed(fold)
    model = method.build(len(data.types))
    if method.start is not None:
        load_matching(model.get_submodule("encoder"), read_npz(weights / f"{method.start}.npz"))
    model.to(memory_format=torch.channels_last)
    if name == "paper":
        plan = RECIPES["segmenter", "paper"].plan(fold, fine_tuning=False)
        model = train(
            PaperTask(model, learnt, n_seen, fold), dataclasses.replace(plan, epochs=1, patience=None, keep_best=False)
        )
    else:
        model = train(FieldsTask(model, method, learnt, n_seen, fold), Plan(1, lr=method.lr, seed=fold))
    parameters = sum(p.numel() for p in model.parameters())
    classifier, started = None, method.start or "none"
    if data.has_types and name in DETECTION and not isinstance(model, Yolo | FasterRcnn):
        classifier = train_classifier(data, learnt, weights, n_seen, fold)
        parameters += sum(p.numel() for p in classifier.parameters())
        started = f"{started}, {ALEXNET}"
    train_s = time.monotonic() - start
    figures = judge(finder(model, method.normalisation, classifier, BFLOAT16), held, data.types)
    machine = f"{torch.get_num_threads()} threads, {'bfloat16' if BFLOAT16 else 'float32'}"
    return Row(
        method=name, fold=fold, folds=n_folds, images_seen=n_seen, n_train=len(learnt), n_test=len(held), parameters=parameters,
        start_weights=started, machine=machine, train_s=train_s, **figures,
    )  # fmt: skip


def print_tables(rows: Sequence[Row], plot: Path | None) -> None:
    """Everything that the rows say, as Markdown."""
    if not rows:
        raise UsageError("No rows are kept yet: run the comparison first.")
    titles = {name: method.title for name, method in METHODS.items()}
    two_stages = {
        name: titles[name] if name in ("faster_rcnn", "yolo") else f"two stages, {titles[name]}" for name in DETECTION
    }
    typed = any(row.ap_basophil is not None or row.ap_neutrophil is not None for row in rows)
    print(f"{rows[0].folds} folds; {rows[0].images_seen} images seen by each; mean ± sd over folds, %; {rows[0].machine}\n")
    print(f"WBC against background, {SIZE_PX} × {SIZE_PX} px, before clean-up:\n")
    print(segmentation_table(rows, titles))
    kind = (
        "by type; the two stages include their AlexNet"
        if typed
        else "the types of these data are not reliable: every method has the one type WBC"
    )
    print(f"\nBoxes; {kind}:\n")
    print(detection_table(rows, two_stages))
    print(f"\n{anova(rows, DETECTION)}")
    if plot is not None:
        print(f"Box plot: {box_plot(rows, two_stages, plot)}")


def main() -> None:
    """Make the missing rows, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="folder of the start weights (.npz)")
    parser.add_argument("--data", type=Path, help="results folder; bccd where not given")
    parser.add_argument("--csv", type=Path, default=KEPT, help="where the rows are kept")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--only-fold", type=int, help="this fold alone")
    parser.add_argument("--images", type=int, default=256, help="images seen by each method in a fold")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="only print what is there")
    parser.add_argument("--plot", type=Path, help="folder for the box plot")
    args = parser.parse_args()
    if not args.table:
        if args.weights is None:
            parser.error("--weights DIR is needed: the folder of the start weights")
        if args.data is not None and args.csv == KEPT:
            parser.error("--csv FILE is needed with --data: the rows kept here are those of bccd")
        torch.set_num_threads(args.threads)
        todo = missing(read_rows(args.csv), args.methods, args.folds, args.images)
        data = read_data(args.data, args.folds)
        for name, fold in todo:
            if args.only_fold in (None, fold):
                row = run_fold(data, name, fold, args.folds, args.images, args.weights)
                add_row(args.csv, row)
                print(f"fold {fold}, {name}: {row.train_s:.0f} s, {row.model_dump(exclude_none=True)}", flush=True)
    print_tables(read_rows(args.csv), args.plot)


if __name__ == "__main__":
    main()
