"""LZW data of which the decoder would follow codes into memory that it has not written."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_wbc.cells import Box
from napari_wbc.errors import ImageError, UnreadableImageError
from napari_wbc.images import decode, guard_lzw
from napari_wbc.images.lzw import CLEAR, END, check_lzw
from napari_wbc.pyramids import open_pyramid
from tests.smears import smear

NO_BYTE = 300


def written(codes: Sequence[int], old: bool = False) -> bytes:
    """Codes as a writer of LZW packs them: 9 bits after a CLEAR, one more when the table holds 511, 1023, 2047 (old: 512 …)."""
    bits, entries, fresh = "", 258, False
    for code in codes:
        width = 9 + sum(entries >= limit + old for limit in (511, 1023, 2047))
        bits += f"{code % 2**width:0{width}b}"[:: -1 if old else 1]
        if code == CLEAR:
            entries, fresh = 258, True
        else:
            entries, fresh = entries + (not fresh), False
    bits += "0" * (-len(bits) % 8)
    parts = (bits[i : i + 8] for i in range(0, len(bits), 8))
    return bytes(int(part[:: -1 if old else 1], 2) for part in parts)


def test_the_writer_of_these_tests_writes_what_the_decoder_reads() -> None:
    codes = [CLEAR, *range(256), *range(258, 3000), CLEAR, 65, 66, END]
    decoded = imagecodecs.lzw_decode(written(codes), out=1_000_000)
    assert bytes(decoded[:256]) == bytes(range(256))
    assert bytes(decoded[-2:]) == b"AB"
    assert bytes(imagecodecs.lzw_decode(written(codes, old=True), out=1_000_000)) == bytes(decoded)


@pytest.mark.parametrize("old", [False, True])
@settings(max_examples=30)
@given(
    blocks=st.lists(st.tuples(st.integers(0, 255), st.integers(0, 3700)), min_size=1, max_size=4),
    wrong=st.none() | st.integers(0, 3),
)
def test_the_code_after_every_clear_is_looked_at(old: bool, blocks: list[tuple[int, int]], wrong: int | None) -> None:
    codes: list[int] = []
    for i, (first, n) in enumerate(blocks):
        codes += [CLEAR, NO_BYTE if i == wrong else first, *(k % 255 for k in range(n))]
    data = written([*codes, END], old)
    if wrong is not None and wrong < len(blocks):
        with pytest.raises(UnreadableImageError, match="LZW"):
            check_lzw(data)
    else:
        check_lzw(data)


@given(st.binary(max_size=200), st.integers(1, 400))
def test_what_an_encoder_writes_is_sound(part: bytes, times: int) -> None:
    check_lzw(imagecodecs.lzw_encode(part * times))


@given(st.binary(max_size=300))
def test_any_bytes_are_sound_or_refused(data: bytes) -> None:
    for start in (b"", b"\x80", b"\0\x01"):
        try:
            check_lzw(start + data)
        except UnreadableImageError:
            continue


def test_data_that_is_cleared_again_and_again_is_refused_soon() -> None:
    with pytest.raises(UnreadableImageError, match="LZW"):
        check_lzw(written([CLEAR] * 8) * 100_000)


def damaged(**options: object) -> bytes:
    """A TIFF whose first strip or tile begins with CLEAR and a code that no entry was made for."""
    file = BytesIO()
    tifffile.imwrite(file, smear(3, 1, (48, 64)), photometric="rgb", compression="lzw", **options)
    with tifffile.TiffFile(BytesIO(file.getvalue())) as tiff:
        at = tiff.pages.first.dataoffsets[0]
    data = bytearray(file.getvalue())
    head = written([CLEAR, NO_BYTE])
    data[at : at + 2] = head[:2]
    data[at + 2] = data[at + 2] & 0b00111111 | head[2] & 0b11000000
    return bytes(data)


def test_images_slides_and_label_images_are_guarded(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="LZW"):
        decode(damaged(), "x")
    path = tmp_path / "slide.tif"
    path.write_bytes(damaged(tile=(16, 16)))
    with open_pyramid(path) as slide, pytest.raises(ImageError, match="LZW"):
        slide.read(Box(0, 0, 16, 16), 0)
    with tifffile.TiffFile(BytesIO(damaged())) as tiff:
        guard_lzw(tiff.series[0])
        with pytest.raises(ImageError, match="LZW"):
            tiff.series[0].asarray()


def test_sound_images_are_read_as_before() -> None:
    file = BytesIO()
    image = np.random.default_rng(0).integers(0, 256, (300, 200, 3), np.uint8)
    tifffile.imwrite(file, image, photometric="rgb", compression="lzw", predictor=True, rowsperstrip=200)
    np.testing.assert_array_equal(decode(file.getvalue(), "x").pixels, image)
