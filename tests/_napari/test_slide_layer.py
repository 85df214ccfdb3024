"""A slide is a multiscale layer of which only what is looked at is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image, Layer

from napari_wbc._napari import inputs, slide_layer
from napari_wbc._napari.reader import get_reader, read
from napari_wbc.errors import ImageTooLargeError
from napari_wbc.pyramids import SLIDE_SUFFIXES
from tests.test_pyramids import noise, write_svs


def test_a_slide_opens_as_a_multiscale_layer_with_its_pixel_size(tmp_path: Path) -> None:
    image = noise()
    (data,) = read(str(write_svs(tmp_path / "a.svs", image)))
    layer = Layer.create(*data)
    assert isinstance(layer, Image)
    assert (layer.multiscale, layer.rgb) == (True, True)
    assert [level.shape for level in layer.data] == [(600, 500, 3), (150, 125, 3)]
    assert (np.asarray(layer.data[0][37:260, 101:333]) == image[37:260, 101:333]).all()
    assert (np.asarray(layer.data[1]) == image[::4, ::4]).all()
    assert inputs.pixel_size(layer) == 0.25


def test_coarse_levels_are_made_where_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slide_layer, "LARGEST_TOP_PX", 100)
    image = noise()
    levels, _, _ = slide_layer.slide_layer(write_svs(tmp_path / "a.svs", image))
    assert (np.asarray(levels[2]) == image[::16, ::16]).all()


def test_every_suffix_of_a_slide_is_taken() -> None:
    assert all(get_reader(f"a{suffix}") is not None for suffix in SLIDE_SUFFIXES)


def test_a_whole_slide_is_not_taken_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MAX_MEGAPIXELS", 0.1)
    with pytest.raises(ImageTooLargeError, match="tile by tile"):
        inputs.read_image(Image(noise(), name="big"))()
