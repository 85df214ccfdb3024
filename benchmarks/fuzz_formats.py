"""What `fuzz.py` feeds: for each format sound files, the kind of change, and the parser under test."""

from __future__ import annotations

import io
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image as Pillow

from napari_wbc.batch import analyse_folder
from napari_wbc.cells import Box
from napari_wbc.config import Settings, read_settings
from napari_wbc.exchange.merging import merge
from napari_wbc.exchange.told import Known
from napari_wbc.exchange.transfer import MODULES, export_results
from napari_wbc.images import decode
from napari_wbc.pyramids import open_pyramid
from napari_wbc.results import read_analysis, read_labels, read_mark, read_record
from napari_wbc.results.label_images import encode_labels
from napari_wbc.results.pixels import Pixels
from napari_wbc.results.runfile import read_run
from napari_wbc.results.summary import make_tables
from tests.fakes import load_fakes
from tests.smears import smear

IMAGE = "s1/a.png"
SHAPE = (40, 56)
MAX_MEGAPIXELS = 0.2


@dataclass(frozen=True)
class Target:
    """A parser: the kind of its files, sound ones, and what is done with a changed one."""

    kind: str
    seeds: tuple[bytes, ...]
    feed: Callable[[bytes, random.Random], object]


def targets(work: Path) -> dict[str, Target]:
    """All of them; `work` is an empty folder on a fast disk."""
    out = _results(work)
    found = {
        name: Target(name, seeds, lambda data, rng: decode(data, "x", MAX_MEGAPIXELS)) for name, seeds in image_seeds().items()
    }
    found["slide"] = Target("tiff", _slides(), _feed_slide(work / "slide.tif"))
    found["settings"] = _settings(work / "settings.json")
    found |= {name: _exchange(name, out, work) for name in MODULES if name != "crops"}
    found |= {f"results-{name}": _damaged_results(out, name, work) for name in ("run", "record", "labels")}
    return found | _models(work)


def _results(work: Path) -> Path:
    """A results folder of two small images."""
    for name, seed in ((IMAGE, 1), ("s1/b.png", 2)):
        path = work / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(smear(seed, 1, SHAPE)).save(path)
    analyse_folder(work / "images", work / "out", load_fakes(), Settings(um_per_px=0.17, min_area_px=20))
    assert len(read_analysis(work / "out", IMAGE).cells)
    return work / "out"


def image_seeds() -> dict[str, tuple[bytes, ...]]:
    """Sound images of every format, in several forms."""
    rgb = smear(3, 1, (24, 32))
    picture = Pillow.fromarray(rgb)
    palette, grey, alpha = picture.quantize(16), picture.convert("L"), picture.convert("RGBA")
    exif = Pillow.Exif()
    exif[0x0112] = 6

    size = {"axes": "YXS", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1}

    def saved(image: Pillow.Image, form: str, **options: Any) -> bytes:
        file = io.BytesIO()
        image.save(file, format=form, **options)
        return file.getvalue()

    def tiff(array: Any, **options: Any) -> bytes:
        file = io.BytesIO()
        tifffile.imwrite(file, array, **options)
        return file.getvalue()

    deep = Pillow.fromarray(rgb[..., 0].astype(np.uint16) * 200)
    return {
        "png": (
            *(saved(i, "PNG") for i in (picture, palette, grey, alpha, deep)),
            saved(picture, "PNG", dpi=(99999, 99999), exif=exif),
        ),
        "jpeg": (
            saved(picture, "JPEG"),
            saved(picture, "JPEG", progressive=True, exif=exif),
            saved(grey, "JPEG"),
            saved(picture.convert("CMYK"), "JPEG"),
        ),
        "bmp": tuple(saved(i, "BMP") for i in (picture, palette, grey, alpha)),
        "tiff": (
            tiff(rgb, photometric="rgb"),
            tiff(rgb, photometric="rgb", tile=(16, 16), compression="lzw"),
            tiff(rgb, ome=True, photometric="rgb", metadata=size),
            tiff(rgb[..., 0], compression="zlib", predictor=True),
            tiff(rgb, bigtiff=True, byteorder=">", photometric="rgb"),
            tiff(rgb, photometric="rgb", compression="jpeg"),
            tiff(rgb[None], imagej=True, resolution=(1e5, 1e5)),
            saved(palette, "TIFF", compression="packbits"),
            saved(picture.convert("1"), "TIFF", compression="group4"),
            tiff(rgb.astype(np.float32) / 255, photometric="rgb"),
        ),
    }


def _slides() -> tuple[bytes, ...]:
    rgb = smear(4, 1, (64, 96))
    files = []
    for ome in (False, True):
        file = io.BytesIO()
        with tifffile.TiffWriter(file, ome=ome) as tiff:
            tiff.write(rgb, tile=(16, 16), photometric="rgb", subifds=1, compression="zlib")
            tiff.write(rgb[::2, ::2], tile=(16, 16), photometric="rgb", subfiletype=1, compression="zlib")
        files.append(file.getvalue())
    return tuple(files)


def _feed_slide(path: Path) -> Callable[[bytes, random.Random], object]:
    def feed(data: bytes, rng: random.Random) -> object:
        path.write_bytes(data)
        with open_pyramid(path, "x") as slide:
            for level, (height, width) in enumerate(slide.shapes):
                slide.read(Box(0, 0, min(40, height), min(40, width)), level)
        return None

    return feed


def _settings(path: Path) -> Target:
    def feed(data: bytes, rng: random.Random) -> object:
        path.write_bytes(data)
        return read_settings(path)

    whole = Settings(um_per_px=0.1).model_dump_json().encode()
    return Target("json", (whole, b'{"settings": ' + whole + b"}"), feed)


def _known(out: Path, work: Path, image: str) -> Known:
    found, pixels = read_analysis(out, image), decode((work / "images" / image).read_bytes(), image).pixels
    return Known(read_record(out, image).row, found.cells, Pixels.of(found.labels), lambda: Pixels.of(pixels))


def _exchange(name: str, out: Path, work: Path) -> Target:
    """One file of an export is changed; what comes back is merged, and its labels are encoded."""
    src = work / f"export-{name}"
    for _ in export_results(name, out, src):
        pass
    files = sorted(path for path in src.rglob("*") if path.is_file() and path.parent.name != "images")
    sound = {path: path.read_bytes() for path in files}
    known = {image: _known(out, work, image) for image in (IMAGE, "s1/b.png")}
    kinds = {".json": "json", ".geojson": "json", ".csv": "csv", ".zip": "zip", ".png": "png", ".tif": "tiff"}

    def feed(data: bytes, rng: random.Random) -> object:
        path = next(p for p in files if data.startswith(str(p).encode() + b"\0"))
        path.write_bytes(data[len(str(path)) + 1 :])
        try:
            for image, read in MODULES[name].find(src, list(known)).items():
                if (labels := merge(known[image], read(SHAPE)).labels) is not None:
                    encode_labels(labels.paint(Box(0, 0, *SHAPE)), None)
        finally:
            path.write_bytes(sound[path])
        return None

    named = {path: str(path).encode() + b"\0" + data for path, data in sound.items()}
    return Target("named:" + json.dumps({str(p): kinds.get(p.suffix, "txt") for p in files}), tuple(named.values()), feed)


def _damaged_results(out: Path, part: str, work: Path) -> Target:
    """A file of the results folder is changed, and all of it is read."""
    copy = work / f"copy-{part}"
    shutil.copytree(out, copy)
    path = {"run": copy / "run.json", "record": copy / "records/s1/a.png.json", "labels": copy / "labels/s1/a.png.tif"}[part]
    sound = path.read_bytes()
    readers: dict[str, tuple[Callable[[], object], ...]] = {
        "run": (lambda: read_run(copy),),
        "record": (
            lambda: read_mark(copy, IMAGE),
            lambda: make_tables(copy, work / "tables"),
            lambda: read_analysis(copy, IMAGE),
        ),
        "labels": (lambda: read_labels(copy, IMAGE),),
    }

    def feed(data: bytes, rng: random.Random) -> object:
        path.write_bytes(data)
        if part == "record":
            read_record(copy, IMAGE)
        for read in readers[part]:
            read()
        return None

    return Target("tiff" if part == "labels" else "json", (sound,), feed)


def _models(work: Path) -> dict[str, Target]:
    """Cards of small model files, and whole ones, which take longer."""
    from napari_wbc.config import CELL_TYPES
    from napari_wbc.nets.checkpoint import Alex, Card, read_card, read_checkpoint, save_checkpoint

    unit = (0.5, 0.5, 0.5)
    card = Card(name="x", task="classifier", architecture=Alex(width=1), outputs=CELL_TYPES, mean=unit, std=unit)
    path = work / "model.safetensors"
    save_checkpoint(path, card.architecture.build(5), card)
    whole = path.read_bytes()
    small = whole[: 8 + int.from_bytes(whole[:8], "little")]

    def feed(data: bytes, rng: random.Random) -> object:
        path.write_bytes(data)
        return read_card(path)

    def feed_whole(data: bytes, rng: random.Random) -> object:
        path.write_bytes(data)
        return read_checkpoint(path, "classifier")

    import safetensors.torch
    import torch

    file = safetensors.torch.save({"a": torch.zeros(2)}, {"napari_wbc": card.model_dump_json()})
    return {
        "safetensors": Target("safetensors", (file, small), feed),
        "checkpoint": Target("safetensors", (whole,), feed_whole),
    }
