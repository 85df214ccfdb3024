"""Is a glance enough? What is found where the decoder looks only where it saw something at first glance, against everywhere.

    python benchmarks/glance.py [MODEL.safetensors] [--logit -4] [--every 1]

For each set of dev data and drawn fields: images with the same number of cells, the least Dice of a cell, and processor time
of the segmenter. The logit that changes nothing goes into `nets/segmenter.py`, by the SHA-256 of the model file.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import devdata
import numpy as np
import torch

from napari_wbc.cells import Probabilities, RgbImage, Segmentation
from napari_wbc.nets import model_path
from napari_wbc.nets.segmenter import GLANCES, TorchSegmenter
from napari_wbc.pipeline import segment_cells
from napari_wbc.proportion import Proportion
from napari_wbc.synthetic import draw_field


class Timed(TorchSegmenter):
    """A segmenter that adds up its processor time, s."""

    spent_s = 0.0

    def __call__(self, images: Iterable[RgbImage]) -> list[Probabilities]:
        """As the segmenter."""
        start = time.process_time()
        found = super().__call__(list(images))
        self.spent_s += time.process_time() - start
        return found


def sets(every: int) -> Iterator[tuple[str, Iterable[RgbImage]]]:
    """Names of sets, and their images."""
    yield "bccd dev", (real.pixels for real in islice(devdata.bccd("dev"), 0, None, every))
    yield "pbc dev", (real.pixels for real in islice(devdata.pbc("dev"), 0, None, every))
    yield "pbc dev, distorted", (real.pixels for real in islice(devdata.distorted(devdata.pbc("dev")), 0, None, every))
    yield "chula", (real.pixels for real in islice(devdata.chula(), 0, None, every))
    yield "drawn", (draw_field(np.random.default_rng(i), n_cells=i % 5).image for i in range(0, 100, every))


def least_dice(one: Segmentation, other: Segmentation) -> float:
    """The least Dice of cells of equal ids; 0 if there are not as many."""
    if len(one.scores) != len(other.scores):
        return 0.0
    ids = range(1, len(one.scores) + 1)
    pairs = [(one.labels == i, other.labels == i) for i in ids]
    return min((2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)) for a, b in pairs), default=1.0)


def main() -> None:
    """Print a line for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", default=model_path("default", "segmenter"))
    parser.add_argument("--logit", type=float)
    parser.add_argument("--every", type=int, default=1, help="judge every so manieth image")
    options = parser.parse_args()
    torch.set_num_threads(1)
    all_of_it, glancing = Timed(options.model, "cpu"), Timed(options.model, "cpu")
    sha256 = glancing.identity.partition("+")[0]
    all_of_it.glance, glancing.glance = None, GLANCES.get(sha256) if options.logit is None else options.logit
    print(f"{sha256}, from logit {glancing.glance}")
    for name, images in sets(options.every):
        all_of_it.spent_s = glancing.spent_s = 0.0
        dice = [least_dice(segment_cells(image, glancing), segment_cells(image, all_of_it)) for image in images]
        share = Proportion(k=sum(d > 0 for d in dice), n=len(dice))
        equal = sum(d == 1 for d in dice)
        print(
            f"{name}: as many cells in {share}; equal in {equal}, least Dice {min(dice):.4f}; "
            f"{1000 * glancing.spent_s / len(dice):.1f} ms an image, everywhere {1000 * all_of_it.spent_s / len(dice):.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
