"""Which images train and which are held out: by slide or by image, never by cell; seeded, and written to a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from ..errors import UsageError
from ..results.storage import write_bytes
from .folders import Item
from .folds import hold_out


class SplitFile(BaseModel):
    """The content of `split.json`: names of images, and by what they were parted."""

    by: Literal["slide", "image"]
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


def split(items: Sequence[Item[Any]], share: float, seed: int) -> Split:
    """Hold out a share of the items.

    By slide; by image if there is one slide only, or if a cell type would be left without a slide to train on.

    Raises
    ------
    UsageError
        If all items are of one image.
    """
    if len({item.image for item in items}) < 2:
        raise UsageError(f"All of the data is one image, {items[0].image}: a second one is needed to judge the training by.")
    by: Literal["slide", "image"] = "slide"
    held = _held(items, [item.slide for item in items], share, seed)
    if held is None:
        by, held = "image", hold_out([i.image for i in items], [i.stratum for i in items], share, seed)
    training = [item for item, out in zip(items, held, strict=True) if not out]
    validation = [item for item, out in zip(items, held, strict=True) if out]
    return Split(training, validation, SplitFile(by=by, seed=seed, training=_images(training), validation=_images(validation)))


def _held(items: Sequence[Item[Any]], groups: list[str], share: float, seed: int) -> npt.NDArray[np.bool_] | None:
    """Which items are held out by slide; None if that cannot be done without losing a stratum from training."""
    strata = [item.stratum for item in items]
    if len(set(groups)) < 2:
        return None
    held = hold_out(groups, strata, share, seed)
    kept = {stratum for stratum, out in zip(strata, held, strict=True) if not out}
    return held if kept == set(strata) else None


def _images(items: Sequence[Item[Any]]) -> tuple[str, ...]:
    return tuple(sorted({item.image for item in items}))


def write_split(folder: Path, made: Split) -> None:
    """Write `split.json`; errors as in `results.storage.writing`."""
    write_bytes(folder, folder / "split.json", f"{made.file.model_dump_json(indent=1)}\n".encode())
