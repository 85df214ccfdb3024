"""Make a model file from the last checkpoint of a training: the averaged weights, a card, and the figures of dev data.

python benchmarks/export_models.py segmenter|classifier WORK MODEL.safetensors
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from train_models import ANALYSIS_UM_PER_PX, MARGIN, NORMALISATION, OUTPUTS, RECIPE, named_cells, segmenter_samples

from napari_wbc.config import CELL_TYPES
from napari_wbc.nets.checkpoint import Alex, Card, DeepLab, save_checkpoint
from napari_wbc.proportion import Proportion
from napari_wbc.training.augment import MINUS_ONE_TO_ONE
from napari_wbc.training.classification import ClassifierTask
from napari_wbc.training.classifier_job import fit_temperature
from napari_wbc.training.folders import whole_diameters_px
from napari_wbc.training.segmentation import SegmenterTask

BCCD = "BCCD fields (Shenggan; MIT) with masks of whole cells by Banik et al. (Expert Systems with Applications 149, 2020)"
PBC = "PBC single-cell images (Acevedo et al., Data in Brief 30, 2020, 105474; CC BY 4.0)"
FIVE_REJECTED = 0.01
"""Share of the five types that may be called `unidentified` on dev data."""


def averaged(folder: Path) -> tuple[dict[str, Tensor], int]:
    """The averaged weights of the last checkpoint, and the number of epochs."""
    mark = json.loads((folder / "epoch.json").read_text())
    tensors = load_file(folder / mark["file"])
    return {k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")}, mark["number"] + 1


def export_segmenter(work: Path, path: Path, metrics: dict[str, str]) -> None:
    """The segmenter, with the IoU over its validation images."""
    weights, epochs = averaged(work / "segmenter")
    architecture = DeepLab(encoder="mobilenet_v2")
    network = architecture.build(2)
    network.load_state_dict(weights)
    train, dev = segmenter_samples(work)
    task = SegmenterTask(network, train, np.ones(len(train)), [], dev, MINUS_ONE_TO_ONE)
    scores = task.validate(network.eval())
    diameters_px = [diameter for sample in train for diameter in whole_diameters_px(sample.labels)]
    card = Card(
        name="mobilenet_v2",
        task="segmenter",
        architecture=architecture,
        outputs=("wbc", "core"),
        mean=MINUS_ONE_TO_ONE.mean,
        std=MINUS_ONE_TO_ONE.std,
        um_per_px=ANALYSIS_UM_PER_PX,
        cell_diameter_um=round(float(np.median(diameters_px)) * ANALYSIS_UM_PER_PX, 1),
        data=(BCCD, f"{PBC}, outlines by GrabCut inside their boxes"),
        split="bccd: 268 train, 99 dev; pbc: 1 image of 20 held out",
        recipe=f"{epochs} epochs of 120 × 6 windows of 256 px; AdamW, cosine; stain, colour, focus, scale varied; cells pasted",
        start_weights="MobileNetV2 trained on ImageNet, COCO, VOC (TensorFlow deeplabv3_mnv2_pascal_trainval; Apache-2.0)",
        licences=("weights: BSD-3-Clause", "start weights: Apache-2.0", "data: MIT, CC BY 4.0"),
        metrics={f"{name} on dev, analysis scale": f"{100 * value:.1f} %" for name, value in scores.items()} | metrics,
    )
    save_checkpoint(path, network, card)
    print(card.model_dump_json(indent=1))


def export_classifier(work: Path, path: Path, metrics: dict[str, str]) -> None:
    """The classifier, its probabilities calibrated and the threshold of `unidentified` chosen on dev data."""
    weights, epochs = averaged(work / "classifier")
    mark = json.loads((work / "classifier" / "feature_scale.json").read_text())
    architecture = Alex(form="original", width=512, feature_scale=mark)
    network = architecture.build(len(OUTPUTS))
    network.load_state_dict(weights)
    cells = named_cells("dev")
    task = ClassifierTask(network, cells, cells, len(OUTPUTS), NORMALISATION, margin=MARGIN)
    targets = torch.tensor([cell.target for cell in cells])
    plain = torch.from_numpy(task.predict(network.eval(), 0.0))
    other = torch.from_numpy(task.predict(network, RECIPE.strength))
    temperature = fit_temperature(torch.cat([plain, other]), torch.cat([targets, targets]))
    none = torch.softmax(plain / temperature, dim=1)[:, -1]
    five = targets < len(CELL_TYPES)
    threshold = round(float(torch.quantile(none[five], 1 - FIVE_REJECTED)), 4)
    right = (plain[:, : len(CELL_TYPES)].argmax(1) == targets)[five]
    card = Card(
        name="alexnet",
        task="classifier",
        architecture=architecture,
        outputs=OUTPUTS,
        mean=NORMALISATION.mean,
        std=NORMALISATION.std,
        crop_margin=MARGIN,
        stain_aligned=NORMALISATION.stain_aligned,
        temperature=round(temperature, 4),
        none_of_five_threshold=threshold,
        data=(PBC,),
        split="pbc train (4,689 cells with a box), dev (1,063)",
        recipe=f"{epochs} epochs, AdamW, cosine; stain, colour, focus, scale and place varied; fc6 and fc7 fresh, 512 wide",
        start_weights="conv1-5 of the original AlexNet, ImageNet (Ding et al., 2014; released for unrestricted use)",
        licences=("weights: BSD-3-Clause", "start weights: unrestricted use", "data: CC BY 4.0"),
        metrics={
            "pbc dev, true boxes": str(Proportion(k=int(right.sum()), n=len(right))),
            "others rejected": str(Proportion(k=int((none[~five] >= threshold).sum()), n=int((~five).sum()))),
        }
        | metrics,
    )
    save_checkpoint(path, network, card)
    print(card.model_dump_json(indent=1))


def main() -> None:
    """Export one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["segmenter", "classifier"])
    parser.add_argument("work", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--metric", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="put on the card")
    args = parser.parse_args()
    (export_segmenter if args.what == "segmenter" else export_classifier)(args.work, args.model, dict(args.metric))


if __name__ == "__main__":
    main()
