"""Make a model file from the last checkpoint of a training: the averaged weights, a card, and the figures of dev data.

python benchmarks/export_models.py segmenter|classifier WORK/NAME MODEL.safetensors
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from distort import distort, distort_box, laboratory
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from train_models import ANALYSIS_UM_PER_PX, MARGIN, NORMALISATION, OUTPUTS, named_cells, segmenter_samples

from napari_wbc.config import CELL_TYPES
from napari_wbc.metrics.cell_types import calibration_error
from napari_wbc.nets.alexnet import AlexNet
from napari_wbc.nets.checkpoint import Alex, Card, DeepLab, save_checkpoint
from napari_wbc.proportion import Proportion
from napari_wbc.training.augment import MINUS_ONE_TO_ONE
from napari_wbc.training.classification import ClassifierTask, NamedCell
from napari_wbc.training.classifier_job import fit_temperature
from napari_wbc.training.folders import whole_diameters_px
from napari_wbc.training.segmentation import SegmenterTask

BCCD = "BCCD fields (Shenggan; MIT) with masks of whole cells by Banik et al. (Expert Systems with Applications 149, 2020)"
PBC = "PBC single-cell images (Acevedo et al., Data in Brief 30, 2020, 105474; CC BY 4.0)"
CHULA = "Chula fields with boxes (S. Bekti; MIT)"
FIVE_REJECTED = 0.01
"""Share of the five types that may be called `unidentified` on dev data."""
FAR_REJECTED = 0.08
"""The same in laboratories far from the data."""


LEAST_PROBABILITY = 0.4
"""A cell whose likeliest type is less likely is `unidentified`."""
FAR = (11, 12, 13, 14)
"""Seeds of the laboratories that stand for those never seen, when probabilities are calibrated."""


def elsewhere(cells: Sequence[NamedCell]) -> list[NamedCell]:
    """The cells as laboratories far from the data would have them, each as one of `FAR`."""
    found = []
    for i, cell in enumerate(cells):
        how = laboratory(FAR[i % len(FAR)])
        found.append(NamedCell(distort(cell.image, how), distort_box(cell.box, how.scale), cell.target))
    return found


def averaged(folder: Path) -> tuple[dict[str, Tensor], int]:
    """The averaged weights of the last checkpoint, and the number of epochs."""
    mark = json.loads((folder / "epoch.json").read_text())
    tensors = load_file(folder / mark["file"])
    return {k.removeprefix("average."): v for k, v in tensors.items() if k.startswith("average.")}, mark["number"] + 1


def export_segmenter(work: Path, path: Path, metrics: dict[str, str]) -> None:
    """The segmenter, with the IoU over its validation images."""
    weights, epochs = averaged(work)
    architecture = DeepLab(encoder="mobilenet_v2")
    network = architecture.build(2)
    network.load_state_dict(weights)
    train, dev = segmenter_samples(work.parent)
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
        data=(BCCD, f"{PBC}, outlines by GrabCut inside their boxes", f"{CHULA}, outlines by the first training itself"),
        split="bccd: 268 train, 99 dev; pbc: 1 image of 20 held out; chula: slides B-42, E-14, L-9, N-2B held out",
        recipe=f"14 epochs of 120 × 6 windows of 256 px, then {epochs} with chula at learning rate 3e-4; AdamW, cosine; "
        "stain, colour, focus, scale varied; cells pasted",
        start_weights="MobileNetV2 trained on ImageNet, COCO, VOC (TensorFlow deeplabv3_mnv2_pascal_trainval; Apache-2.0)",
        licences=("weights: BSD-3-Clause", "start weights: Apache-2.0", "data: MIT, CC BY 4.0"),
        metrics={f"{name} on dev, analysis scale": f"{100 * value:.1f} %" for name, value in scores.items()} | metrics,
    )
    save_checkpoint(path, network, card)
    print(card.model_dump_json(indent=1))


NORMAL_BLOOD = {"basophil": 0.01, "eosinophil": 0.03, "lymphocyte": 0.30, "monocyte": 0.06, "neutrophil": 0.60}
"""Usual differential of an adult; training has seen the types about equally often."""
LEANING = 0.3
"""How far doubtful cells lean to it, on the scale of logarithms: 0 not at all, 1 as Bayes has it."""


def leaning(temperature: float) -> Tensor:
    """What is added to the logits so that doubtful cells lean to normal blood (Saerens et al., 2002; Menon et al., 2021)."""
    log_shares = torch.tensor([NORMAL_BLOOD[name] for name in CELL_TYPES]).log()
    return F.pad(LEANING * temperature * (log_shares - log_shares.mean()), (0, len(OUTPUTS) - len(CELL_TYPES)))


def export_classifier(work: Path, path: Path, metrics: dict[str, str]) -> None:
    """The classifier, its probabilities calibrated and the threshold of `unidentified` chosen on dev data."""
    weights, epochs = averaged(work)
    mark = json.loads((work / "feature_scale.json").read_text())
    architecture = Alex(form="original", width=512, feature_scale=mark)
    network = architecture.build(len(OUTPUTS))
    network.load_state_dict(weights)
    cells = named_cells("dev")
    task = ClassifierTask(network, cells, cells, NORMALISATION, margin=MARGIN)
    targets = torch.tensor([cell.target for cell in cells])
    plain = torch.from_numpy(task.predict(network.eval(), 0.0))
    task.validation = elsewhere(cells)
    far = torch.from_numpy(task.predict(network, 0.0))
    temperature = fit_temperature(torch.cat([plain, far]), torch.cat([targets, targets]))
    added = leaning(temperature)
    plain, far = plain + added, far + added
    with torch.no_grad():
        cast(nn.Linear, cast(AlexNet, network).classifier[-1]).bias.add_(added)
    five = targets < len(CELL_TYPES)
    none, none_far = (torch.softmax(logits / temperature, dim=1)[:, -1] for logits in (plain, far))
    near, away = torch.quantile(none[five], 1 - FIVE_REJECTED), torch.quantile(none_far[five], 1 - FAR_REJECTED)
    threshold = round(float(torch.maximum(near, away)), 4)
    for name, logits in (("plain", plain), ("other laboratories", far)):
        p = torch.softmax(logits[five, : len(CELL_TYPES)] / temperature, dim=1)
        rejected = torch.softmax(logits / temperature, dim=1)[:, -1] >= threshold
        hits = (p.argmax(1) == targets[five]).numpy()
        print(name, "right", hits.mean(), "calibration error", calibration_error(p.max(1).values.numpy(), hits))
        print("  five rejected", rejected[five].float().mean(), "others rejected", rejected[~five].float().mean())
        print("  unsure", (p.max(1).values < LEAST_PROBABILITY).float().mean())
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
        least_probability=LEAST_PROBABILITY,
        data=(PBC,),
        split="pbc train (4,689 cells with a box), dev (1,063)",
        recipe=f"{epochs} epochs of the default recipe, crops with aligned stain; fc6 and fc7 fresh, 512 wide; "
        f"doubtful cells lean to normal blood ({LEANING})",
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
