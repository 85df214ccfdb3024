"""GeoJSON as QuPath (0.5 and later) writes and reads it: one file per image, one feature per cell.

QuPath lets a person move annotations, but not detections, so cells are annotations. A measurement, which QuPath keeps, has the
id of the cell; the UUID of a feature is made from its content, so that one that a person has edited no longer fits.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..cells import Cell, Mask
from ..config import UNIDENTIFIED
from ..errors import ResultsError
from ..results.storage import place, writing
from .budget import Budget
from .names import find_files, read_json
from .polygons import fill, polygons
from .told import Known, Outline, Read, Shape, Told, ToldCell, as_id, as_type, rgb_of, type_of

SUFFIX = ".geojson"

_ID = "cell_id"
_MEASURED = ("area_px", "diameter_px", "area_um2", "diameter_um", "nucleus_area_px", "nc_ratio", "solidity", "eccentricity")
_SCORED = ("segmentation_score", "none_of_five_score", "margin")
_NAMESPACE = uuid.UUID("6a3c2a2e-6f0b-5b52-9d0e-0f8f0f6d7c11")
_NO_CELLS = ("tile", "tmaCore", "root")


def write(images: Iterable[Known], dst: Path) -> Iterator[str]:
    """Write `<image path>.geojson` for each image; see `told.Format`."""
    for one in images:
        with writing(dst, place(dst, "", one.image, SUFFIX)) as file:
            file.write(b'{"type": "FeatureCollection", "features": [')
            for n, (cell, mask) in enumerate(one.outlines()):
                feature = json.dumps(_feature(one.image, cell, mask), ensure_ascii=False, allow_nan=False)
                file.write((",\n" if n else "\n").encode() + feature.encode())
            file.write(b"\n]}\n")
        yield one.image


def find(src: Path, images: Sequence[str]) -> Mapping[str, Read]:
    """The files with the names of images, with or without their suffix; see `told.Format`."""
    return {image: partial(_read, path, image) for image, path in find_files(src, images, SUFFIX, ".json").items()}


def _feature(image: str, cell: Cell, mask: Mask) -> dict[str, Any]:
    outline, cell_type = (mask, cell.box), type_of(cell)
    rings = [[[*ring, ring[0]] for ring in polygon] for polygon in polygons(mask, cell.box)]
    values = {name: getattr(cell, name) for name in (*_MEASURED, *_SCORED)}
    return {
        "type": "Feature",
        "id": _content_id(image, cell.cell_id, outline, cell_type),
        "geometry": {
            "type": "Polygon" if len(rings) == 1 else "MultiPolygon",
            "coordinates": rings[0] if len(rings) == 1 else rings,
        },
        "properties": {
            "objectType": "annotation",
            "classification": {"name": cell_type, "color": rgb_of(cell_type)},
            "measurements": {_ID: cell.cell_id} | {name: value for name, value in values.items() if value is not None},
        },
    }


def _content_id(image: str, cell_id: int, outline: Outline, cell_type: str) -> str:
    """A UUID that changes with the outline or the type of a cell."""
    mask, box = outline
    what = f"{image}\n{cell_id}\n{cell_type}\n{tuple(box)}\n".encode() + mask.tobytes()
    return str(uuid.uuid5(_NAMESPACE, what.hex()))


def _read(path: Path, image: str, shape: Shape) -> Told:
    content, budget = read_json(path), Budget(shape, path)
    features = content.get("features", [content]) if isinstance(content, dict) else content
    try:
        cells = [cell for feature in features if (cell := _cell(feature, image, budget)) is not None]
    except ResultsError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ResultsError(f"{path} is not GeoJSON of outlines: {_reason(error)}. Export it from QuPath again.") from None
    return Told(cells, whole=True)


def _cell(feature: dict[str, Any], image: str, budget: Budget) -> ToldCell | None:
    """A feature that has an area in the image, as a cell."""
    properties, geometry = feature.get("properties") or {}, feature["geometry"]
    if geometry is None or "Polygon" not in geometry["type"] or properties.get("objectType") in _NO_CELLS:
        return None
    parts = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    outline = fill([ring for part in parts for ring in part], budget)
    if outline is None:
        return None
    cell_id, cell_type = as_id(_measurements(properties).get(_ID)), _class(properties.get("classification"))
    if cell_id is None:
        return ToldCell(None, outline, cell_type=cell_type)
    cell_type = cell_type or UNIDENTIFIED  # we always write one, so a person has taken it away
    as_written = feature.get("id") == _content_id(image, cell_id, outline, cell_type)
    return ToldCell(cell_id, outline, cell_type=cell_type, as_written=as_written)


def _measurements(properties: dict[str, Any]) -> dict[str, Any]:
    """Measurements by name; before QuPath 0.4 they were a list."""
    found = properties.get("measurements") or {}
    return found if isinstance(found, dict) else {one["name"]: one["value"] for one in found}


def _class(found: Any) -> str | None:
    """The name of a classification; QuPath writes the parts of one with colons as a list."""
    if isinstance(found, dict):
        names = found.get("names")
        found = ": ".join(names) if names else found.get("name")
    return as_type(found)


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
