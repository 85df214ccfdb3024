"""BCCD (Shenggan): fields of 640 × 480 px with boxes of white and red cells and platelets, without types of white cells.

`BCCD/{JPEGImages,Annotations,ImageSets/Main}`, VOC XML. Only the boxes `WBC` are imported. VOC counts pixels from 1, the last
included: a cell at the upper left border begins at 1, one at the right border of 640 px ends at 640.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from ..cells import Box, RgbImage
from ..errors import UnreadableImageError, UnsupportedImageError
from ..regular import read_file
from .common import Dataset, Source, Truth, find_base, subfolders, with_notes
from .outlines import stand_ins

IMAGES, BOXES = "jpegimages", "annotations"


def find_bccd(src: Path) -> Dataset:
    """The images of a BCCD folder, each with its XML."""
    expected = "the folders `JPEGImages` and `Annotations`"
    root = find_base(src, lambda inside: {IMAGES, BOXES} <= set(inside), "BCCD", expected)
    dataset = Dataset(root, "BCCD authors")
    inside = subfolders(root)
    for image, note in with_notes(inside[IMAGES], inside[BOXES], ".xml", dataset.left_out):
        dataset.sources.append(Source(image, partial(read, note=note)))
    return dataset


def read(pixels: RgbImage, note: Path) -> Truth:
    """What the XML says of an image (H, W, 3) uint8: a stand-in for each box of a white cell."""
    height, width = pixels.shape[:2]
    try:
        root = ElementTree.fromstring(read_file(note))
    except FileNotFoundError:
        raise UnsupportedImageError(f"has no boxes: there is no {note}. Restore it, or remove the image.") from None
    except (OSError, ElementTree.ParseError) as error:
        raise UnreadableImageError(f"the boxes {note} cannot be read: {error}. Restore the file.") from None
    if (size := root.find("size")) is not None:
        stated = _numbers(size, ("width", "height"), note)
        if stated != [width, height]:
            raise UnsupportedImageError(
                f"is {width} × {height} px, but {note} was made for {stated[0]} × {stated[1]}. Restore the original image."
            )
    boxes = [_box(cell, note) for cell in root.iter("object") if (cell.findtext("name") or "").strip().upper() == "WBC"]
    outside = [box for box in boxes if not (0 <= box.x0 < box.x1 <= width and 0 <= box.y0 < box.y1 <= height)]
    if outside:
        raise UnsupportedImageError(f"a box in {note} is empty or outside the image: {tuple(outside[0])}. Mend the file.")
    return stand_ins(boxes, {}, pixels)


def _box(cell: ElementTree.Element, note: Path) -> Box:
    """The box of an object, half open."""
    bounds = cell.find("bndbox")
    if bounds is None:
        raise UnsupportedImageError(f"an object in {note} has no bndbox. Mend the file.")
    x0, y0, x1, y1 = _numbers(bounds, ("xmin", "ymin", "xmax", "ymax"), note)
    return Box(max(0, y0 - 1), max(0, x0 - 1), y1, x1)


def _numbers(parent: ElementTree.Element, names: tuple[str, ...], note: Path) -> list[int]:
    """The whole numbers of some children."""
    texts = [parent.findtext(name) for name in names]
    try:
        return [round(float(text or "")) for text in texts]
    except (ValueError, OverflowError):
        found = ", ".join(f"{name}={text}" for name, text in zip(names, texts, strict=True))
        raise UnsupportedImageError(f"expected numbers in the {parent.tag} of {note}, found {found}. Mend the file.") from None
