"""The work of the widgets, as generators of steps that a thread may run; no Qt, and no layer is touched here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np

from ..batch import Redo, RunSummary, run
from ..cells import Analysis, Box, Cell, Field, Mask, RgbImage, Segmentation
from ..config import Settings
from ..errors import UsageError
from ..pipeline import Models, Step, Steps, analyse_steps, reclassify_steps, segment_steps
from ..review import classify_steps, outline_steps
from .calm import calm

if TYPE_CHECKING:
    from ..training.train import Outcome

What: TypeAlias = Literal["segmenter", "classifier"]

TRAINING = ".training"
"""Suffix of the folder beside a model where the course of its training is."""


class Load(Protocol):
    """`nets.load_models`, or a stand-in."""

    def __call__(self, *, segmenter: str, classifier: str, device: str) -> Models:
        """Load the networks by name or file, for a device."""


def load_models(*, segmenter: str, classifier: str, device: str) -> Models:
    """`nets.load_models`, imported when called: importing torch takes seconds, and belongs into the thread."""
    with calm():
        from ..nets import load_models

        return load_models(segmenter=segmenter, classifier=classifier, device=device)


@dataclass(frozen=True)
class ModelChoice:
    """The models that a user has chosen, by name or file, and the device."""

    segmenter: str = "default"
    classifier: str = "default"
    device: str = "auto"


class KeptModels:
    """Loads models when they are first needed, and keeps them until others are chosen."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._kept: tuple[ModelChoice, Models] | None = None

    def steps(self, choice: ModelChoice) -> Steps[Models]:
        """The models of a choice."""
        if self._kept is None or self._kept[0] != choice:
            yield Step("load the models", 0, 1)
            self._kept = None
            models = self._load(segmenter=choice.segmenter, classifier=choice.classifier, device=choice.device)
            self._kept = (choice, models)
        return self._kept[1]


Read = Callable[[], Field]
"""From `inputs.read_image`."""


def segment(kept: KeptModels, choice: ModelChoice, read: Read, settings: Settings) -> Steps[tuple[Segmentation, Models]]:
    """Outline the cells of an image."""
    models = yield from kept.steps(choice)
    yield Step("read", 0, 1)
    return (yield from segment_steps(read(), models.segmenter, settings)), models


def analyse(
    kept: KeptModels, choice: ModelChoice, read: Read, settings: Settings, part: Box | None = None
) -> Steps[tuple[Analysis, Models]]:
    """Outline, measure and name the cells of an image; with `part`, those that are found when nothing else of it is seen."""
    models = yield from kept.steps(choice)
    yield Step("read", 0, 1)
    field = read()
    if part is None:
        (analysis,) = yield from analyse_steps([field], models, settings)
        return analysis, models
    found = yield from segment_steps(Field(field.pixels[part.slices], field.um_per_px), models.segmenter, settings)
    labels = np.zeros(field.pixels.shape[:2], dtype=np.int32)
    labels[part.slices] = found.labels
    labels.flags.writeable = False
    (analysis,) = yield from reclassify_steps([field], [dataclasses.replace(found, labels=labels)], models.classifier)
    return analysis, models


def classify(kept: KeptModels, choice: ModelChoice, read: Read, segmentation: Segmentation) -> Steps[tuple[Analysis, Models]]:
    """Measure and name the cells of given outlines.

    Raises
    ------
    UsageError
        If outlines and image differ in size.
    """
    models = yield from kept.steps(choice)
    yield Step("read", 0, 1)
    field = read()
    found, expected = segmentation.labels.shape, field.pixels.shape[:2]
    if found != expected:
        raise UsageError(
            f"The labels are {found[1]} × {found[0]} px, the image is {expected[1]} × {expected[0]} px. "
            "Choose the labels that belong to this image."
        )
    (analysis,) = yield from reclassify_steps([field], [segmentation], models.classifier)
    return analysis, models


def classify_some(
    kept: KeptModels, choice: ModelChoice, analysis: Analysis, pixels: RgbImage, ids: Collection[int]
) -> Steps[list[Cell]]:
    """What the classifier says of some cells of a review."""
    models = yield from kept.steps(choice)
    return (yield from classify_steps(analysis, pixels, ids, models.classifier))


def outline(
    kept: KeptModels, choice: ModelChoice, analysis: Analysis, pixels: RgbImage, box: Box, settings: Settings
) -> Steps[Mask]:
    """The mask of a new cell in a box."""
    models = yield from kept.steps(choice)
    return (yield from outline_steps(pixels, analysis.labels, box, analysis.scale, models.segmenter, settings))


def analyse_folder(
    kept: KeptModels, choice: ModelChoice, folder: Path, out: Path, settings: Settings, retry_failed: bool
) -> Steps[RunSummary]:
    """Analyse all images of a folder into a results folder, as `napari-wbc run` does."""
    models = yield from kept.steps(choice)
    images = run(folder, out, lambda: models, settings, redo=Redo(retry_failed=retry_failed))
    try:
        while True:
            done = next(images)
            yield Step("images", done.done, done.total)
    except StopIteration as end:
        summary: RunSummary = end.value
        return summary
    finally:
        images.close()


def train(what: What, data: tuple[Path, ...], model: Path, device: str) -> Steps[Outcome]:
    """Train a model on reviewed folders, as `napari-wbc train` does; one that was stopped is continued."""
    yield Step("load torch", 0, 1)
    with calm():
        from ..training.recipes import make_recipe
        from ..training.state import Epoch
        from ..training.train import Request
        from ..training.train import train as learn

    resume = model.with_suffix(TRAINING).exists()
    recipe = make_recipe(what, "default", {})
    request = Request(what=what, data=data, model=model, recipe=recipe, resume=resume, device=device)
    steps = learn(request)
    try:
        yield Step("read the cells", 0, 1)
        while True:
            step = next(steps)
            if not isinstance(step, Epoch):
                yield Step(f"epoch {step.epoch + 1} of {request.epochs}", step.done, step.total)
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome
    finally:
        steps.close()
