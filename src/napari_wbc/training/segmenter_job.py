"""Training the segmenter from results folders."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import nn

from ..cells import Analysis, CellTable, Field
from ..config import ASSUMED_UM_PER_PX
from ..domain import Numbers, Ranges, find_ranges, measure_domain
from ..errors import UsageError
from ..evaluate.compare import Compared, Pair, compare
from ..measure import measure
from ..nets.checkpoint import Card, DeepLab
from ..nets.deeplab import DeepLabV3Plus
from ..nets.segmenter import TorchSegmenter
from ..pipeline import segment_cells
from ..proportion import Proportion
from ..results import read_analysis
from ..results.pixels import read_pixels
from ..tiling import stitch, windows
from .begin import Start, load_matching
from .data import IGNORE, Sample, cut_patches
from .folders import Item, segmenter_items
from .jobs import Scores
from .loop import Task
from .paper import PaperSegmenterTask
from .promote import Comparison, compare_iou
from .recipes import SegmenterRecipe
from .segmentation import SegmenterTask
from .sources import Source, find_record
from .split import Split
from .weighting import median_frequency


class SegmenterJob:
    """DeepLabv3+."""

    def __init__(self, recipe: SegmenterRecipe, start: Start) -> None:
        self.recipe, self.start = recipe, start
        self.card = None if start.checkpoint is None else start.checkpoint.card
        if self.card is not None and recipe.field_px is not None and len(self.card.outputs) > 1:
            raise UsageError(
                f"The paper's recipe trains one map, and {self.card.name} has {len(self.card.outputs)}: "
                f"{', '.join(self.card.outputs)}. Fine-tune it with --recipe default, or begin with start weights (--start)."
            )

    def items(self, sources: Sequence[Source]) -> list[Item[Sample]]:
        """See `Job`."""
        um_per_px = self.recipe.um_per_px if self.card is None else self.card.um_per_px or self.recipe.um_per_px
        return segmenter_items(sources, um_per_px, self.recipe.field_px)

    def network(self, items: Sequence[Item[Sample]]) -> tuple[nn.Module, Card]:
        """See `Job`."""
        if self.start.checkpoint is not None:
            return copy.deepcopy(self.start.checkpoint.network).requires_grad_(True), self.start.checkpoint.card
        outputs = ("wbc",) if self.recipe.field_px else ("wbc", "core")
        assert self.start.encoder is not None
        architecture = DeepLab(encoder=self.start.encoder)
        network = DeepLabV3Plus(architecture.encoder, len(outputs))
        if self.start.tensors is not None:
            load_matching(network.encoder, self.start.tensors)
        diameters = [d * item.um_per_px for item in items for d in item.diameters_px]
        if not diameters:
            raise UsageError("No image has a whole cell, one that the border does not cut. Review images with whole cells.")
        card = Card(
            name="", task="segmenter", architecture=architecture, outputs=outputs,
            mean=self.start.normalisation.mean, std=self.start.normalisation.std,
            um_per_px=round(float(np.median([item.um_per_px for item in items])), 4),
            cell_diameter_um=round(float(np.median(diameters)), 1),
        )  # fmt: skip
        return network, card

    def task(self, network: nn.Module, split: Split, seed: int) -> Task:
        """See `Job`. Every results folder is drawn from equally often."""
        recipe, norm = self.recipe, self.start.normalisation
        train, held = [item.what for item in split.training], [item.what for item in split.validation]
        if recipe.field_px is not None:
            weights = median_frequency([sample.labels for sample in train])
            return PaperSegmenterTask(network, train, held, norm, weights, recipe.batch, seed, recipe.bfloat16)
        sources = [sample.source for sample in train]
        chances = np.array([1 / sources.count(source) for source in sources])
        batches = recipe.batches_per_epoch or -(-len(train) // recipe.batch)
        return SegmenterTask(
            network, train, chances, cut_patches(train), held, norm,
            recipe.batch, batches, recipe.window_px, seed, recipe.bfloat16,
        )  # fmt: skip

    def calibrate(self, network: nn.Module, card: Card, split: Split) -> Card:
        """See `Job`: what the images learnt from are like, beside what the model that training began with knew."""
        if self.card is not None and self.card.domain is None:
            return card
        return card.model_copy(update={"domain": {**(card.domain or {}), **domain_of(split.training)}})

    def judge(self, path: Path, items: Sequence[Item[Sample]], device: str) -> Scores:
        """IoU of the WBC in each image; an image without cells where none are found has 1."""
        segmenter = TorchSegmenter(path, device)
        found = []
        for item in items:
            image, tiles = item.what.image, windows(item.what.image.shape[:2])
            p = stitch(segmenter([image[tile.outer.slices] for tile in tiles]), tiles, image.shape[:2])[0] >= 0.5
            true, known = item.what.labels > 0, item.what.labels != IGNORE
            either = np.count_nonzero((p | true) & known)
            found.append(np.count_nonzero(p & true & known) / either if either else 1.0)
        return np.array(found)

    def examine(
        self, path: Path, items: Sequence[Item[Sample]], sources: Sequence[Source], device: str
    ) -> tuple[Compared, ...]:
        """See `Job`: outlines of the image's own size, at the pixel size that training took, against those of the person."""
        segmenter, answers = TorchSegmenter(path, device), []
        for item in items:
            source, record = find_record(sources, item.image)
            pixels = read_pixels(source.folder, record, source.roots)
            found = segment_cells(Field(pixels, record.row.um_per_px or ASSUMED_UM_PER_PX), segmenter)
            cells = CellTable(tuple(measure(pixels, found.labels, found.scores, found.scale.um_per_px)))
            analysis = Analysis(found.labels, cells, found.scale)
            answers.append(compare(Pair(item.image, analysis, read_analysis(source.folder, record.image))))
        return tuple(answers)

    def figures(self, scores: Scores, items: Sequence[Item[Sample]]) -> dict[str, str]:
        """See `Job`."""
        return {
            "held-out images, mean IoU of the WBC": f"{100 * scores.mean():.1f} % (n = {len(scores)})",
            "held-out images with IoU >= 0.7": str(Proportion(k=int((scores >= 0.7).sum()), n=len(scores))),
        }

    def compare(self, old: Scores, new: Scores) -> Comparison:
        """See `Job`."""
        return compare_iou(old, new)


def domain_of(items: Sequence[Item[Sample]]) -> dict[str, Ranges]:
    """What the images of each source are like; see `domain`."""
    numbers: dict[str, list[Numbers]] = {}
    for item in items:
        found = measure_domain(item.what.image, item.what.labels, item.um_per_px)
        numbers.setdefault(item.what.source, []).append(found)
    return {source: find_ranges(each) for source, each in sorted(numbers.items())}
