"""Train the bundled models from the development data (see docs/results.md for what came of it).

    python benchmarks/pseudo_masks.py WORK
    python benchmarks/train_models.py segmenter WORK --start mobilenet_v2_imagenet_coco_voc.npz
    python benchmarks/pseudo_masks.py WORK --chula --segmenter FIRST.safetensors
    python benchmarks/train_models.py segmenter WORK --start FIRST.safetensors --epochs 8 --lr 3e-4 --name second
    python benchmarks/train_models.py classifier WORK --start alexnet_bvlc_features_imagenet.npz

Checkpoints after every epoch in WORK; the same command continues a training that was stopped.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import cast

import devdata
import numpy as np
import torch
from torch import nn

from napari_wbc.config import CELL_TYPES
from napari_wbc.crop import crop
from napari_wbc.nets.alexnet import AlexNet
from napari_wbc.nets.checkpoint import read_checkpoint
from napari_wbc.nets.deeplab import DeepLabV3Plus
from napari_wbc.nets.start import load_start, read_npz
from napari_wbc.training.augment import IMAGENET, MINUS_ONE_TO_ONE
from napari_wbc.training.classification import ClassifierTask, NamedCell
from napari_wbc.training.data import Sample, cut_patches, make_sample
from napari_wbc.training.loop import Plan, Task, fit
from napari_wbc.training.recipes import ClassifierRecipe, make_recipe
from napari_wbc.training.segmentation import SegmenterTask

ANALYSIS_UM_PER_PX = 0.19
SHARES = {"bccd": 1.0, "pbc": 1.0, "chula": 0.5}
"""Of the windows, by set: the outlines of chula are the segmenter's own."""


def field_sample(real: devdata.Real) -> Sample:
    """A bccd field at the analysis scale."""
    assert real.labels is not None
    return make_sample(real.pixels, real.labels, devdata.UM_PER_PX["bccd"] / ANALYSIS_UM_PER_PX, "bccd")


def segmenter_samples(work: Path) -> tuple[list[Sample], list[Sample]]:
    """Training and validation images at the analysis scale; those of chula where they have outlines."""
    train = [field_sample(r) for r in devdata.bccd("train")]
    dev = [field_sample(r) for r in devdata.bccd("dev")]
    with np.load(work / "pbc_masks.npz") as masks:
        for i, name in enumerate(masks.files):
            pixels, scale = devdata.read_rgb(devdata.ROOT / "pbc" / name), devdata.UM_PER_PX["pbc"] / ANALYSIS_UM_PER_PX
            sample = make_sample(pixels, masks[name].astype(np.int32), scale, "pbc")
            (dev if i % 20 == 0 else train).append(sample)
    if (work / "chula_masks.npz").is_file():
        with np.load(work / "chula_masks.npz") as labels:
            fields = {real.name: real for real in devdata.chula()}
            scale = devdata.UM_PER_PX["chula"] / ANALYSIS_UM_PER_PX
            train += [make_sample(fields[n].pixels, labels[n].astype(np.int32), scale, "chula") for n in labels.files]
    return train, dev


def segmenter_task(work: Path, start: Path) -> SegmenterTask:
    """MobileNetV2 DeepLabv3+ on bccd and pbc, as many windows from each, and half as many from chula."""
    train, dev = segmenter_samples(work)
    model: nn.Module = DeepLabV3Plus("mobilenet_v2", 2)
    if start.suffix == ".safetensors":
        model = read_checkpoint(start, "segmenter").network.requires_grad_(True)
    else:
        load_start(cast(DeepLabV3Plus, model).encoder, read_npz(start), "features.")
    counts = Counter(s.source for s in train)
    weights = np.array([SHARES[s.source] / counts[s.source] for s in train])
    return SegmenterTask(model.to(memory_format=torch.channels_last), train, weights, cut_patches(train), dev, MINUS_ONE_TO_ONE)


RECIPE = cast(ClassifierRecipe, make_recipe("classifier", "default", {}))
MARGIN = RECIPE.margin
NORMALISATION = replace(IMAGENET, stain_aligned=RECIPE.stain_aligned)
OUTPUTS = (*CELL_TYPES, "other")
"""Immature granulocytes, erythroblasts and platelets are `other`: none of the five."""


def named_cells(split: str) -> list[NamedCell]:
    """The cells of pbc that have a box."""
    return [
        NamedCell(r.pixels, r.boxes[0], OUTPUTS.index(r.cell_type if r.cell_type in CELL_TYPES else "other"))
        for r in devdata.pbc(split)
        if r.boxes
    ]


def feature_scale(model: AlexNet, cells: list[NamedCell]) -> float:
    """1 ÷ the standard deviation of the last feature map on a sample of crops."""
    sample = cells[:: max(1, len(cells) // 64)]
    with torch.inference_mode():
        crops = np.stack([crop(c.image, c.box, 227, MARGIN) for c in sample])
        images = NORMALISATION(torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255)
        return float(1 / model.features(images).std())


def classifier_task(folder: Path, start: Path, width: int = 512) -> ClassifierTask:
    """AlexNet in its original form, fc6 and fc7 fresh and 512 wide, on the cells of pbc."""
    train, dev = named_cells("train"), named_cells("dev")
    model = AlexNet("original", width, len(OUTPUTS))
    load_start(model.features, read_npz(start))
    model.feature_scale = feature_scale(model, train)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "feature_scale.json").write_text(json.dumps(model.feature_scale))
    return ClassifierTask(
        model.to(memory_format=torch.channels_last), train, dev, NORMALISATION,
        margin=MARGIN, strength=RECIPE.strength, mixed=RECIPE.mixed,
    )  # fmt: skip


def main() -> None:
    """Train one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["segmenter", "classifier"])
    parser.add_argument("work", type=Path)
    parser.add_argument("--start", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--name", default="")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    folder = args.work / (args.name or args.what)
    task: Task = segmenter_task(args.work, args.start) if args.what == "segmenter" else classifier_task(folder, args.start)
    for epoch in fit(task, Plan(args.epochs, lr=args.lr), folder):
        print(epoch, flush=True)


if __name__ == "__main__":
    main()
