"""ImageJ's regions of interest: one zip per image, one region per cell, on the edges of pixels as ImageJ has them.

A region is called by id and type, `12 monocyte`: renaming it in the ROI Manager renames the cell.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi

from ..cells import Cell, Mask
from ..errors import ResultsError
from ..images import DAMAGE
from ..results.storage import place, writing
from .budget import Budget
from .names import find_files
from .polygons import Ring, fill, polygons
from .told import Known, Read, Shape, Told, ToldCell, as_id, as_type, rgb_of, type_of

SUFFIX = ".zip"

MAX_ROI_BYTES = 10_000_000
"""Size of one region, unpacked; a larger one is not unpacked."""

_AREAS = (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED, ROI_TYPE.RECT, ROI_TYPE.OVAL)
_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0
_ASTRAL = re.compile("[^\x00-\uffff]")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write(images: Iterable[Known], dst: Path) -> Iterator[str]:
    """Write `<image path>.zip` for each image; see `told.Format`."""
    for one in images:
        with (
            writing(dst, place(dst, "", one.image, SUFFIX)) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            for cell, mask in one.outlines():
                member = zipfile.ZipInfo(f"{cell.cell_id:06d}.roi", _EPOCH)
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, _roi(cell, mask).tobytes())
        yield one.image


def find(src: Path, images: Sequence[str]) -> Mapping[str, Read]:
    """The archives with the names of images; see `told.Format`."""
    return {image: partial(_read, path) for image, path in find_files(src, images, SUFFIX).items()}


def _roi(cell: Cell, mask: Mask) -> ImagejRoi:
    rings = [ring for polygon in polygons(mask, cell.box) for ring in polygon]
    if len(rings) == 1:
        roi = ImagejRoi.frompoints(np.array(rings[0]))
        roi.roitype = ROI_TYPE.TRACED
    else:
        path = np.array([value for ring in rings for value in _path(ring)], dtype=np.float32)
        y0, x0, y1, x1 = cell.box
        roi = ImagejRoi(top=y0, left=x0, bottom=y1, right=x1, shape_roi_size=len(path), multi_coordinates=path)
        roi.roitype, roi.options = ROI_TYPE.RECT, ROI_OPTIONS.OVERLAY_LABELS
    roi.name = _name(cell.cell_id, type_of(cell))
    roi.stroke_color = bytes((255, *rgb_of(type_of(cell))))
    roi.properties = {"cell_id": cell.cell_id, "cell_type": json.dumps(type_of(cell))}
    return roi


def _path(ring: Ring) -> list[float]:
    """A ring as a part of the path of a composite region."""
    first, *others = ring
    return [_MOVE, *first, *(value for point in others for value in (_LINE, *point)), _CLOSE]


def _name(cell_id: int, cell_type: str) -> str:
    """Id and type; characters beyond 16 bits, which roifile counts wrongly, are left to the properties."""
    return f"{cell_id} {_ASTRAL.sub('?', cell_type)}"


def _read(path: Path, shape: Shape) -> Told:
    budget = Budget(shape, path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.lower().endswith(".roi")]
            if any(archive.getinfo(name).file_size > MAX_ROI_BYTES for name in members):
                raise ValueError(f"a region is larger than {MAX_ROI_BYTES} bytes")
            cells = [cell for name in members if (cell := _cell(ImagejRoi.frombytes(archive.read(name)), budget))]
    except ResultsError:
        raise
    except (*DAMAGE, zipfile.BadZipFile, MemoryError) as error:
        raise ResultsError(f"{path} is not a zip file of ImageJ regions: {error}. Save it in the ROI Manager again.") from error
    return Told(cells, whole=True)


def _cell(roi: ImagejRoi, budget: Budget) -> ToldCell | None:
    """A region that has an area in the image, as a cell."""
    outline = fill(roi.coordinates(multi=True), budget) if roi.roitype in _AREAS else None
    if outline is None:
        return None
    cell_id, cell_type = as_id(roi.properties.get("cell_id")), _written_type(roi)
    is_ours = cell_id is not None
    if cell_id is None or cell_type is None or roi.name != _name(cell_id, cell_type):  # renamed, or not ours
        named = re.fullmatch(r"(\d{1,7})(?:\s+(.*))?", roi.name, re.DOTALL)
        cell_id, cell_type = (as_id(int(named[1])), as_type(named[2])) if named else (cell_id, None)
    return ToldCell(cell_id, outline, cell_type=cell_type, id_is_ours=is_ours)


def _written_type(roi: ImagejRoi) -> str | None:
    """The type in the properties of a region of ours."""
    try:
        return as_type(json.loads(str(roi.properties.get("cell_type"))))
    except ValueError:
        return None
