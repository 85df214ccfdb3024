"""How a trained network finds the cells of a field, and how well: the figures of one fold of the comparison."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from comparison_data import SIZE_PX, Case
from detectors import FasterRcnn, Yolo
from torch import nn

from napari_wbc.cells import Box, Mask
from napari_wbc.cleanup import clean_up, drop_doubtful
from napari_wbc.crop import boxes, crop
from napari_wbc.metrics.objects import average_precision, match_boxes
from napari_wbc.metrics.pixels import boundary_score, iou, mean_accuracy, mean_iou, pixel_confusion, tolerance_px
from napari_wbc.metrics.ratios import mean_of_defined
from napari_wbc.nets.alexnet import CROP_SIZE_PX
from napari_wbc.separate import label_components
from napari_wbc.training.augment import IMAGENET, Normalisation
from napari_wbc.training.segmentation import forward

MIN_AREA_PX = 200
"""Area opening of the paper, px of the square field."""
MIN_IOU = 0.7


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in a field: boxes (native px), scores, types; a segmenter also gives its mask (S, S), before clean-up."""

    boxes: list[Box]
    scores: list[float]
    types: list[int]
    mask: Mask | None = None


Find = Callable[[Case], Found]


def native(case: Case, box: Sequence[float]) -> Box:
    """A box of the square field as one of the native image."""
    height, width = case.pixels.shape[:2]
    fy, fx = height / SIZE_PX, width / SIZE_PX
    y0, x0, y1, x1 = box
    return Box(round(y0 * fy), round(x0 * fx), round(y1 * fy), round(x1 * fx))


def finder(model: nn.Module, normalisation: Normalisation, classifier: nn.Module | None, bfloat16: bool) -> Find:
    """The way from a field to its cells: a detector's, or the two stages, the second only where there is a classifier."""

    def image(case: Case) -> torch.Tensor:
        return normalisation(torch.from_numpy(case.square.image.copy()).permute(2, 0, 1)[None].float() / 255)

    def detect(case: Case) -> Found:
        assert isinstance(model, Yolo | FasterRcnn)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            found = model.detect(image(case).contiguous(memory_format=torch.channels_last))
        return Found([native(case, b) for b in found.boxes.tolist()], found.scores.tolist(), found.types.tolist())

    def two_stages(case: Case) -> Found:
        p = torch.sigmoid(forward(model, image(case), bfloat16))[0, 0].numpy()
        labels, scores = drop_doubtful(label_components(clean_up(p > 0.5, MIN_AREA_PX)), p, 0.0)
        places = [native(case, box) for box in boxes(labels).values()]
        types = [0] * len(places)
        if classifier is not None and places:
            crops = np.stack([crop(case.pixels, box, CROP_SIZE_PX, 0.15) for box in places])
            logits = forward(classifier, IMAGENET(torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255), bfloat16)
            types = logits.argmax(dim=1).tolist()
        return Found(places, list(scores.values()), types, p > 0.5)

    return detect if isinstance(model, Yolo | FasterRcnn) else two_stages


def judge(find: Find, cases: Sequence[Case], types: tuple[str, ...]) -> dict[str, float]:
    """The figures of a fold, and the median seconds from a resized field to its cells, one field at a time."""
    found, seconds = [], []
    with torch.inference_mode():
        for case in cases:
            start = time.perf_counter()
            found.append(find(case))
            seconds.append(time.perf_counter() - start)
    by_type = {f"ap_{name}": type_ap(found, cases, i) for i, name in enumerate(types)}
    return {"ap": mean_of_defined(list(by_type.values())), "field_s": float(np.median(seconds))} | (
        pixel_figures(found, cases) | (by_type if len(types) > 1 else {})
    )


def type_ap(found: Sequence[Found], cases: Sequence[Case], cell_type: int) -> float:
    """AP@0.7 of the boxes of one type over all fields; nan where the type does not occur."""
    scores, right, n_true = [], [], 0
    for f, case in zip(found, cases, strict=True):
        chosen = [i for i, t in enumerate(f.types) if t == cell_type]
        true = [box for i, box in case.boxes.items() if case.types[i] == cell_type]
        of_type = [f.scores[i] for i in chosen]
        matches = match_boxes([f.boxes[i] for i in chosen], of_type, true, MIN_IOU)
        scores += of_type
        right += (matches >= 0).tolist()
        n_true += len(true)
    return average_precision(scores, right, n_true)


def pixel_figures(found: Sequence[Found], cases: Sequence[Case]) -> dict[str, float]:
    """Table 1's figures, all pixels of the fold together, BF as a mean over fields; nothing for a detector."""
    pairs = [(case.square.labels > 0, f.mask) for f, case in zip(found, cases, strict=True) if f.mask is not None]
    if not pairs:
        return {}
    theta_px = tolerance_px((SIZE_PX, SIZE_PX))
    confusion = sum((pixel_confusion(true, mask) for true, mask in pairs), np.zeros((2, 2), dtype=np.int64))
    return {
        "mean_accuracy": mean_accuracy(confusion),
        "mean_iou": mean_iou(confusion),
        "wbc_iou": float(iou(confusion)[1]),
        "bf": mean_of_defined([boundary_score(true, mask, theta_px).bf for true, mask in pairs]),
        "theta_px": theta_px,
    }
