"""Training the classifier from results folders."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..cells import Probabilities
from ..config import CELL_TYPES, UNIDENTIFIED
from ..crop import crop
from ..errors import UsageError
from ..nets.alexnet import AlexNet
from ..nets.checkpoint import Alex, Card
from ..nets.classifier import OTHER, TorchClassifier
from ..pipeline import unidentified
from ..proportion import Proportion
from .begin import Start, load_matching
from .classification import ClassifierTask, NamedCell
from .folders import Item, classifier_items
from .jobs import Scores
from .loop import without_triton
from .out_of_fold import Named
from .paper import PaperClassifierTask
from .promote import Comparison, compare_right
from .recipes import ClassifierRecipe
from .sources import Source
from .split import Split

MIN_CALIBRATION_CELLS = 50
"""With fewer held-out cells the temperature and the threshold stay those of the card that training began with."""
FIVE_REJECTED = 0.01
"""Share of the held-out cells of the five types that may be called `unidentified`."""


class ClassifierJob:
    """AlexNet."""

    def __init__(self, recipe: ClassifierRecipe, start: Start) -> None:
        self.recipe, self.start = recipe, start
        self.card = None if start.checkpoint is None else start.checkpoint.card

    def items(self, sources: Sequence[Source]) -> list[Item[NamedCell]]:
        """See `Job`. A network without the output `other`, such as the paper's, learns from the five types alone."""
        items = classifier_items(sources)
        has_other = OTHER in self.card.outputs if self.card is not None else self.recipe.name != "paper"
        kept = [item for item in items if has_other or item.stratum != OTHER]
        if not kept:
            raise UsageError(
                f"None of the {len(items)} cells named by a person is one of the five types, {', '.join(CELL_TYPES)}."
            )
        return kept

    def network(self, items: Sequence[Item[NamedCell]]) -> tuple[nn.Module, Card]:
        """See `Job`. The output `other` is there if there are cells to teach it."""
        if self.start.checkpoint is not None:
            return copy.deepcopy(self.start.checkpoint.network).requires_grad_(True), self.start.checkpoint.card
        outputs = (*CELL_TYPES, OTHER) if any(item.stratum == OTHER for item in items) else CELL_TYPES
        recipe, tensors = self.recipe, self.start.tensors or {}
        first = next((t for t in tensors.values() if t.ndim == 4), None)
        form = "torchvision" if first is not None and len(first) == 64 else "original"
        network = AlexNet(form, recipe.width, len(outputs))
        if tensors:
            load_matching(network.features, tensors)
        network.feature_scale = self._feature_scale(network, [item.what for item in items])
        card = Card(
            name="", task="classifier",
            architecture=Alex(form=form, width=recipe.width, feature_scale=network.feature_scale),
            outputs=outputs, mean=self.start.normalisation.mean, std=self.start.normalisation.std,
            crop_size_px=recipe.crop_px, crop_margin=recipe.margin, stain_aligned=recipe.stain_aligned,
        )  # fmt: skip
        return network, card

    def _feature_scale(self, network: AlexNet, cells: Sequence[NamedCell]) -> float:
        """1 ÷ the standard deviation of the last feature map on a sample of crops, so that fresh layers can learn."""
        crops = [crop(c.image, c.box, self.recipe.crop_px, self.recipe.margin) for c in cells[:: max(1, len(cells) // 64)]]
        with torch.inference_mode():
            images = self.start.normalisation(torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255)
            return float(1 / network.features(images).std().clamp(min=1e-6))

    def task(self, network: nn.Module, split: Split, seed: int) -> ClassifierTask:
        """See `Job`. A model that is fine-tuned keeps the margin of its crops."""
        recipe, card = self.recipe, self.card
        kind = PaperClassifierTask if recipe.name == "paper" else ClassifierTask
        train, held = [item.what for item in split.training], [item.what for item in split.validation]
        return kind(
            network, train, held, self.start.normalisation,
            card.crop_size_px if card else recipe.crop_px, card.crop_margin if card else recipe.margin,
            recipe.batch, recipe.strength, recipe.mixed, recipe.batches_per_epoch, seed, recipe.bfloat16,
        )  # fmt: skip

    def calibrate(self, network: nn.Module, card: Card, split: Split) -> Card:
        """The temperature, and the threshold of `unidentified` that calls 1 % of the five so, on the held-out cells."""
        task = self.task(network, split, 0)
        targets = torch.tensor([cell.target for cell in task.validation])
        five = targets < len(CELL_TYPES)
        if int(five.sum()) < MIN_CALIBRATION_CELLS:
            return card
        logits, other = (torch.from_numpy(task.predict(network, strength)) for strength in (0.0, self.recipe.strength))
        temperature = fit_temperature(torch.cat([logits, other]), torch.cat([targets, targets]))
        update: dict[str, float] = {"temperature": round(temperature, 4)}
        if OTHER in card.outputs:
            none = torch.softmax(logits / temperature, dim=1)[five, -1]
            update["none_of_five_threshold"] = round(float(torch.quantile(none, 1 - FIVE_REJECTED)), 4)
        return card.model_copy(update=update)

    def judge(self, path: Path, items: Sequence[Item[NamedCell]], device: str) -> Scores:
        """1 for each cell that is named right; what is none of the five should be `unidentified`."""
        named, _ = _name(path, items, device)
        return np.asarray(named == [item.what.target for item in items], dtype=np.float64)

    def examine(
        self, path: Path, items: Sequence[Item[NamedCell]], sources: Sequence[Source], device: str
    ) -> tuple[Named, ...]:
        """See `Job`."""
        named, p = _name(path, items, device)
        names = (*CELL_TYPES, UNIDENTIFIED)
        return tuple(
            Named(image=item.image, true=item.stratum, named=names[place], p=tuple(round(float(value), 4) for value in row))
            for item, place, row in zip(items, named, p, strict=True)
        )

    def figures(self, scores: Scores, items: Sequence[Item[NamedCell]]) -> dict[str, str]:
        """See `Job`."""
        strata = np.array([item.stratum for item in items])
        found = {"held-out cells named right": Proportion(k=int(scores.sum()), n=len(scores))} | {
            f"held-out {name}": Proportion(k=int(scores[strata == name].sum()), n=int((strata == name).sum()))
            for name in (*CELL_TYPES, OTHER)
            if (strata == name).any()
        }
        return {name: str(value) for name, value in found.items()}

    def compare(self, old: Scores, new: Scores) -> Comparison:
        """See `Job`."""
        return compare_right(old, new)


def _name(path: Path, items: Sequence[Item[NamedCell]], device: str) -> tuple[npt.NDArray[np.intp], Probabilities]:
    """The place of each cell's name in the five, 5 for `unidentified`, (N,), and the probabilities of the five, (N, 5)."""
    classifier = TorchClassifier(path, device)
    size, margin = classifier.crop_size_px, classifier.crop_margin
    p, none = classifier([crop(item.what.image, item.what.box, size, margin) for item in items])
    return np.where(unidentified(p, none, classifier), len(CELL_TYPES), p.argmax(axis=1)), p


def fit_temperature(logits: Tensor, targets: Tensor) -> float:
    """The temperature that minimises the cross-entropy (Guo et al., 2017), 0.05 to 20."""
    log_temperature = nn.Parameter(torch.zeros(()))
    with without_triton():
        optimiser = torch.optim.LBFGS([log_temperature], max_iter=50)

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(logits / log_temperature.exp(), targets)
        torch.autograd.backward(loss)
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return min(max(float(log_temperature.detach().exp()), 0.05), 20.0)
