"""COCO: one JSON file with images, categories and run-length encoded masks; what it says of an image, also from polygons."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cells import Box, Cell, Mask
from ..config import CELL_TYPES, UNCOUNTED_TYPES
from ..errors import ResultsError
from ..results.storage import writing
from .budget import Budget
from .names import Names, one_file, read_json
from .polygons import fill
from .told import Known, Outline, Read, Shape, Told, ToldCell, as_id, as_type, type_of

NAME = "annotations.json"

_LONGEST_BITS = 60
"""Of a compressed run length: more than any image needs."""


def write(images: Iterable[Known], dst: Path) -> Iterator[str]:
    """Write `annotations.json`, as it goes; see `told.Format`. Names of files are those of the images below the input root."""
    categories = {name: i for i, name in enumerate((*CELL_TYPES, *UNCOUNTED_TYPES), start=1)}
    listed: list[dict[str, Any]] = []
    n_cells = 0
    with writing(dst, dst / NAME) as file:
        file.write(b'{"annotations": [')
        for one in images:
            height, width = one.labels.shape
            listed.append({"id": len(listed) + 1, "file_name": one.image, "width": width, "height": height})
            for cell, mask in one.outlines():
                category = categories.setdefault(type_of(cell), len(categories) + 1)
                n_cells += 1
                ids = {"id": n_cells, "image_id": len(listed), "category_id": category}
                file.write(b",\n" if n_cells > 1 else b"\n")
                file.write(json.dumps(ids | _annotation(cell, mask, (height, width))).encode())
            yield one.image
        named = [{"id": i, "name": name, "supercategory": "white blood cell"} for name, i in categories.items()]
        file.write(f'\n], "images": {json.dumps(listed)}, "categories": {json.dumps(named)}}}\n'.encode())


def find(src: Path, images: Sequence[str]) -> Mapping[str, Read]:
    """What the file says of the images that it names; see `told.Format`."""
    path, names = one_file(src, NAME), Names(images)
    content = read_json(path)
    try:
        categories = {one["id"]: as_type(one["name"]) for one in content["categories"]}
        image_of = {one["id"]: names.find(str(one["file_name"])) for one in content["images"]}
        found: dict[str, list[Any]] = {image: [] for image in image_of.values() if image is not None}
        for one in content["annotations"]:
            if (image := image_of[one["image_id"]]) is not None:
                found[image].append(one)
    except (KeyError, TypeError, AttributeError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ResultsError(f"{path} is not a COCO file of instances: {what}. Export it again.") from None
    return {image: partial(_read, path, annotations, categories) for image, annotations in found.items()}


def _annotation(cell: Cell, mask: Mask, shape: Shape) -> dict[str, Any]:
    box = cell.box
    return {
        "bbox": [box.x0, box.y0, box.width, box.height],
        "area": cell.area_px,
        "iscrowd": 0,
        "segmentation": {"size": list(shape), "counts": encode(mask, box, shape)},
        "cell_id": cell.cell_id,
    }


def encode(mask: Mask, box: Box, shape: Shape) -> list[int]:
    """Run lengths of background and cell in turn, down the columns of an image of shape (H, W)."""
    columns, rows = np.nonzero(mask.T)
    places = (columns + box.x0) * shape[0] + rows + box.y0
    breaks = np.flatnonzero(np.diff(places) > 1)
    starts = places[np.concatenate([[0], breaks + 1])]
    ends = places[np.concatenate([breaks, [-1]])] + 1
    edges = np.column_stack([starts, ends]).ravel()
    counts: list[int] = np.diff(np.concatenate([[0], edges, [shape[0] * shape[1]]])).tolist()
    return counts if counts[-1] else counts[:-1]


def decode(counts: Sequence[int], budget: Budget) -> Outline | None:
    """The pixels of run lengths; None where there are none.

    Raises
    ------
    ValueError
        If they do not fit the shape of the image.
    ResultsError
        If the budget of the image has no more left.
    """
    lengths, (height, width) = np.asarray(counts, dtype=np.int64), budget.shape
    if lengths.ndim != 1 or (lengths < 0).any() or (lengths > height * width).any() or lengths.sum() > height * width:
        raise ValueError(f"run lengths do not fit {width} × {height} px")
    ends = np.cumsum(lengths)[1::2]
    starts = ends - lengths[1::2]
    starts, ends = starts[starts < ends], ends[starts < ends]
    if not len(starts):
        return None
    (lefts, tops), (rights, bottoms) = np.divmod(starts, height), np.divmod(ends - 1, height)
    goes_on = bool((lefts < rights).any())  # from the bottom of a column to the top of the next
    y0, y1 = (0, height) if goes_on else (int(tops.min()), int(bottoms.max()) + 1)
    box = Box(y0, int(lefts[0]), y1, int(rights[-1]) + 1)
    budget.take(box)
    columns, rows = np.divmod(_ranges(starts, ends), height)
    mask = np.zeros((box.height, box.width), dtype=bool)
    mask[rows - box.y0, columns - box.x0] = True
    return mask, box


def uncompress(text: str) -> list[int]:
    """The run lengths of COCO's compressed form: 5 bits a character, the third before last taken off (`rleFrString`)."""
    counts: list[int] = []
    value = bits = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64:
            raise ValueError(f"compressed run lengths have no {character!r}")
        value |= (code & 31) << bits
        bits += 5
        if bits > _LONGEST_BITS:  # each further character of one number would take longer than the last
            raise ValueError(f"compressed run lengths do not end: a number has more than {_LONGEST_BITS} bits")
        if not code & 32:
            if code & 16:
                value -= 1 << bits
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = bits = 0
    return counts


def _ranges(starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """All whole numbers from each start to before its end."""
    lengths = ends - starts
    found: npt.NDArray[np.int64] = np.arange(lengths.sum()) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    return found


def _read(path: Path, annotations: Sequence[Mapping[str, Any]], categories: Mapping[Any, str | None], shape: Shape) -> Told:
    cells, budget = [], Budget(shape, path)
    for one in annotations:
        try:
            outline, cell_type = _outline(one["segmentation"], budget), categories[one["category_id"]]
        except ResultsError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise ResultsError(
                f"{path}: annotation {one.get('id')!r} has no outline or type: {what}. Export it again."
            ) from None
        if outline is not None:
            cells.append(ToldCell(as_id(one.get("cell_id")), outline, cell_type=cell_type))
    return Told(cells, whole=True)


def _outline(segmentation: Any, budget: Budget) -> Outline | None:
    """The pixels of a segmentation: run lengths, or polygons, of which any may cover a pixel."""
    if isinstance(segmentation, dict):
        if list(segmentation["size"]) != list(budget.shape):
            raise ValueError(f"its size is {segmentation['size']}, the image has {list(budget.shape)}")
        counts = segmentation["counts"]
        return decode(uncompress(counts) if isinstance(counts, str) else counts, budget)
    if segmentation == []:
        raise ValueError("it has a box alone")
    filled = (fill([np.asarray(ring, dtype=np.float64).reshape(-1, 2)], budget) for ring in segmentation)
    parts = [part for part in filled if part is not None]
    if not parts:
        return None
    around = Box.enclosing(*(box for _, box in parts))
    budget.take(around)
    full = np.zeros((around.height, around.width), dtype=bool)
    for mask, (y0, x0, y1, x1) in parts:
        full[y0 - around.y0 : y1 - around.y0, x0 - around.x0 : x1 - around.x0] |= mask
    return full, around
