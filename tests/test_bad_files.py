"""One bad file of each kind among good ones: the good rows are as if they were alone, and every other one has its row."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from napari_wbc.results import tables
from tests.runs import go, images
from tests.smears import smear, write_slides

FAIL, DONE = "failed", "done"


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and has no pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def write_cut(folder: Path) -> dict[str, str]:
    """Files of three formats, cut at each tenth."""
    whole = Pillow.fromarray(smear(3, 2))
    for suffix in ("png", "jpg", "tif"):
        whole.save(folder / f"whole.{suffix}")
        data = (folder / f"whole.{suffix}").read_bytes()
        (folder / f"whole.{suffix}").unlink()
        for tenth in range(10):
            (folder / f"cut-{tenth}.{suffix}").write_bytes(data[: len(data) * tenth // 10])
    return {f"cut-{tenth}.{suffix}": FAIL for suffix in ("png", "jpg", "tif") for tenth in range(10)}


def write_odd(folder: Path) -> dict[str, str]:
    """Odd files, and what is to become of each."""
    picture = smear(4, 2)
    grey, whole = picture[..., 1], Pillow.fromarray(picture)
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("no image")
    (folder / "bomb.png").write_bytes(png_header(60_000, 60_000))
    (folder / "tiff.png").write_bytes(b"")
    tifffile.imwrite(folder / "tiff.png", picture)
    whole.convert("CMYK").save(folder / "cmyk.jpg")
    whole.quantize(64).save(folder / "palette.png")
    whole.convert("1").save(folder / "bit.png")
    whole.convert("RGBA").save(folder / "alpha.png")
    exif = Pillow.Exif()
    exif[0x0112] = 6
    whole.save(folder / "rotated.jpg", exif=exif)
    tifffile.imwrite(folder / "sixteen.tif", picture.astype(np.uint16) * 257)
    tifffile.imwrite(folder / "nan.tif", np.full((40, 40), np.nan, np.float32))
    tifffile.imwrite(folder / "pages.tif", np.stack([grey, grey]), photometric="minisblack")
    data = bytearray((folder / "sixteen.tif").read_bytes())
    (first,) = struct.unpack_from("<I", data, 4)
    (n_tags,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * n_tags, first)
    (folder / "loop.tif").write_bytes(data)
    Pillow.new("RGB", (1, 1)).save(folder / "dot.png")
    Pillow.new("RGB", (100_000, 1)).save(folder / "line.png")
    (folder / "folder.png").mkdir()
    (folder / "dangling.png").symlink_to(folder / "nowhere.png")
    converted = ("tiff.png", "cmyk.jpg", "palette.png", "bit.png", "alpha.png", "rotated.jpg", "sixteen.tif", "dot.png")
    refused = ("empty.png", "text.jpg", "bomb.png", "nan.tif", "pages.tif", "loop.tif", "dangling.png")
    return dict.fromkeys(converted, DONE) | dict.fromkeys(refused, FAIL) | {"line.png": "either"}


def write_named(folder: Path) -> dict[str, str]:
    """Sound files with odd names."""
    names = ("new\nline.png", "quo\"te's.png", "emoji 🩸.png", "a..b.png", "=1+1.png", "%2f..%2fevil.png", "back\\slash.png")
    for name in names:
        Pillow.fromarray(smear(5, 1)).save(folder / name)
    return dict.fromkeys(names, DONE)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names and links")
@pytest.mark.parametrize("write", [write_cut, write_odd, write_named])
def test_bad_files_have_their_row_and_good_ones_theirs(tmp_path: Path, write: object) -> None:
    good, both = write_slides(tmp_path / "good", 2, 10), write_slides(tmp_path / "both", 2, 10)
    wanted = write(both)  # type: ignore[operator]
    go(good, tmp_path / "out-good")
    before = {path for path in tmp_path.rglob("*") if tmp_path / "out" not in path.parents}
    go(both, tmp_path / "out")
    after = {path for path in tmp_path.rglob("*") if tmp_path / "out" not in path.parents}
    assert after - before == {tmp_path / "out"}
    rows = images(tmp_path / "out")
    assert {name for name in rows if name not in wanted} == set(images(tmp_path / "out-good"))
    assert all(rows[name] == row for name, row in images(tmp_path / "out-good").items())
    assert set(wanted) <= set(rows)
    for name, status in wanted.items():
        assert status in (rows[name]["status"], "either"), (name, rows[name])
        assert bool(rows[name]["error"]) == (rows[name]["status"] == FAIL)
    cells = {(row["image"], row["cell_id"]) for row in tables.read((tmp_path / "out" / "cells.csv").read_bytes())}
    good_cells = {(row["image"], row["cell_id"]) for row in tables.read((tmp_path / "out-good" / "cells.csv").read_bytes())}
    assert good_cells <= cells
    for row in rows.values():
        if row["status"] == DONE:
            assert tifffile.imread(tmp_path / "out" / "labels" / f"{row['image']}.tif").shape == (
                int(str(row["height"])),
                int(str(row["width"])),
            )
