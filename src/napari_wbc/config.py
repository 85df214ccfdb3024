"""Every adjustable number, once, with its unit, range and one sentence; and the five cell types with their colours.

The command line's options and napari's form are generated from `Settings`, so a default is written nowhere else.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import SettingsError
from .regular import read_text

CELL_TYPES: tuple[str, ...] = ("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil")
"""The five cell types, always in this order."""

UNIDENTIFIED, ARTEFACT, SMUDGE = "unidentified", "artefact", "smudge"
UNCOUNTED_TYPES: tuple[str, ...] = (UNIDENTIFIED, ARTEFACT, SMUDGE)
"""Names that a cell may have without entering the denominator of the differential."""

TYPE_COLOURS: dict[str, str] = {
    "basophil": "#0072B2",
    "eosinophil": "#D55E00",
    "lymphocyte": "#009E73",
    "monocyte": "#F0E442",
    "neutrophil": "#56B4E9",
    UNIDENTIFIED: "#000000",
    ARTEFACT: "#666666",
    SMUDGE: "#999999",
}
"""One fixed colour per type, from the colour-blind-safe palette of Okabe and Ito."""

USER_TYPE_COLOUR = "#CC79A7"
"""Colour of every type that a user has added."""


def colour_of(cell_type: str) -> str:
    """The fixed colour of a cell type, `#RRGGBB`."""
    return TYPE_COLOURS.get(cell_type, USER_TYPE_COLOUR)


RED_CELL_DIAMETER_UM = 7.5
"""Width of a red blood cell on a smear, µm: the ruler when an image carries no pixel size."""

ASSUMED_UM_PER_PX = 0.1
"""Pixel size taken where nothing tells it, µm: a 100× objective on a common camera."""


class Settings(BaseModel):
    """The settings of one analysis. Frozen; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    um_per_px: float | None = Field(
        default=None, gt=0.005, le=10, title="Pixel size", json_schema_extra={"unit": "µm/px"},
        description="Pixel size of the images; empty: taken from the file, else estimated from the red cells.",
    )  # fmt: skip
    mask_threshold: float = Field(
        default=0.5, ge=0.05, le=0.95, json_schema_extra={"unit": "probability"},
        description="A pixel belongs to a white blood cell from this probability on.",
    )  # fmt: skip
    min_area_px: int = Field(
        default=200, ge=0, le=100_000, title="Smallest cell", json_schema_extra={"unit": "analysis px"},
        description="Area opening: objects smaller than this, at the analysis scale, are removed.",
    )  # fmt: skip
    min_score: float = Field(
        default=0.75, ge=0, le=1, title="Least certainty", json_schema_extra={"unit": "probability"},
        description="An object whose mean probability of being a white blood cell is lower than this is left out.",
    )  # fmt: skip
    separate_touching: bool = Field(
        default=True, json_schema_extra={"unit": ""}, description="Separate touching cells: one object per cell."
    )
    core_threshold: float = Field(
        default=0.5, ge=0.05, le=0.95, json_schema_extra={"unit": "probability"},
        description="A pixel belongs to the core of a cell, from which touching cells are parted, from this probability on.",
    )  # fmt: skip
    max_megapixels: float = Field(
        default=150, gt=0, le=2000, json_schema_extra={"unit": "megapixel"},
        description="Flat images with more pixels than this are refused; write a tiled TIFF instead.",
    )  # fmt: skip

    def identity(self, *, limits: bool = False) -> str:
        """SHA-256 of the settings in canonical JSON: equal settings have equal identity.

        `max_megapixels` changes no result that there is: only with `limits`, for images that failed, it enters with its value.
        """
        settings = self if limits else self.model_copy(update={"max_megapixels": Settings().max_megapixels})
        return hashlib.sha256(json.dumps(settings.model_dump(), sort_keys=True).encode()).hexdigest()


def make_settings(values: dict[str, Any], where: str = "") -> Settings:
    """Settings from a mapping of names to values.

    Parameters
    ----------
    where
        What the message adds to `Settings`: ` in FILE`.

    Raises
    ------
    SettingsError
        If a name is unknown or a value is out of its range; the message names each of them.
    """
    try:
        return Settings(**values)
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']} (found {e['input']!r})" for e in error.errors())
        raise SettingsError(
            f"Settings{where} are not valid: {found}. Known settings: {', '.join(Settings.model_fields)}."
        ) from None


def read_settings(path: Path) -> Settings:
    """Settings from a JSON file, or from the `settings` of a `run.json`.

    Raises
    ------
    SettingsError
        If the file cannot be read, is not JSON, or holds a value that is not valid.
    """
    try:
        values = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"Cannot read settings from {path}: {error}. Expected a JSON file or a run.json.") from None
    if isinstance(values, dict) and isinstance(values.get("settings"), dict):
        values = values["settings"]
    if not isinstance(values, dict):
        raise SettingsError(f"Settings in {path} should be a JSON object of names and values, found {type(values).__name__}.")
    return make_settings(values, f" in {path}")
