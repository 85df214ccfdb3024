"""Whole-slide images of every format give the same pixels, box by box, at every level."""

from __future__ import annotations

import io
import mmap
import os
import re
import struct
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image as Pillow

from napari_wbc import pyramids
from napari_wbc.cells import Box, RgbImage
from napari_wbc.errors import ImageError, UnreadableImageError, UnsupportedImageError
from napari_wbc.images import tiff_directories
from napari_wbc.pyramids import open_pyramid
from tests.runs import counts, go, images
from tests.test_slides import SETTINGS, crowded

BOX = Box(37, 101, 260, 333)


def noise(height: int = 600, width: int = 500) -> RgbImage:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_zarr(path: Path, image: RgbImage, version: str = "0.5", um: float = 0.25, dtype: str = "u1") -> Path:
    """An OME-Zarr with two levels, axes c, y, x."""
    group = zarr.open_group(str(path), mode="w", zarr_format=3 if version == "0.5" else 2)
    for level, step in ((0, 1), (1, 2)):
        planes = np.moveaxis(image[::step, ::step], 2, 0).astype(dtype)
        group.create_array(str(level), data=planes, chunks=(3, 128, 128))
    axes = [{"name": "c", "type": "channel"}, *({"name": n, "type": "space", "unit": "micrometer"} for n in "yx")]
    scales = [{"type": "scale", "scale": [1.0, um * step, um * step]} for step in (1, 2)]
    datasets = [{"path": str(level), "coordinateTransformations": [scales[level]]} for level in (0, 1)]
    multiscales = [{"axes": axes, "datasets": datasets, "version": version}]
    group.attrs.update(
        {"ome": {"version": version, "multiscales": multiscales}} if version == "0.5" else {"multiscales": multiscales}
    )
    return path


def write_svs(path: Path, image: RgbImage, tile_px: int = 128) -> Path:
    """A TIFF as Aperio writes it: the slide, a thumbnail, the next level."""
    text = "Aperio Image Library v12\n500x600 [0,0 500x600] (128x128)|AppMag = 40|MPP = 0.2500"
    options = {"photometric": "rgb", "metadata": None}
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(image, tile=(tile_px, tile_px), description=text, **options)
        tiff.write(image[::8, ::8], description="Aperio Image Library v12\nthumbnail", **options)
        tiff.write(image[::4, ::4], tile=(tile_px, tile_px), description="Aperio Image Library v12\nlevel", **options)
    return path


def write_ndpi(path: Path, image: RgbImage, start: int, um: float = 0.25) -> Path:
    """A TIFF as Hamamatsu writes it, two levels, from byte `start` on: JPEG in stripes, tags of 32 bits whose high bits follow."""
    with path.open("wb") as file:
        file.write(b"II*\0" + bytes(8))
        link, at = 4, start

        def put(data: bytes) -> int:
            nonlocal at
            begin = at
            file.seek(begin)
            at = begin + file.write(data + bytes(-len(data) % 8))
            return begin

        for step in (1, 2):
            buffer = io.BytesIO()
            options = {"quality": 95, "subsampling": 0, "restart_marker_blocks": 8}
            Pillow.fromarray(image[::step, ::step]).save(buffer, "JPEG", **options)
            jpeg, (height, width) = buffer.getvalue(), image[::step, ::step].shape[:2]
            scan = jpeg.index(b"\xff\xda")
            stripes = [scan + 2 + int.from_bytes(jpeg[scan + 2 : scan + 4])]
            stripes += [found.end() for found in re.finditer(b"\xff[\xd0-\xd7]", jpeg)]
            density = put(struct.pack("<II", round(1e4 / um / step), 1))
            (power,) = struct.unpack("<I", struct.pack("<f", 40 / step))
            tags = [
                *((254, 4, 1, 0), (256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, put(struct.pack("<HHH", 8, 8, 8)))),
                *((259, 3, 1, 7), (262, 3, 1, 6), (271, 2, 10, put(b"Hamamatsu\0")), (273, 4, 1, put(jpeg)), (277, 3, 1, 3)),
                *((278, 4, 1, height), (279, 4, 1, len(jpeg)), (282, 5, 1, density), (283, 5, 1, density), (296, 3, 1, 3)),
                *((65420, 4, 1, 1), (65421, 11, 1, power), (65422, 9, 1, 0), (65423, 9, 1, 0), (65424, 9, 1, 0)),
                (65426, 4, len(stripes), put(np.array(stripes, "<u4").tobytes())),
            ]
            low = b"".join(struct.pack("<HHII", code, kind, n, value % 2**32) for code, kind, n, value in tags)
            high = b"".join(struct.pack("<I", value >> 32) for *_, value in tags)
            page = put(struct.pack("<H", len(tags)) + low + bytes(8) + high)
            file.seek(link)
            file.write(struct.pack("<Q", page))
            link = page + 2 + len(low)
    return path


@pytest.mark.parametrize("name", ["a.ndpi", "a.tif"])
@pytest.mark.parametrize("start", [16, 5_000_000_000])
def test_ndpi_is_known_by_its_content_also_beyond_4_gb(name: str, start: int, tmp_path: Path) -> None:
    rough = Pillow.fromarray(np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8))
    image = np.asarray(rough.resize((256, 192)))
    path = write_ndpi(tmp_path / name, image, start)
    assert pyramids.is_slide(path, 0.01)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        assert [len(tags) for tags in tiff_directories(data)] == [20, 20]
    with open_pyramid(path) as slide:
        assert (slide.shapes, slide.um_per_px) == (((192, 256), (96, 128)), 0.25)
        for level, step in ((0, 1), (1, 2)):
            box = Box(5, 9, 80, 120)
            shown = slide.read(box, level).astype(int)
            assert np.abs(shown - image[::step, ::step][box.slices]).mean() < 3, "JPEG is inexact"
            if openslide := _openslide():
                with openslide.OpenSlide(path) as other:
                    rgba = np.asarray(other.read_region((9 * step, 5 * step), level, (111, 75)))
                assert (shown == rgba[..., :3]).all(), "an independent reader sees the same"


def _openslide() -> ModuleType | None:
    try:
        import openslide
    except ImportError:
        return None
    return openslide


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_is_read_box_by_box_with_its_pixel_size(version: str, tmp_path: Path) -> None:
    image = noise()
    with open_pyramid(write_zarr(tmp_path / "a.zarr", image, version)) as slide:
        assert (slide.shapes, slide.um_per_px) == (((600, 500), (300, 250)), 0.25)
        assert (slide.read(BOX) == image[BOX.slices]).all()
        assert (slide.read(Box(0, 10, 300, 250), 1) == image[::2, ::2][:, 10:]).all()


def test_svs_is_read_with_aperios_pixel_size_and_without_its_thumbnail(tmp_path: Path) -> None:
    image = noise()
    with open_pyramid(write_svs(tmp_path / "a.svs", image)) as slide:
        assert (slide.shapes, slide.um_per_px) == (((600, 500), (150, 125)), 0.25)
        assert (slide.read(BOX) == image[BOX.slices]).all()
        assert (slide.read(Box(5, 10, 150, 125), 1) == image[::4, ::4][5:, 10:]).all()


def test_planes_and_grey_become_rgb(tmp_path: Path) -> None:
    image = noise()
    tifffile.imwrite(tmp_path / "a.btf", np.moveaxis(image, 2, 0), tile=(128, 128), photometric="rgb", planarconfig="separate")
    tifffile.imwrite(tmp_path / "b.btf", image[..., 0], tile=(128, 128), photometric="minisblack", bigtiff=True)
    with open_pyramid(tmp_path / "a.btf") as slide:
        assert (slide.read(BOX) == image[BOX.slices]).all()
    with open_pyramid(tmp_path / "b.btf") as slide:
        assert (slide.read(BOX) == image[BOX.slices][..., :1]).all()


def test_other_formats_go_to_openslide(tmp_path: Path) -> None:
    pytest.importorskip("openslide")
    image = noise()
    tifffile.imwrite(tmp_path / "a.svslide", image, tile=(128, 128), photometric="rgb")  # OpenSlide knows it by its content
    with open_pyramid(tmp_path / "a.svslide") as slide:
        assert slide.shapes == ((600, 500),)
        assert (slide.read(BOX) == image[BOX.slices]).all()
    (tmp_path / "b.mrxs").write_bytes(b"nothing")
    with pytest.raises(UnreadableImageError, match="OpenSlide cannot read it"), open_pyramid(tmp_path / "b.mrxs"):
        pass


def test_what_is_no_slide_is_refused_with_the_reason(tmp_path: Path) -> None:
    options = {"photometric": "minisblack", "tile": (128, 128)}
    tifffile.imwrite(tmp_path / "deep.btf", noise()[..., 0].astype(np.uint16), **options)
    tifffile.imwrite(tmp_path / "flat.btf", noise(), photometric="rgb")
    (tmp_path / "empty.svs").touch()
    (tmp_path / "text.ndpi").write_bytes(b"no slide, but some text")
    (tmp_path / "none.zarr").mkdir()
    write_zarr(tmp_path / "deep.zarr", noise(), dtype="u2")
    for name, kind, reason in (
        ("deep.btf", UnsupportedImageError, "8 bits"),
        ("flat.btf", UnsupportedImageError, "not tiled"),
        ("empty.svs", UnreadableImageError, "0 bytes"),
        ("text.ndpi", ImageError, "text.ndpi"),
        ("none.zarr", ImageError, "none.zarr"),
        ("deep.zarr", UnsupportedImageError, "8 bits"),
        ("missing.svs", UnreadableImageError, "missing.svs"),
    ):
        with pytest.raises(kind, match=reason), open_pyramid(tmp_path / name):
            pass


def test_no_text_or_path_of_a_zarr_is_in_the_reason(tmp_path: Path) -> None:
    (tmp_path / "none.zarr").mkdir()
    group = zarr.open_group(str(write_zarr(tmp_path / "other.zarr", noise())), mode="a")
    image = {"axes": [{"name": "y"}, {"name": "Jane Doe"}, {"name": "x"}], "datasets": [{"path": "0"}]}
    group.attrs["ome"] = {"multiscales": [image]}
    lost = zarr.open_group(str(write_zarr(tmp_path / "lost.zarr", noise())), mode="a")
    lost.attrs["ome"] = {"multiscales": [image | {"datasets": [{"path": "Jane Doe 1970"}]}]}
    for name in ("none.zarr", "other.zarr", "lost.zarr"):
        with pytest.raises(ImageError, match=r"^slide: .*Zarr") as refused, open_pyramid(tmp_path / name, "slide"):
            pass
        assert "Jane" not in str(refused.value)
        assert str(tmp_path) not in str(refused.value)


def test_a_slide_of_many_samples_is_refused_before_its_tiles_are_looked_for(tmp_path: Path) -> None:
    """Damage can make 65,535 of three, each with tiles of its own: a window of it took minutes."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((6, 64, 96), np.uint8), tile=(16, 16), photometric="rgb", planarconfig="separate")
    with pytest.raises(UnsupportedImageError, match=r"shape \(6, 64, 96\)\); one flat picture"), open_pyramid(path):
        pass


@pytest.mark.parametrize("tenth", range(1, 10))
def test_a_slide_cut_at_any_tenth_is_truncated(tenth: int, tmp_path: Path) -> None:
    data = write_svs(tmp_path / "a.svs", noise()).read_bytes()
    (tmp_path / "a.svs").write_bytes(data[: len(data) * tenth // 10])
    with pytest.raises(UnreadableImageError), open_pyramid(tmp_path / "a.svs"):
        pass


def test_a_zarr_is_one_image_of_a_run_and_stale_when_a_chunk_changes(tmp_path: Path) -> None:
    path = write_zarr(tmp_path / "in" / "a.zarr", crowded(), um=0.17)
    go(tmp_path / "in", tmp_path / "out", settings=SETTINGS)
    assert list(images(tmp_path / "out")) == ["a.zarr"]
    assert images(tmp_path / "out")["a.zarr"]["slide"] == "a.zarr"
    go(path, tmp_path / "out", settings=SETTINGS)
    assert counts(tmp_path / "out") == {"skipped": 1}
    os.utime(next(file for file in sorted((path / "0").rglob("*")) if file.is_file()))
    zarr.open_group(str(path))["0"][:, :200, :200] = 230
    go(path, tmp_path / "out", settings=SETTINGS)
    assert counts(tmp_path / "out") == {"done": 1, "stale": 1}
