"""What 20, 50 and 100 cells of a new laboratory bring, and what is forgotten: pbc dev under one strong, fixed distortion.

    python benchmarks/fine_tuning.py WORK [--classifier NAME|FILE] [--laboratory SEED …] [--cells N …]

The cells are saved as images with a results folder in which a person named them, and `napari-wbc train classifier` fine-tunes
the model on it as it comes. Judged on the other cells of pbc dev, plain and distorted, crops from true boxes.
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
from pathlib import Path

import devdata
import numpy as np
from distort import Distortion, distort, distort_box, laboratory
from PIL import Image as Pillow

from napari_wbc.batch.discover import discover
from napari_wbc.batch.intake import load
from napari_wbc.cells import Analysis, Box, CellTable, Labels, RgbImage, Scale
from napari_wbc.config import CELL_TYPES, Settings
from napari_wbc.crop import crop
from napari_wbc.measure import measure
from napari_wbc.nets import model_path
from napari_wbc.nets.classifier import TorchClassifier
from napari_wbc.pipeline import unidentified
from napari_wbc.proportion import Proportion
from napari_wbc.results import write_analysis
from napari_wbc.results.record import Origin
from napari_wbc.results.runfile import Model, begin, write_run
from napari_wbc.training.recipes import make_recipe
from napari_wbc.training.train import Request, train


def corrected(folder: Path, reals: list[devdata.Real], how: Distortion) -> Path:
    """A results folder of the distorted images in which a person named every cell; outlines are ellipses in the true boxes."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "images").mkdir(parents=True)
    by_name = {}
    for real in reals:
        name = real.name.replace("/", "_").replace(".jpg", ".png")
        Pillow.fromarray(distort(real.pixels, how)).save(folder / "images" / name)
        by_name[name] = real
    out, nobody = folder / "results", Model(name="-", identity="-")
    write_run(out, begin("../images", Settings(), nobody, nobody, "none", 0))
    for found in discover([folder / "images"], out).images:
        loaded, real = load(found, 150), by_name[found.name]
        pixels = np.asarray(Pillow.open(folder / "images" / found.name))
        labels = ellipse(pixels.shape[:2], distort_box(real.boxes[0], how.scale))
        (cell,) = measure(pixels, labels, {}, None)
        named = dataclasses.replace(cell, cell_type=real.cell_type, type_source="human")
        analysis = Analysis(labels, CellTable((named,)), Scale(None, 1.0, "assumed"))
        write_analysis(
            out, found.name, analysis, loaded.source, Origin(segmenter="-", classifier="-", settings="-"), edited=True
        )
    return out


def ellipse(shape: tuple[int, ...], box: Box) -> Labels:
    """Labels (H, W) int32 of one cell: the ellipse that touches the four sides of its box."""
    y, x = np.indices(shape)
    centre, half = ((box.y0 + box.y1 - 1) / 2, (box.x0 + box.x1 - 1) / 2), (box.height / 2, box.width / 2)
    inside = ((y - centre[0]) / half[0]) ** 2 + ((x - centre[1]) / half[1]) ** 2 <= 1
    return np.asarray(inside, dtype=np.int32)


def crops_of(reals: list[devdata.Real], how: Distortion | None, margin: float | None) -> list[RgbImage]:
    """Crops from the true boxes, plain or distorted."""
    if how is None:
        return [crop(real.pixels, real.boxes[0], 227, margin) for real in reals]
    return [crop(distort(r.pixels, how), distort_box(r.boxes[0], how.scale), 227, margin) for r in reals]


def right(model: Path, crops: list[RgbImage], reals: list[devdata.Real]) -> Proportion:
    """Cells named right; one that is called `unidentified` is wrong."""
    classifier = TorchClassifier(model, "cpu")
    p, none = classifier(crops)
    named = np.where(unidentified(p, none, classifier), -1, p.argmax(axis=1))
    return Proportion(k=int((named == [CELL_TYPES.index(real.cell_type) for real in reals]).sum()), n=len(reals))


def main() -> None:
    """Print a table: before, and after fine-tuning on so many cells."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--classifier", default="default")
    parser.add_argument("--laboratory", type=int, nargs="+", default=[23, 27])
    parser.add_argument("--cells", type=int, nargs="+", default=[20, 50, 100])
    parser.add_argument("--set", nargs="*", default=[], dest="changes", metavar="NAME=VALUE")
    args = parser.parse_args()
    cells = [real for real in devdata.pbc("dev") if real.boxes and real.cell_type in CELL_TYPES]
    order = np.random.default_rng(0).permutation(len(cells))
    taught, held = [cells[i] for i in order[: max(args.cells)]], [cells[i] for i in order[max(args.cells) :]]
    old = model_path(args.classifier, "classifier")
    margin = TorchClassifier(old, "cpu").crop_margin
    plain = crops_of(held, None, margin)
    before = right(old, plain, held)
    print(f"plain, before: {before}", flush=True)
    for seed in args.laboratory:
        how = laboratory(seed)
        other = crops_of(held, how, margin)
        print(f"laboratory {seed}, before: {right(old, other, held)}", flush=True)
        for n in args.cells:
            folder = args.work / f"laboratory{seed}_{n}"
            results = corrected(folder, taught[:n], how)
            recipe = make_recipe("classifier", "default", dict(change.split("=", 1) for change in args.changes))
            request = Request(
                what="classifier",
                data=(results,),
                model=folder / "model.safetensors",
                recipe=recipe,
                from_model=str(old),
                device="cpu",
            )
            for _ in train(request):
                pass
            new = request.model
            print(f"  {n} cells: {right(new, other, held)}; plain: {right(new, plain, held)}", flush=True)


if __name__ == "__main__":
    main()
