"""Drawn smears as a results folder that a person has corrected, and tiny models."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow

from napari_wbc.cells import Analysis, CellTable, Scale
from napari_wbc.config import CELL_TYPES, Settings
from napari_wbc.measure import measure
from napari_wbc.nets.checkpoint import Alex, Card, DeepLab, save_checkpoint
from napari_wbc.results import write_analysis
from napari_wbc.results.record import InputFile, Origin
from napari_wbc.results.runfile import Model, begin, write_run
from napari_wbc.results.storage import file_sha256
from napari_wbc.synthetic import draw_field

UNIT = (0.5, 0.5, 0.5)
UM_PER_PX = 0.4


def corrected(
    folder: Path, images: tuple[str, ...] = ("s1/a.png", "s1/b.png", "s2/a.png", "s2/b.png"), n_cells: int = 2, seed: int = 0
) -> Path:
    """Draw small fields and write them as reviewed images whose cells a person named; the results folder."""
    rng, out = np.random.default_rng(seed), folder / "results"
    for image in images:
        drawn = draw_field(rng, (120, 160), n_cells, UM_PER_PX)
        path = folder / "images" / image
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(drawn.image).save(path)
        measured = measure(drawn.image, drawn.labels, {}, UM_PER_PX)
        cells = tuple(dataclasses.replace(c, cell_type=drawn.cell_types[c.cell_id], type_source="human") for c in measured)
        analysis = Analysis(drawn.labels, CellTable(cells), Scale(UM_PER_PX, 1.0, "user"))
        source = InputFile(sha256=file_sha256(path))
        write_analysis(
            out,
            image,
            analysis,
            source,
            Origin(segmenter="", classifier="", settings=""),
            reviewed_by="A",
            reviewed_at="2026-01-01",
        )
    model = Model(name="none", identity="none")
    write_run(out, begin("../images", Settings(), model, model, "cpu", 0))
    return out


def tiny_segmenter(path: Path) -> Path:
    """A fresh DeepLabv3+ on MobileNetV2."""
    torch.manual_seed(0)
    card = Card(
        name="tiny", task="segmenter", architecture=DeepLab(encoder="mobilenet_v2"), outputs=("wbc", "core"), mean=UNIT, std=UNIT,
        um_per_px=0.8, cell_diameter_um=13.0, data=("old data",), licences=("BSD",), split="old split", recipe="old recipe",
        start_weights="ImageNet", metrics={"old": "99 %"},
    )  # fmt: skip
    save_checkpoint(path, card.architecture.build(2), card)
    return path


def tiny_classifier(path: Path, likes: int | None = None) -> Path:
    """A fresh narrow AlexNet; `likes`: it names everything so."""
    torch.manual_seed(0)
    card = Card(
        name="tiny", task="classifier", architecture=Alex(width=4), outputs=(*CELL_TYPES, "other"), mean=UNIT, std=UNIT,
        crop_margin=0.3, temperature=1.7, none_of_five_threshold=0.9, data=("old data",), licences=("BSD",), start_weights="ImageNet",
    )  # fmt: skip
    network = card.architecture.build(6)
    if likes is not None:
        last = network.classifier[6]
        last.weight.data.zero_()
        last.bias.data.zero_()[likes] = 9.0
    save_checkpoint(path, network, card)
    return path
