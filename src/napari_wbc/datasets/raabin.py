"""Raabin-WBC (Kouzehkanan et al., Scientific Reports 12, 2022): crops with a type, and fields with boxes and two opinions.

Crops: `{Train,TestA,TestB}/{Basophil,Eosinophil,Lymphocyte,Monocyte,Neutrophil}/95-9-3-4_30_1.jpg`, 575 × 575 px.
Fields: `<smear>/images/*.jpg` with `<smear>/jsons/<stem>.json`: "Cell Numbers", and "Cell_0" with x1, x2, y1, y2, Label1 and
Label2, as strings. The fields are photographs of a telephone, some with an EXIF orientation, and the boxes are those of the
upright image or of the one as it is stored: `upright_boxes` finds out.
"""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

from ..cells import RgbImage
from ..config import ARTEFACT, CELL_TYPES, SMUDGE
from ..errors import UnreadableImageError, UnsupportedImageError
from ..regular import read_text
from .common import Dataset, Source, Truth, find_base, normal, subfolders, with_notes
from .crops import add_crops
from .orientation import Corners, upright_boxes
from .outlines import stand_ins

CROPS, SMEAR = {"train", "testa", "testb"}, {"images", "jsons"}
TYPES = {name: name for name in CELL_TYPES}
"""Types of the crops by folder."""

WORDS = {"lymph": "lymphocyte", "band": "neutrophil", "artifact": ARTEFACT, "artefact": ARTEFACT, "burst": SMUDGE}
"""Words by which labels that are not one of the five are known; others are kept in lower case, as types of the user's.

They are an assumption: no file of this set was at hand. `band` is a neutrophil, `lymph` covers large and small ones.
"""


def find_raabin(src: Path) -> Dataset:
    """The crops, the fields, or both, of a Raabin-WBC folder."""
    expected = "the folders `Train`, `TestA`, `TestB`, or folders of smears with `images` and `jsons`"
    root = find_base(src, _fits, "Raabin-WBC", expected)
    dataset = Dataset(root, "Raabin-WBC experts")
    for name, folder in {"": root, **subfolders(root)}.items():
        if name in CROPS:
            add_crops(dataset, folder, TYPES)
        elif _is_smear(folder):
            _add_fields(dataset, folder)
    return dataset


def _fits(inside: dict[str, Path]) -> bool:
    """Whether a folder with these sub-folders is a smear, or holds smears or crops."""
    crops = any(name in CROPS and TYPES.keys() & subfolders(folder).keys() for name, folder in inside.items())
    return crops or inside.keys() >= SMEAR or any(map(_is_smear, inside.values()))


def _is_smear(folder: Path) -> bool:
    return subfolders(folder).keys() >= SMEAR


def _add_fields(dataset: Dataset, smear: Path) -> None:
    """Add the fields of a smear, each with its JSON."""
    inside = subfolders(smear)
    for image, note in with_notes(inside["images"], inside["jsons"], ".json", dataset.left_out):
        dataset.sources.append(Source(image, partial(read_field, path=image, note=note)))


def read_field(pixels: RgbImage, path: Path, note: Path) -> Truth:
    """What the JSON says of a field (H, W, 3) uint8, upright: a stand-in for each box, named where the experts agree."""
    found, doubt = _read_cells(note)
    boxes = upright_boxes([_corners(cell, key, note) for key, cell in found.items()], pixels, path, note)
    types = {i: cell_type for i, cell in enumerate(found.values(), start=1) if (cell_type := agreed_type(cell))}
    return stand_ins(boxes, types, pixels, doubt)


def agreed_type(cell: dict[str, Any]) -> str | None:
    """The type that the experts agree on, or that the only one who said something gave; else None."""
    said = {_type_of(str(cell[key])) for key in ("Label1", "Label2") if str(cell.get(key) or "").strip()}
    return said.pop() if len(said) == 1 else None


def _type_of(label: str) -> str:
    word = normal(label)
    if word in TYPES:
        return word
    return next((cell_type for part, cell_type in WORDS.items() if part in word), word)


def _read_cells(note: Path) -> tuple[dict[str, dict[str, Any]], str]:
    """The cells in a JSON file, by key, in the order of their numbers; and a sentence if it speaks of more or fewer."""
    try:
        content = json.loads(read_text(note, "utf-8-sig"))
    except FileNotFoundError:
        raise UnsupportedImageError(f"has no boxes: there is no {note}. Restore it, or remove the image.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableImageError(f"the boxes {note} cannot be read: {error}. Restore the file.") from None
    if not isinstance(content, dict) or not content:
        raise UnsupportedImageError(f"expected `Cell Numbers` and objects `Cell_0`, `Cell_1`, … in {note}, found neither.")
    keys = sorted((key for key in content if re.fullmatch(r"Cell_[0-9]+", key)), key=lambda key: int(key[5:]))
    if broken := [key for key in keys if not isinstance(content[key], dict)]:
        raise UnsupportedImageError(f"{broken[0]} in {note} should be an object, found {content[broken[0]]!r}. Mend the file.")
    stated = str(content.get("Cell Numbers", len(keys))).strip()
    doubt = "" if stated == str(len(keys)) else f"{note} speaks of {stated} cells and has {len(keys)}."
    return {key: content[key] for key in keys}, doubt


def _corners(cell: dict[str, Any], key: str, note: Path) -> Corners:
    """Two corners of a box, px, the smaller coordinates first."""
    try:
        x1, x2, y1, y2 = (float(cell[name]) for name in ("x1", "x2", "y1", "y2"))
    except (KeyError, TypeError, ValueError):
        found = {name: cell.get(name) for name in ("x1", "x2", "y1", "y2")}
        raise UnsupportedImageError(
            f"expected numbers x1, x2, y1, y2 of {key} in {note}, found {found}. Mend the file."
        ) from None
    return Corners(min(y1, y2), min(x1, x2), max(y1, y2), max(x1, x2))
