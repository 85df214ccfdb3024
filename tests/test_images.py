"""Reading: every conversion against values worked out by hand; damaged files are refused, whatever the damage."""

from __future__ import annotations

import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageOps

from napari_wbc.errors import ImageError, ImageTooLargeError, UnreadableImageError, UnsupportedImageError
from napari_wbc.images import IMAGE_SUFFIXES, decode, read_bytes, read_image, to_rgb
from napari_wbc.pyramids import is_slide
from tests.damage import tag_at, with_a_page_of_negative_length

Array = npt.NDArray[Any]

# A picture of which every corner differs: (24, 32, 3) uint8.
_ROWS, _COLUMNS = np.mgrid[:24, :32]
RGB = np.stack([_COLUMNS * 8, _ROWS * 10, (_ROWS + _COLUMNS) * 4], axis=2).astype(np.uint8)
GREY = RGB[..., 0]


def pillow_bytes(image: Image.Image, suffix: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, suffix, **options)
    return buffer.getvalue()


def tiff_bytes(array: Array, **options: Any) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def png16_bytes(array: Array) -> bytes:
    return bytes(imagecodecs.png_encode(np.ascontiguousarray(array)))


def pixels(data: bytes) -> Array:
    return decode(data, "a.file").pixels


def one(value: float, dtype: str) -> Array:
    """What `to_rgb` makes of an image of one value, in a corner of zeros."""
    image = np.zeros((2, 2), dtype)
    image[0, 0] = value
    return np.asarray(to_rgb(image)[0, 0])


# --- to_rgb ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("uint8", 200, 200),
        ("bool", 1, 255),
        ("uint16", 255, 255),  # held by 2^8: as it is
        ("uint16", 256, 64),  # held by 2^10: ÷ 4
        ("uint16", 1000, 250),
        ("uint16", 1023, 255),
        ("uint16", 1024, 64),  # held by 2^12: ÷ 16
        ("uint16", 4095, 255),
        ("uint16", 4096, 64),  # held by 2^14: ÷ 64
        ("uint16", 16383, 255),
        ("uint16", 16384, 64),  # held by 2^16: ÷ 256
        ("uint16", 65535, 255),
        ("int16", 1003, 250),  # rounded down
        ("int32", 65535, 255),
        (">u2", 1000, 250),
        ("float32", 1.0, 255),
        ("float64", 0.5, 128),  # 127.5, to the even
        ("float16", 0.25, 64),  # 63.75
        ("float32", 1.5, 2),  # above 1: 0..255
        ("float32", 254.6, 255),
    ],
)
def test_values_by_hand(dtype: str, value: float, expected: int) -> None:
    assert one(value, dtype).tolist() == [expected] * 3


def test_one_divisor_for_all_channels() -> None:
    image = np.array([[[1000, 100, 4]]], np.uint16)
    assert to_rgb(image).tolist() == [[[250, 25, 1]]]


def test_transparency_is_dropped_before_the_scale_is_chosen() -> None:
    image = np.array([[[1000, 100, 4, 65535]]], np.uint16)
    assert to_rgb(image).tolist() == [[[250, 25, 1]]]
    assert to_rgb(np.array([[[7, 0]]], np.uint8)).tolist() == [[[7, 7, 7]]]


@pytest.mark.parametrize("shape", [(24, 32), (24, 32, 1), (1, 1), (1, 5)])
def test_grey_shapes(shape: tuple[int, ...]) -> None:
    image = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape) % 200
    expected = np.stack([image.reshape(shape[:2])] * 3, axis=2)
    assert np.array_equal(to_rgb(image), expected)


def test_channels_first() -> None:
    assert np.array_equal(to_rgb(np.moveaxis(RGB, 2, 0)), RGB)
    four = np.concatenate([np.moveaxis(RGB, 2, 0), np.full((1, 24, 32), 9, np.uint8)])
    assert np.array_equal(to_rgb(four), RGB)


def test_rgb_is_not_copied() -> None:
    assert np.shares_memory(to_rgb(RGB), RGB)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.array([[np.nan, 0.5]]), "not numbers"),
        (np.array([[np.inf, 0.5]]), "not numbers"),
        (np.array([[-0.1, 0.5]]), "negative"),
        (np.array([[-1, 5]], np.int16), "negative"),
        (np.array([[65536, 5]], np.uint32), "65536"),
        (np.array([[256.0, 5]]), "256"),
        (np.zeros((4, 4), np.complex64), "complex64"),
        (np.zeros((2, 4, 4, 3), np.uint8), "(2, 4, 4, 3)"),
        (np.zeros((5, 8, 8), np.uint8), "(5, 8, 8)"),
        (np.zeros(7, np.uint8), "(7,)"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
    ],
)
def test_refused_arrays(image: Array, words: str) -> None:
    with pytest.raises(UnsupportedImageError) as caught:
        to_rgb(image)
    assert words in str(caught.value)


_PICTURES = hnp.arrays(
    st.sampled_from(["uint8", "uint16", "bool", "int16", "float32"]),
    hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=6),
    elements=st.sampled_from([0, 1]),
)


@settings(max_examples=60, deadline=None)
@given(image=_PICTURES, factor=st.integers(1, 200))
def test_to_rgb_gives_a_picture_or_refuses(image: Array, factor: int) -> None:
    image = image * np.array(factor, "uint8") if image.dtype != np.bool_ else image
    before = image.copy()
    try:
        rgb = to_rgb(image)
    except UnsupportedImageError:
        assert image.ndim == 3
        assert image.shape[2] > 4
    else:
        assert rgb.dtype == np.uint8
        assert rgb.shape[2] == 3
        assert rgb.flags.c_contiguous
        assert rgb.shape[:2] == image.shape[:2] or rgb.shape[:2] == image.shape[1:]
    assert np.array_equal(image, before)


@settings(max_examples=60, deadline=None)
@given(image=hnp.arrays("uint16", (3, 4), elements=st.integers(0, 65535)))
def test_16_bits_keep_their_order_and_at_least_a_quarter_of_the_range(image: Array) -> None:
    grey = to_rgb(image)[..., 0]
    order = np.argsort(image, axis=None, kind="stable")
    assert (np.diff(grey.ravel()[order].astype(int)) >= 0).all()
    if image.max() > 255:
        assert grey.max() >= 64


# --- files ----------------------------------------------------------------------------------------------------------


def test_read_image_gives_read_only_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(pillow_bytes(Image.fromarray(RGB), "PNG"))
    field = read_image(path)
    assert np.array_equal(field.pixels, RGB)
    assert field.pixels.dtype == np.uint8
    assert not field.pixels.flags.writeable
    assert field.um_per_px is None
    assert np.array_equal(decode(read_bytes(str(path)), "a.png").pixels, RGB)


@pytest.mark.parametrize("suffix", ["PNG", "BMP", "TIFF"])
def test_the_content_counts_not_the_suffix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(pillow_bytes(Image.fromarray(RGB), suffix))
    assert np.array_equal(read_image(path).pixels, RGB)


def test_suffixes() -> None:
    assert {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"} == set(IMAGE_SUFFIXES)


@pytest.mark.parametrize("suffix", ["PNG", "BMP", "TIFF"])
def test_grey_palette_and_one_bit(suffix: str) -> None:
    grey = Image.fromarray(GREY)
    assert np.array_equal(pixels(pillow_bytes(grey, suffix)), np.stack([GREY] * 3, axis=2))
    bits = pixels(pillow_bytes(grey.point(lambda v: 255 * (v > 100)).convert("1"), suffix))
    assert np.array_equal(bits, np.stack([np.where(GREY > 100, 255, 0)] * 3, axis=2))
    palette = Image.fromarray((GREY > 100).astype(np.uint8), "P")
    palette.putpalette([10, 20, 30, 200, 100, 50])
    assert np.array_equal(pixels(pillow_bytes(palette, suffix)), np.where(GREY[..., None] > 100, (200, 100, 50), (10, 20, 30)))


def test_transparent_pixels_keep_their_colour() -> None:
    alpha = np.concatenate([RGB, np.zeros((24, 32, 1), np.uint8)], axis=2)
    for suffix in ("PNG", "TIFF"):
        assert np.array_equal(pixels(pillow_bytes(Image.fromarray(alpha), suffix)), RGB)
    assert np.array_equal(pixels(pillow_bytes(Image.fromarray(RGB), "PNG", transparency=(0, 0, 0))), RGB)
    grey = Image.fromarray(np.stack([GREY, GREY * 0], axis=2), "LA")
    assert np.array_equal(pixels(pillow_bytes(grey, "PNG")), np.stack([GREY] * 3, axis=2))
    palette = Image.fromarray(RGB).quantize(8)
    expected = np.asarray(palette.convert("RGB"))
    assert np.array_equal(pixels(pillow_bytes(palette, "PNG", transparency=bytes(8))), expected)


@pytest.mark.parametrize(("suffix", "tolerance"), [("TIFF", 0), ("JPEG", 8)])
def test_cmyk(suffix: str, tolerance: int) -> None:
    ink = Image.new("CMYK", (16, 16), (255, 0, 51, 0))  # all cyan, a fifth of yellow: no red, all green, 4/5 of blue
    found = pixels(pillow_bytes(ink, suffix))
    assert np.abs(found.astype(int) - (0, 255, 204)).max() <= tolerance


def test_16_bit_png_keeps_the_lower_bits() -> None:
    deep = RGB.astype(np.uint16) * 4  # a camera of 10 bits: at most 248 * 4 = 992
    assert np.array_equal(pixels(png16_bytes(deep)), RGB)
    assert np.array_equal(pixels(png16_bytes(deep[..., 0])), np.stack([GREY] * 3, axis=2))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["PNG", "JPEG", "TIFF"])
def test_orientation(orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    exif[0x0112] = orientation
    options = {"tiffinfo": {274: orientation}} if suffix == "TIFF" else {"exif": exif}
    patches = np.random.default_rng(0).integers(0, 6, (3, 4, 3), dtype=np.uint8) * 50  # no two turned views are the same
    lying = Image.fromarray(np.kron(patches, np.ones((16, 16, 1), np.uint8)))
    upright = ImageOps.exif_transpose(Image.open(BytesIO(pillow_bytes(lying, suffix, **options))))
    assert np.array_equal(pixels(pillow_bytes(lying, suffix, **options)), np.asarray(upright))


def test_orientation_6_by_hand() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its left side: turn by 90° clockwise
    lying = np.array([[[1, 1, 1], [2, 2, 2]]], np.uint8)
    assert pixels(pillow_bytes(Image.fromarray(lying), "PNG", exif=exif))[..., 0].tolist() == [[1], [2]]
    exif[0x0112] = 3
    assert pixels(pillow_bytes(Image.fromarray(lying), "PNG", exif=exif))[..., 0].tolist() == [[2, 1]]


def test_a_damaged_exif_block_does_not_cost_the_picture() -> None:
    for exif in (b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0II*\0\xff\xff\xff\xff"):
        assert np.array_equal(pixels(pillow_bytes(Image.fromarray(RGB), "PNG", exif=exif)), RGB)


# --- TIFF -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "lzw", "rowsperstrip": 5, "predictor": True},
        {"compression": "zlib", "tile": (16, 16)},
        {"bigtiff": True, "byteorder": ">"},
        {"ome": True, "metadata": {"axes": "YXS"}},
    ],
)
def test_rgb_tiff(options: dict[str, Any]) -> None:
    assert np.array_equal(pixels(tiff_bytes(RGB, photometric="rgb", **options)), RGB)


def test_jpeg_tiff_is_rgb() -> None:
    flat = np.full((32, 32, 3), (200, 100, 50), np.uint8)
    found = pixels(tiff_bytes(flat, photometric="rgb", compression="jpeg", tile=(16, 16)))
    assert np.abs(found.astype(int) - flat).max() <= 3


@pytest.mark.parametrize(
    "options",
    [
        {"photometric": "rgb", "planarconfig": "separate"},
        {"photometric": "minisblack", "ome": True, "metadata": {"axes": "CYX"}},
        {"imagej": True, "metadata": {"axes": "CYX"}},
    ],
)
def test_channels_first_tiff(options: dict[str, Any]) -> None:
    assert np.array_equal(pixels(tiff_bytes(np.moveaxis(RGB, 2, 0).copy(), **options)), RGB)
    narrow = RGB[:5, :3]  # as wide as it has channels: the axes decide
    assert np.array_equal(pixels(tiff_bytes(np.moveaxis(narrow, 2, 0).copy(), **options)), narrow)


def test_deep_and_real_tiff() -> None:
    assert np.array_equal(pixels(tiff_bytes(RGB.astype(np.uint16) * 16, photometric="rgb")), RGB)
    assert np.array_equal(pixels(tiff_bytes((RGB / 255).astype(np.float32), photometric="rgb")), RGB)
    with pytest.raises(UnsupportedImageError, match=r"a\.file: .*NaN"):
        pixels(tiff_bytes(np.full((4, 4), np.nan, np.float32)))


def test_white_is_zero() -> None:
    assert np.array_equal(pixels(tiff_bytes(GREY, photometric="miniswhite"))[..., 0], 255 - GREY)


@pytest.mark.parametrize(
    ("array", "options"),
    [
        (np.stack([RGB] * 3), {"photometric": "rgb"}),
        (np.stack([GREY] * 7), {"photometric": "minisblack"}),
        (np.stack([GREY] * 5), {"imagej": True, "metadata": {"axes": "ZYX"}}),
        (np.stack([GREY] * 2), {"ome": True, "photometric": "minisblack", "metadata": {"axes": "CYX"}}),
    ],
)
def test_several_pages_are_refused_with_their_number(array: Array, options: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedImageError, match=rf"a\.file: the TIFF holds {len(array)} pages"):
        pixels(tiff_bytes(array, **options))


@pytest.mark.parametrize("thumbnail_first", [False, True])
def test_a_thumbnail_is_not_a_page(thumbnail_first: bool) -> None:
    pages: list[tuple[Array, dict[str, Any]]] = [(RGB, {}), (RGB[::2, ::2], {}), (RGB[::2, ::2] + 1, {"subfiletype": 1})]
    buffer = BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for array, options in pages[::-1] if thumbnail_first else pages:
            writer.write(array, photometric="rgb", metadata=None, **options)
    assert np.array_equal(pixels(buffer.getvalue()), RGB)


def test_two_pages_of_different_size_are_refused() -> None:
    buffer = BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(RGB, photometric="rgb", metadata=None)
        writer.write(RGB[:-1], photometric="rgb", metadata=None)
    with pytest.raises(UnsupportedImageError, match="2 pages"):
        pixels(buffer.getvalue())


def test_of_a_pyramid_the_full_size() -> None:
    buffer = BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(RGB, photometric="rgb", subifds=1, tile=(16, 16))
        writer.write(RGB[::2, ::2], photometric="rgb", subfiletype=1, tile=(16, 16))
    assert np.array_equal(pixels(buffer.getvalue()), RGB)


def test_other_colours_are_refused() -> None:
    with pytest.raises(UnsupportedImageError, match="CIELAB"):
        pixels(tiff_bytes(RGB, photometric="cielab"))


# --- pixel size -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"ome": True, "metadata": {"axes": "YXS", "PhysicalSizeX": 0.12, "PhysicalSizeY": 0.12}}, 0.12),
        ({"ome": True, "metadata": {"axes": "YXS", "PhysicalSizeX": 120, "PhysicalSizeXUnit": "nm",
                                    "PhysicalSizeY": 0.12, "PhysicalSizeYUnit": "µm"}}, 0.12),
        ({"ome": True, "metadata": {"axes": "YXS", "PhysicalSizeX": 0.12, "PhysicalSizeY": 0.13}}, None),
        ({"ome": True, "metadata": {"axes": "YXS", "PhysicalSizeX": 0.12}}, None),
        ({"ome": True, "metadata": {"axes": "YXS", "PhysicalSizeX": 1, "PhysicalSizeXUnit": "pixel"}}, None),
        ({"resolution": (100_000, 100_000), "resolutionunit": "CENTIMETER"}, 0.1),
        ({"resolution": (100_000, 101_000), "resolutionunit": "CENTIMETER"}, 0.1),  # 1 % apart
        ({"resolution": (100_000, 103_000), "resolutionunit": "CENTIMETER"}, None),  # 3 % apart
        ({"resolution": (127_000, 127_000), "resolutionunit": "INCH"}, 0.2),
        ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
        ({"resolution": (300, 300), "resolutionunit": "INCH"}, None),
        ({"resolution": (10, 10), "resolutionunit": "NONE"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_pixel_size_of_a_tiff(options: dict[str, Any], expected: float | None) -> None:
    found = decode(tiff_bytes(RGB, photometric="rgb", **options), "a.tif").um_per_px
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(("unit", "expected"), [("um", 0.25), ("micron", 0.25), ("µm", 0.25), ("nm", None), ("pixel", None)])
def test_pixel_size_of_imagej(unit: str, expected: float | None) -> None:
    data = tiff_bytes(GREY, imagej=True, resolution=(4, 4), metadata={"unit": unit.replace("µ", "\\u00B5")})
    assert decode(data, "a.tif").um_per_px == expected


def test_pixel_size_of_a_png() -> None:
    image = Image.fromarray(RGB)
    assert decode(pillow_bytes(image, "PNG", dpi=(254_000, 254_000)), "a.png").um_per_px == pytest.approx(0.1)
    for dpi in (72, 96, 300):
        for suffix in ("PNG", "JPEG", "BMP"):
            assert decode(pillow_bytes(image, suffix, dpi=(dpi, dpi)), "a").um_per_px is None


# --- refusals -------------------------------------------------------------------------------------------------------


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds nothing."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


@pytest.mark.parametrize("size", [(20_000, 10_000), (60_000, 60_000)])
def test_too_large_is_refused_before_decoding(size: tuple[int, int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow's warning of decompression bombs must not leak
        with pytest.raises(ImageTooLargeError, match=r"a\.png: .* megapixels.*max_megapixels = 150.*tiled TIFF"):
            decode(png_header(*size) + b"\0\0\0\0IDAT", "a.png")


@pytest.mark.parametrize("suffix", ["PNG", "JPEG", "BMP", "TIFF"])
def test_the_budget_in_megapixels(suffix: str) -> None:
    data = pillow_bytes(Image.fromarray(RGB), suffix)
    assert decode(data, "a", 24 * 32 / 1e6).pixels.shape == RGB.shape
    with pytest.raises(ImageTooLargeError):
        decode(data, "a", 24 * 32 / 1e6 - 1e-9)


def test_animations_are_refused() -> None:
    data = pillow_bytes(Image.fromarray(RGB), "PNG", save_all=True, append_images=[Image.fromarray(255 - RGB)])
    with pytest.raises(UnsupportedImageError, match="2 frames"):
        pixels(data)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(UnreadableImageError) as caught:
            read_image(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"image", b"GIF89a" + bytes(50), b"<html>", b"\x89PNG\r\n\x1a\n", b"BM",
                                     b"II*\0", b"MM\0*\0\0\0\0", b"II*\0\x08\0\0\0\0\0", b"\xff\xd8\xff\xe0"])  # fmt: skip
def test_what_is_no_image(content: bytes) -> None:
    with pytest.raises(UnreadableImageError, match=r"a\.file: "):
        pixels(content)


SMALL = RGB[:16, :16].copy()
NOISE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
SOUND: dict[str, Callable[[], bytes]] = {
    "png": lambda: pillow_bytes(Image.fromarray(NOISE), "PNG"),
    "png of 16 bits": lambda: png16_bytes(NOISE.astype(np.uint16) * 100),
    "png with palette": lambda: pillow_bytes(Image.fromarray(SMALL).quantize(16), "PNG"),
    "jpeg": lambda: pillow_bytes(Image.fromarray(NOISE), "JPEG"),
    "progressive jpeg": lambda: pillow_bytes(Image.fromarray(NOISE), "JPEG", progressive=True),
    "bmp": lambda: pillow_bytes(Image.fromarray(NOISE), "BMP"),
    "tiff": lambda: tiff_bytes(NOISE, photometric="rgb"),
    "tiff by pillow": lambda: pillow_bytes(Image.fromarray(NOISE), "TIFF", compression="packbits"),
    "lzw tiff": lambda: tiff_bytes(NOISE, photometric="rgb", compression="lzw", rowsperstrip=4),
    "jpeg tiff": lambda: tiff_bytes(NOISE, photometric="rgb", compression="jpeg", tile=(16, 16)),
    "ome-tiff": lambda: tiff_bytes(
        np.moveaxis(NOISE, 2, 0).copy(), photometric="minisblack", ome=True, metadata={"axes": "CYX"}
    ),
    "imagej": lambda: tiff_bytes(np.moveaxis(NOISE, 2, 0).copy(), imagej=True, metadata={"axes": "CYX"}),
    "bigtiff": lambda: tiff_bytes(NOISE, photometric="rgb", bigtiff=True),
}


def attempt(data: bytes) -> Array | ImageError:
    """The pixels, or the refusal; anything else that is raised fails the test."""
    try:
        return pixels(data)
    except ImageError as error:
        return error


@pytest.mark.parametrize("name", SOUND)
def test_a_truncated_file_is_refused_never_half_read(name: str) -> None:
    data = SOUND[name]()
    whole = pixels(data)
    cuts = [len(data) * i // 10 for i in range(10)] + [len(data) - i for i in (1, 2, 4, 8, 12)]
    outcomes = [attempt(data[:cut]) for cut in cuts]
    for cut, outcome in zip(cuts, outcomes, strict=True):
        if isinstance(outcome, ImageError):
            assert type(outcome) is UnreadableImageError
            assert str(outcome).startswith("a.file: ")
        else:
            assert np.array_equal(outcome, whole), f"cut to {cut} of {len(data)} bytes, read otherwise"
    assert sum(isinstance(outcome, ImageError) for outcome in outcomes) >= 10


@pytest.mark.parametrize("name", SOUND)
def test_a_damaged_file_is_read_or_refused(name: str) -> None:
    rng = np.random.default_rng(1)
    data = SOUND[name]()
    for i in range(25):
        damaged = bytearray(data)
        at = int(rng.integers(min(len(data), 300))) * (-1 if i % 2 else 1)  # heads and tails, where the structure is
        damaged[at] ^= 1 << int(rng.integers(8))
        outcome = attempt(bytes(damaged))
        assert str(outcome).startswith("a.file: ") if isinstance(outcome, ImageError) else outcome.dtype == np.uint8


@pytest.mark.parametrize("name", ["png", "png of 16 bits", "png with palette"])
def test_a_png_with_a_wrong_pixel_is_refused(name: str) -> None:
    data = bytearray(SOUND[name]())
    data[data.index(b"IDAT") + 12] ^= 1
    with pytest.raises(UnreadableImageError):
        pixels(bytes(data))


def test_a_tiff_whose_pages_run_in_a_circle_is_refused() -> None:
    data = bytearray(tiff_bytes(GREY))
    (first,) = struct.unpack_from("<I", data, 4)
    (n_tags,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * n_tags, first)
    with pytest.raises(UnreadableImageError, match="after page 1"):
        pixels(bytes(data))


@pytest.mark.parametrize("in_pyramid", [False, True])
def test_a_tiff_with_a_page_of_negative_size_is_refused_and_not_read_for_ever(in_pyramid: bool, tmp_path: Path) -> None:
    buffer = BytesIO()
    with tifffile.TiffWriter(buffer) as tiff:
        tiff.write(RGB, photometric="rgb", subifds=int(in_pyramid))
        if in_pyramid:
            tiff.write(RGB[::2, ::2], photometric="rgb", subfiletype=1)
    data = with_a_page_of_negative_length(buffer.getvalue(), in_pyramid)
    (tmp_path / "a.tif").write_bytes(data)
    read = "import sys; from napari_wbc import read_image; read_image(sys.argv[1])"
    ended = subprocess.run([sys.executable, "-c", read, tmp_path / "a.tif"], capture_output=True, text=True, timeout=60)
    assert "UnreadableImageError" in ended.stderr
    assert "the TIFF is damaged: it has a page of the shape (-" in ended.stderr


def test_of_a_damaged_tiff_only_our_error_is_heard(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = bytearray(tiff_bytes(GREY))
    struct.pack_into("<H", data, tag_at(data, 279) + 2, 65_535)  # of no known type
    (path := tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(UnreadableImageError, match=r"a\.tif: the TIFF is truncated: its tags \[279\] are missing"):
        read_image(path)
    assert not is_slide(path, 150)
    assert not caplog.records
    with tifffile.TiffFile(path) as tiff:
        assert not tiff.pages.first.tags.valueof(279)
    assert caplog.records, "others hear it"
