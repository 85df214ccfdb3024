"""The two recipes of each network, by name: every number of a training, once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import SettingsError
from ..nets.alexnet import CROP_SIZE_PX, LARGEST_CROP_PX
from ..nets.encoders import EncoderName
from .loop import Plan

What = Literal["segmenter", "classifier"]


class Recipe(BaseModel):
    """What the recipes of both networks have.

    `batches_per_epoch` None means once through the data; a training that begins with a finished model has its own number of
    epochs and share of the learning rate (`fine_tune_…`). About `validation_share` of the data is held out: one of
    round(1 ÷ share) folds; see `folds.hold_out`. `normalisation` None means that of the start weights; see `begin.begin`. The
    rest is as in `loop.Plan`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["default", "paper"]
    epochs: int = Field(30, ge=1, le=10_000)
    batch: int = Field(ge=1, le=4096)
    batches_per_epoch: int | None = Field(None, ge=1)
    optimiser: Literal["adamw", "sgd"] = Plan.optimiser
    schedule: Literal["cosine", "steps"] = Plan.schedule
    lr: float = Field(Plan.lr, gt=0, le=10)
    encoder_lr: float = Field(Plan.encoder_lr, ge=0, le=100)
    last_lr: float = Field(Plan.last_lr, ge=0, le=100)
    weight_decay: float = Field(Plan.weight_decay, ge=0, le=1)
    average: float = Field(Plan.average, ge=0, lt=1)
    clip: float | None = Field(Plan.clip, gt=0)
    patience: int | None = Field(10, ge=1)
    fine_tune_epochs: int = Field(10, ge=1, le=10_000)
    fine_tune_lr: float = Field(0.2, gt=0, le=1)
    validation_share: float = Field(0.2, gt=0, le=0.5)
    normalisation: Literal["imagenet", "minus_one_to_one"] | None = None
    bfloat16: bool = True

    def plan(self, seed: int, fine_tuning: bool) -> Plan:
        """The plan of the loop."""
        return Plan(
            epochs=self.fine_tune_epochs if fine_tuning else self.epochs,
            lr=self.lr * (self.fine_tune_lr if fine_tuning else 1.0),
            encoder_lr=self.encoder_lr,
            last_lr=self.last_lr,
            weight_decay=self.weight_decay,
            average=self.average,
            optimiser=self.optimiser,
            schedule=self.schedule,
            clip=math.inf if self.clip is None else self.clip,
            patience=self.patience,
            keep_best=True,
            seed=seed,
        )


class SegmenterRecipe(Recipe):
    """How to train DeepLabv3+.

    Either windows of `window_px` of images at `um_per_px`, or whole fields resized to `field_px` × `field_px`. `encoder` None
    means ResNet-50, its strides where the start weights need them; see `begin.begin`.
    """

    encoder: EncoderName | None
    um_per_px: float = Field(0.19, gt=0, le=10)
    window_px: int = Field(256, ge=32, le=2048)
    field_px: int | None = Field(None, ge=32, le=2048)


class ClassifierRecipe(Recipe):
    """How to train AlexNet.

    `width` is that of fc6 and fc7. `margin` is that of the crops (None stretches the box). `strength` is that of the changes
    of stain and colour, `mixed` the share of crops whose style is mixed with another's (`mix_styles`). With `stain_aligned`
    the network sees crops whose stain is aligned (`nets.stain`).
    """

    width: int = Field(ge=1, le=8192)
    crop_px: int = Field(CROP_SIZE_PX, ge=CROP_SIZE_PX, le=LARGEST_CROP_PX)
    margin: float | None = Field(None, ge=0, le=2)
    strength: float = Field(1.5, ge=0, le=2)
    mixed: float = Field(0.5, ge=0, le=1)
    stain_aligned: bool = True


_PAPER: dict[str, Any] = {
    "name": "paper",
    "epochs": 30,
    "batch": 8,
    "optimiser": "sgd",
    "schedule": "steps",
    "lr": 1e-3,
    "encoder_lr": 1.0,
    "weight_decay": 0.005,
    "average": 0.0,
    "clip": None,
    "fine_tune_epochs": 30,
    "fine_tune_lr": 1.0,
    "bfloat16": False,
}
"""Roy Reena and Ameer (Computers in Biology and Medicine 126:104034, 2020): SGD, momentum 0.9, × 0.3 every 10 epochs."""

RECIPES: dict[tuple[str, str], SegmenterRecipe | ClassifierRecipe] = {
    ("segmenter", "default"): SegmenterRecipe(name="default", encoder="mobilenet_v2", batch=6, batches_per_epoch=120),
    ("segmenter", "paper"): SegmenterRecipe(**_PAPER, encoder=None, field_px=227),
    ("classifier", "default"): ClassifierRecipe(name="default", batch=32, width=512, margin=0.15, fine_tune_lr=0.1),
    ("classifier", "paper"): ClassifierRecipe(**_PAPER, width=4096, last_lr=20.0, strength=0.0, mixed=0.0, stain_aligned=False),
}


def make_recipe(what: What, name: str, changes: Mapping[str, str]) -> SegmenterRecipe | ClassifierRecipe:
    """A recipe by name, with some of its numbers changed.

    Parameters
    ----------
    changes
        Values by name, as text; `none` is None.

    Raises
    ------
    SettingsError
        If there is no such recipe, or a name or value is not valid.
    """
    if (what, name) not in RECIPES:
        raise SettingsError(f"There is no recipe {name!r}; known are {', '.join(n for w, n in RECIPES if w == what)}.")
    recipe = RECIPES[what, name]
    given = {key: None if text.lower() == "none" else text for key, text in changes.items()}
    try:
        return type(recipe)(**(recipe.model_dump() | given))
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']} (found {e['input']!r})" for e in error.errors())
        known = ", ".join(type(recipe).model_fields)
        raise SettingsError(f"The recipe of the {what} is not valid: {found}. Known: {known}.") from None
