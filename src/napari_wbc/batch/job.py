"""What is to be done, and by whom: words that this process, worker processes and clusters share."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..config import Settings
from ..pipeline import Models
from ..results.record import ImageRow, Origin
from ..results.runfile import Model
from .discover import InputImage

GROUP_IMAGES = 4
"""Images analysed together, so that the classifier sees full batches: at most so many."""

TIME_LIMIT_S = 600.0
"""A worker process that is silent for so long hangs; on a busy machine one call of a network takes some seconds."""


@dataclass(frozen=True)
class Advance:
    """Of an image that is being worked on, `done` of `total` tiles are finished."""

    image: str
    done: int
    total: int


Rows = Generator[ImageRow | Advance]
"""The lines of `images.csv` of images, each once its record is committed; and how far slides are that take their time."""


@dataclass(frozen=True)
class Engine:
    """What computes: the two models, the device, and the threads on the processor."""

    segmenter: Model
    classifier: Model
    device: str
    threads: int

    def origin(self, settings: Settings, *, failed: bool = False) -> Origin:
        """What the numbers depend on besides the image, or that it failed."""
        identity = settings.identity(limits=failed)
        return Origin(segmenter=self.segmenter.identity, classifier=self.classifier.identity, settings=identity)


@dataclass(frozen=True)
class Job:
    """What the work on every image of a run needs besides the models. It can be pickled; its paths are absolute.

    `root` is the folder of the images, and `group_images` the number analysed together, on which the results do not depend.
    Without `overwrite_reviewed` what a person has saved in the meantime stays. `tiles_at_once` of a slide are seen together,
    on which the results do not depend either.
    """

    out: Path
    root: Path
    settings: Settings
    engine: Engine
    group_images: int = GROUP_IMAGES
    overwrite_reviewed: bool = False
    tiles_at_once: int = 1

    @property
    def origin(self) -> Origin:
        """What the numbers depend on besides the image."""
        return self.engine.origin(self.settings)

    @property
    def origin_of_failure(self) -> Origin:
        """What it depends on that an image failed."""
        return self.engine.origin(self.settings, failed=True)


class Workers(Protocol):
    """Who does the work: this process (`Here`), other processes of this machine, or a cluster. To be closed at the end."""

    engine: Engine

    @property
    def n(self) -> int:
        """How many images may be worked on at the same time."""

    def work(self, images: Sequence[InputImage], job: Job) -> Rows:
        """Analyse the images and write their results."""

    def close(self) -> None:
        """Stop; what is committed is kept."""


def describe(models: Models) -> Engine:
    """What computes with these models."""
    segmenter, classifier = (Model(name=m.name, identity=m.identity) for m in (models.segmenter, models.classifier))
    devices = dict.fromkeys((models.segmenter.device, models.classifier.device))
    return Engine(segmenter, classifier, ", ".join(devices), models.segmenter.threads)
