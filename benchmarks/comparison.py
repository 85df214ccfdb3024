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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from baselines import FCNAlexNet, SegNet, UNet
from comparison_data import COLOUR, SIZE_PX, Case, Data, draw, read_data
from comparison_judge import finder, judge
from comparison_tables import Row, add_row, anova, box_plot, detection_table, missing, read_rows, segmentation_table
from detectors import FasterRcnn, Yolo
from torch import Tensor, nn
from torch.nn import functional as F
from train_models import feature_scale

from napari_wbc.errors import UsageError
from napari_wbc.nets.alexnet import AlexNet
from napari_wbc.nets.deeplab import DeepLabV3Plus
from napari_wbc.nets.loaded import computes_bfloat16
from napari_wbc.nets.start import read_npz
from napari_wbc.training.augment import IMAGENET, MINUS_ONE_TO_ONE, Normalisation
from napari_wbc.training.begin import load_matching
from napari_wbc.training.classification import ClassifierTask, NamedCell
from napari_wbc.training.loop import SEED_STEP, Batches, Plan, Task, fit
from napari_wbc.training.paper import PaperSegmenterTask
from napari_wbc.training.recipes import RECIPES
from napari_wbc.training.segmentation import SegmenterTask, forward
from napari_wbc.training.state import best_weights
from napari_wbc.training.weighting import median_frequency

KEPT = Path(__file__).parent / "comparison" / "bccd_folds.csv"
BATCH = 4
BFLOAT16 = computes_bfloat16(torch.device("cpu"))
RESNET, MOBILENET, ALEXNET = "resnet50_imagenet", "mobilenet_v2_imagenet_coco_voc", "alexnet_bvlc_features_imagenet"


@dataclass(frozen=True)
class Method:
    """A method: its title, network by number of types, start weights of its encoder (a file's stem), how inputs are scaled."""

    title: str
    build: Callable[[int], nn.Module]
    start: str | None = None
    normalisation: Normalisation = IMAGENET


METHODS = {
    "segnet": Method("SegNet, a quarter of its widths", lambda _: SegNet(16)),
    "fcn_alexnet": Method("FCN-AlexNet, fc6 and fc7 of 512", lambda _: FCNAlexNet(512), ALEXNET),
    "unet": Method("U-Net, base width 16", lambda _: UNet(16)),
    "deeplab_resnet50": Method(
        "DeepLabv3+, ResNet-50", lambda _: DeepLabV3Plus("resnet50_stride_on_1x1", 1), RESNET
    ),
    "deeplab_mobilenet_v2": Method(
        "DeepLabv3+, MobileNetV2", lambda _: DeepLabV3Plus("mobilenet_v2", 1), MOBILENET, MINUS_ONE_TO_ONE
    ),
    "paper": Method(
        "DeepLabv3+, ResNet-50, recipe `paper`", lambda _: DeepLabV3Plus("resnet50_stride_on_1x1", 1), RESNET
    ),
    "faster_rcnn": Method(
        "Faster R-CNN, MobileNetV2", lambda n_types: FasterRcnn(n_types, SIZE_PX), MOBILENET, MINUS_ONE_TO_ONE
    ),
    "yolo": Method("one-stage (YOLO-style), MobileNetV2", Yolo, MOBILENET, MINUS_ONE_TO_ONE),
}  # fmt: skip
DETECTION = ("deeplab_resnet50", "deeplab_mobilenet_v2", "paper", "faster_rcnn", "yolo")
"""The methods whose boxes are compared; the first three are the two stages."""


class Drawn:
    """Batches of the items until so many were seen: each once in a random order, then each once in another."""

    def __init__(self, n_items: int, n_seen: int, batch: int, seed: int, make: Callable[[Sequence[int]], Any]) -> None:
        rng, rounds = np.random.default_rng(seed), -(-n_seen // n_items)
        order = np.concatenate([rng.permutation(n_items) for _ in range(rounds)])[:n_seen].tolist()
        self.parts, self.make = [order[i : i + batch] for i in range(0, n_seen, batch)], make

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Any]:
        return map(self.make, self.parts)


class FieldsTask(SegmenterTask):
    """A network of any method on whole fields: detectors have their own loss, segmenters the plain cross-entropy."""

    def __init__(self, model: nn.Module, method: Method, cases: list[Case], n_seen: int, seed: int) -> None:
        super().__init__(model, [], np.ones(0), [], [], method.normalisation, BATCH, seed=seed, bfloat16=BFLOAT16)
        self.cases, self.n_seen = cases, n_seen

    def batches(self, epoch: int) -> Batches:
        """See `loop.Task`."""
        generator = torch.Generator().manual_seed(self.seed * SEED_STEP + epoch)

        def make(chosen: Sequence[int]) -> Any:
            return draw([self.cases[i] for i in chosen], generator, self.normalisation)

        return Drawn(len(self.cases), self.n_seen, self.batch, self.seed, make)

    def loss(self, batch: Any) -> Tensor:
        """Scalar."""
        if isinstance(self.model, Yolo | FasterRcnn):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bfloat16):
                return self.model.loss(batch.images.contiguous(memory_format=torch.channels_last), batch.boxes, batch.types)
        return F.binary_cross_entropy_with_logits(forward(self.model, batch.images, self.bfloat16)[:, 0], batch.wbc)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Nothing: the fold is judged once, after the training."""
        return {}


class PaperTask(PaperSegmenterTask):
    """The `paper` recipe until so many images were seen; in bfloat16, where the processor computes in it, for its time."""

    def __init__(self, model: nn.Module, cases: list[Case], n_seen: int, seed: int) -> None:
        squares = [case.square for case in cases]
        weights, batch = median_frequency([s.labels for s in squares]), RECIPES["segmenter", "paper"].batch
        super().__init__(model, squares, [], IMAGENET, weights, batch, seed, BFLOAT16)
        self.n_seen = n_seen

    def batches(self, epoch: int) -> Batches:
        """See `loop.Task`."""
        generator = torch.Generator().manual_seed(self.seed * SEED_STEP + epoch)
        return Drawn(len(self.samples), self.n_seen, self.batch, self.seed, lambda chosen: self._batch(chosen, generator))

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Nothing: the fold is judged once, after the training."""
        return {}


def train(task: Task, plan: Plan) -> nn.Module:
    """Train for one epoch of the task; the network with its averaged weights, in evaluation mode."""
    with TemporaryDirectory() as folder:
        for _ in fit(task, plan, Path(folder)):
            pass
        task.model.load_state_dict(best_weights(Path(folder)))
    return task.model.eval()


def train_classifier(data: Data, cases: Sequence[Case], weights: Path, n_seen: int, seed: int) -> nn.Module:
    """The second stage: AlexNet on the true crops of the training fields, as many crops seen as fields by the first."""
    cells = [NamedCell(case.pixels, box, case.types[i]) for case in cases for i, box in case.boxes.items()]
    model = AlexNet("original", 512, len(data.types))
    load_matching(model.features, read_npz(weights / f"{ALEXNET}.npz"))
    model.feature_scale = feature_scale(model, cells)
    model.to(memory_format=torch.channels_last)
    task = ClassifierTask(
        model, cells, cells[:1], len(data.types), IMAGENET, batch=BATCH * 4, strength=COLOUR,
        batches_per_epoch=max(1, n_seen // (BATCH * 4)), seed=seed, bfloat16=BFLOAT16,
    )  # fmt: skip
    return train(task, Plan(1, seed=seed))


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
        model = train(FieldsTask(model, method, learnt, n_seen, fold), Plan(1, seed=fold))
    parameters = sum(p.numel() for p in model.parameters())
    classifier = None
    if data.has_types and name in DETECTION and not isinstance(model, Yolo | FasterRcnn):
        classifier = train_classifier(data, learnt, weights, n_seen, fold)
        parameters += sum(p.numel() for p in classifier.parameters())
    train_s = time.monotonic() - start
    figures = judge(finder(model, method.normalisation, classifier, BFLOAT16), held, data.types)
    machine = f"{torch.get_num_threads()} threads, {'bfloat16' if BFLOAT16 else 'float32'}"
    return Row(
        method=name, fold=fold, folds=n_folds, images_seen=n_seen, n_train=len(learnt), n_test=len(held), parameters=parameters,
        start_weights=method.start or "none", machine=machine, train_s=train_s, **figures,
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
    kind = "by type" if typed else "the types of these data are not reliable: every method has the one type WBC"
    print(f"\nBoxes; {kind}:\n")
    print(detection_table(rows, two_stages))
    print(f"\n{anova(rows, list(DETECTION))}.")
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
