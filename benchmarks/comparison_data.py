"""The fields of the comparison: bccd, or a results folder, resized to the paper's square; their folds; their random changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import devdata
import numpy as np
import torch
from torch import Tensor

from napari_wbc.cells import Box, RgbImage
from napari_wbc.config import CELL_TYPES
from napari_wbc.crop import boxes
from napari_wbc.errors import UsageError
from napari_wbc.results import iter_records, read_labels
from napari_wbc.results.pixels import read_pixels
from napari_wbc.training.augment import Normalisation, stain_and_colour
from napari_wbc.training.data import Sample
from napari_wbc.training.folders import square_sample
from napari_wbc.training.folds import assign_folds
from napari_wbc.training.sources import open_sources

SIZE_PX = 227
"""Side of every field, as in the paper."""
SHIFT_PX = 10
COLOUR = 0.3
"""Strength of the changes of stain and colour; 1 is that of the default recipe."""
MIN_SIDE_PX = 4
"""A box of which the shift leaves less than this is not learnt."""
ALONE = ("WBC",)
"""The types of data whose types cannot be trusted."""
ALIKE = {"BloodImage_00038.jpg": "BloodImage_00037.jpg"}
"""Fields of bccd that are nearly one image with another."""


@dataclass(frozen=True, eq=False)
class Case:
    """One field: native pixels (H, W, 3) uint8, boxes by cell id (native px), index of type by cell id, and the square."""

    name: str
    group: str
    pixels: RgbImage
    boxes: dict[int, Box]
    types: dict[int, int]
    square: Sample


@dataclass(frozen=True, eq=False)
class Data:
    """The fields, the names of the types, and the fold of each field."""

    cases: list[Case]
    types: tuple[str, ...]
    folds: list[int]

    @property
    def has_types(self) -> bool:
        """Whether the cells are told apart by type."""
        return self.types != ALONE

    def split(self, fold: int) -> tuple[list[Case], list[Case]]:
        """The fields to learn from and those to be judged on."""
        pairs = list(zip(self.cases, self.folds, strict=True))
        return [case for case, f in pairs if f != fold], [case for case, f in pairs if f == fold]


def read_data(folder: Path | None, n_folds: int, seed: int = 0) -> Data:
    """Read bccd (`folder` None), or the reviewed images of a results folder, and part them into folds.

    Types count where a person named every cell of an image; images with a cell without a name are then left out. Where no
    image is named so, and in bccd, whose types are not reliable, there is one type, the WBC.

    Raises
    ------
    UsageError
        If there are fewer fields than folds.
    """
    cases = _bccd() if folder is None else _from_results(folder)
    named = [case for case in cases if case.boxes.keys() == case.types.keys()]
    has_types = any(case.types for case in named)
    if has_types:
        cases = named
    else:
        for case in cases:
            case.types.update(dict.fromkeys(case.boxes, 0))
    strata = [str(next(iter(case.types.values()), "none")) if has_types else str(len(case.boxes)) for case in cases]
    folds = assign_folds([case.group for case in cases], strata, n_folds, seed)
    return Data(cases, CELL_TYPES if has_types else ALONE, folds.tolist())


def _bccd() -> list[Case]:
    cases = []
    for real in devdata.bccd():
        assert real.labels is not None
        square = square_sample(real.pixels, real.labels, SIZE_PX, "bccd")
        cases.append(Case(real.name, ALIKE.get(real.name, real.name), real.pixels, boxes(real.labels), {}, square))
    if not cases:
        raise UsageError(f"No field of bccd in {devdata.ROOT}. Set NAPARI_WBC_DATA, or name a results folder.")
    return cases


def _from_results(folder: Path) -> list[Case]:
    cases, (source,) = [], open_sources([folder])
    for record in iter_records(folder):
        if record.row.status == "failed" or record.row.reviewed_by is None:
            continue
        pixels, labels = read_pixels(folder, record, source.roots), read_labels(folder, record.image, record.hashes.labels)
        named = [c for c in record.cells if c.type_source == "human" and c.cell_type in CELL_TYPES]
        types = {c.cell_id: CELL_TYPES.index(str(c.cell_type)) for c in named}
        square = square_sample(pixels, labels, SIZE_PX, source.name)
        cases.append(Case(record.image, record.image, pixels, boxes(labels), types, square))
    return cases


class Fields(NamedTuple):
    """A batch: images (B, 3, S, S) normalised, WBC (B, S, S) 0 or 1, and of each image boxes (n, 4) px and types (n,)."""

    images: Tensor
    wbc: Tensor
    boxes: list[Tensor]
    types: list[Tensor]


def draw(cases: Sequence[Case], generator: torch.Generator, normalisation: Normalisation) -> Fields:
    """The cases mirrored, shifted by up to 10 px and changed in colour; what comes from outside repeats the border."""
    images, wbc, places, types = [], [], [], []
    for case in cases:
        image, labels = case.square.image, case.square.labels
        for axis in (0, 1):
            if torch.rand((), generator=generator) < 0.5:
                image, labels = np.flip(image, axis), np.flip(labels, axis)
        y, x = torch.randint(0, 2 * SHIFT_PX + 1, (2,), generator=generator).tolist()
        window = (slice(y, y + SIZE_PX), slice(x, x + SIZE_PX))
        image = np.pad(image, ((SHIFT_PX, SHIFT_PX), (SHIFT_PX, SHIFT_PX), (0, 0)), mode="edge")[window]
        labels = np.pad(labels, SHIFT_PX, mode="edge")[window]
        found = {i: box for i, box in boxes(labels).items() if min(box.height, box.width) >= MIN_SIDE_PX}
        images.append(torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255)
        wbc.append(torch.from_numpy(labels > 0).float())
        places.append(torch.tensor(list(found.values()), dtype=torch.float32).reshape(-1, 4))
        types.append(torch.tensor([case.types[i] for i in found], dtype=torch.long))
    return Fields(normalisation(stain_and_colour(torch.stack(images), COLOUR, generator)), torch.stack(wbc), places, types)
