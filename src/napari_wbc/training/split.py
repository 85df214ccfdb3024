"""Which images train and which are held out: by slide or by image, never by cell; seeded, and written to a file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from ..errors import UsageError
from ..results.storage import write_bytes
from .folders import Item
from .folds import assign_folds, hold_out

logger = logging.getLogger(__name__)
By: TypeAlias = Literal["slide", "image"]
"""What stays together."""
Grouping: TypeAlias = Literal["auto", "slide", "image"]
"""What shall stay together; `auto`: slides, if that leaves of every cell type something to learn from, else images."""


class SplitFile(BaseModel):
    """The content of `split.json`: names of images, and by what they were parted."""

    by: By
    seed: int
    training: tuple[str, ...]
    validation: tuple[str, ...]

    def __str__(self) -> str:
        """For the card."""
        return (
            f"{len(self.training)} images to train on, {len(self.validation)} held out, "
            f"parted by {self.by}, seed {self.seed}; the epoch was chosen on those held out"
        )


@dataclass(frozen=True, eq=False)
class Split:
    """Items to train on, and items that are held out."""

    training: list[Item[Any]]
    validation: list[Item[Any]]
    file: SplitFile


class FoldsFile(BaseModel):
    """The content of `folds.json`: names of the images of each fold, and by what they were parted."""

    by: By
    seed: int
    folds: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Folds:
    """The items of each fold: each item is in one."""

    parts: list[list[Item[Any]]]
    file: FoldsFile


def split(items: Sequence[Item[Any]], share: float, seed: int, by: Literal["auto", "image"] = "auto") -> Split:
    """Hold out about a share of the items; see `folds.hold_out`.

    With `auto` by slide; by image if there is one slide only, or if a cell type would be left without a slide to train on.

    Raises
    ------
    UsageError
        If all items are of one image.
    """
    if len({item.image for item in items}) < 2:
        raise UsageError(f"All of the data is one image, {items[0].image}: a second one is needed to judge the training by.")
    slides, strata = [item.slide for item in items], [item.stratum for item in items]
    held: npt.NDArray[np.bool_] | None = None
    if by != "image" and len(set(slides)) > 1:
        held = hold_out(slides, strata, share, seed)
        held = held if _all_stay(strata, held) else None
    parted: By = "image" if held is None else "slide"
    if held is None:
        held = hold_out([item.image for item in items], strata, share, seed)
    training = [item for item, out in zip(items, held, strict=True) if not out]
    validation = [item for item, out in zip(items, held, strict=True) if out]
    return Split(
        training, validation, SplitFile(by=parted, seed=seed, training=_images(training), validation=_images(validation))
    )


def make_folds(items: Sequence[Item[Any]], n_folds: int, seed: int, by: Grouping = "auto") -> Folds:
    """Part the items into folds of about the same mixture of cell types.

    With `auto` by slide; by image if there are fewer slides than folds, or if a cell type would be left without a slide to
    train on in one of the folds.

    Raises
    ------
    UsageError
        If there are fewer images, or slides, than folds.
    """
    slides, strata = [item.slide for item in items], [item.stratum for item in items]
    folds: npt.NDArray[np.intp] | None = None
    if by == "slide" or (by == "auto" and len(set(slides)) >= n_folds):
        folds = assign_folds(slides, strata, n_folds, seed)
        if by == "auto" and not all(_all_stay(strata, folds == fold) for fold in range(n_folds)):
            folds = None
    parted: By = "image" if folds is None else "slide"
    if folds is None:
        folds = assign_folds([item.image for item in items], strata, n_folds, seed)
    if not all(_all_stay(strata, folds == fold) for fold in range(n_folds)):
        logger.warning("A cell type occurs in one %s only, so one of the folds asks for it without having learnt it.", parted)
    parts = [[item for item, own in zip(items, folds, strict=True) if own == fold] for fold in range(n_folds)]
    return Folds(parts, FoldsFile(by=parted, seed=seed, folds=tuple(map(_images, parts))))


def _all_stay(strata: Sequence[str], held: npt.NDArray[np.bool_]) -> bool:
    """Whether every stratum occurs among what is not held out."""
    return {stratum for stratum, out in zip(strata, held, strict=True) if not out} == set(strata)


def _images(items: Sequence[Item[Any]]) -> tuple[str, ...]:
    return tuple(sorted({item.image for item in items}))


def write_folds(folder: Path, made: Folds) -> None:
    """Write `folds.json`; errors as in `results.storage.writing`."""
    write_bytes(folder, folder / "folds.json", f"{made.file.model_dump_json(indent=1)}\n".encode())


def write_split(folder: Path, made: Split) -> None:
    """Write `split.json`; errors as in `results.storage.writing`."""
    write_bytes(folder, folder / "split.json", f"{made.file.model_dump_json(indent=1)}\n".encode())
