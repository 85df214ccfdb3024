"""The methods of the comparison: their networks, and how each is trained until so many images were seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from baselines import FCNAlexNet, SegNet, UNet
from comparison_data import COLOUR, SIZE_PX, Case, Data, draw
from detectors import FasterRcnn, Yolo
from torch import Tensor, nn
from torch.nn import functional as F
from train_models import feature_scale

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

BATCH = 4
BFLOAT16 = computes_bfloat16(torch.device("cpu"))
RESNET, MOBILENET, ALEXNET = "resnet50_imagenet", "mobilenet_v2_imagenet_coco_voc", "alexnet_bvlc_features_imagenet"


@dataclass(frozen=True)
class Method:
    """A method: its title, network by number of types, start weights (a file's stem), scaling of inputs, learning rate."""

    title: str
    build: Callable[[int], nn.Module]
    start: str | None = None
    normalisation: Normalisation = IMAGENET
    lr: float = Plan.lr


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
    "yolo": Method("one-stage (YOLO-style), MobileNetV2", Yolo, MOBILENET, MINUS_ONE_TO_ONE, 3e-3),
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
        model, cells, cells[:1], IMAGENET, batch=BATCH * 4, strength=COLOUR,
        batches_per_epoch=max(1, n_seen // (BATCH * 4)), seed=seed, bfloat16=BFLOAT16,
    )  # fmt: skip
    return train(task, Plan(1, seed=seed))
