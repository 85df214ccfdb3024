"""The work of the widgets, as generators of steps that a thread may run; no Qt, and no layer is touched here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..cells import Analysis, Field, Segmentation
from ..config import Settings
from ..errors import UsageError
from ..pipeline import Models, Step, Steps, analyse_steps, reclassify_steps, segment_steps


class Load(Protocol):
    """`nets.load_models`, or a stand-in."""

    def __call__(self, *, segmenter: str, classifier: str, device: str) -> Models:
        """Load the networks by name or file, for a device."""


def load_models(*, segmenter: str, classifier: str, device: str) -> Models:
    """`nets.load_models`, imported when called: importing torch takes seconds, and belongs into the thread."""
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


def analyse(kept: KeptModels, choice: ModelChoice, read: Read, settings: Settings) -> Steps[tuple[Analysis, Models]]:
    """Outline, measure and name the cells of an image."""
    models = yield from kept.steps(choice)
    yield Step("read", 0, 1)
    (analysis,) = yield from analyse_steps([read()], models, settings)
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
