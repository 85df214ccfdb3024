"""The manifest, the reader and the sample data; needs no display."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Layer
from npe2 import PluginManifest
from PIL import Image as Pillow

import napari_wbc
from napari_wbc._napari.inputs import pixel_size, read_image
from napari_wbc._napari.reader import get_reader, read
from napari_wbc.images import IMAGE_SUFFIXES
from napari_wbc.pyramids import SLIDE_SUFFIXES

PACKAGE = Path(napari_wbc.__file__).parent
TOP = Path(__file__).parents[2] / "napari.yaml"


@pytest.fixture(scope="module")
def manifest() -> Any:
    return PluginManifest.from_file(PACKAGE / "napari.yaml")


def test_both_manifests_are_equal() -> None:
    assert TOP.read_bytes() == (PACKAGE / "napari.yaml").read_bytes()


def test_the_manifest_is_valid_and_its_commands_exist(manifest: Any) -> None:
    manifest.validate_imports()
    assert all(command.id.startswith("napari-wbc.") for command in manifest.contributions.commands or [])


def test_the_reader_takes_the_suffixes_of_the_package(manifest: Any) -> None:
    (reader,) = manifest.contributions.readers or []
    names = {f"a{case}" for suffix in (*IMAGE_SUFFIXES, *SLIDE_SUFFIXES) for case in (suffix, suffix.upper())}
    assert {pattern.replace("*", "a") for pattern in reader.filename_patterns} == names
    assert all(get_reader(name) is not None for name in names)
    assert get_reader("a.csv") is None
    assert get_reader(["a.png", "a.csv"]) is None


def test_a_file_is_read_upright_with_its_pixel_size(tmp_path: Path) -> None:
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[0, 0] = (255, 0, 0)
    exif = Pillow.Exif()
    exif[0x0112] = 6  # the camera was turned: rows are columns
    Pillow.fromarray(pixels).save(tmp_path / "smear.png", exif=exif, dpi=(254000, 254000))
    (data,) = read(str(tmp_path / "smear.png"))
    layer = Layer.create(*data)
    assert isinstance(layer, Image)
    assert layer.name == "smear"
    assert layer.data.shape == (30, 20, 3)
    assert tuple(layer.data[0, -1]) == (255, 0, 0)
    assert layer.data.flags.writeable
    assert pixel_size(layer) == pytest.approx(0.1, rel=1e-3)


def test_the_sample_is_a_field_of_known_pixel_size(manifest: Any) -> None:
    samples = pytest.importorskip("napari_wbc._napari.samples")
    (data,) = samples.drawn_smear()
    layer = Layer.create(*data)
    field = read_image(layer)()
    assert field.pixels.shape == (480, 640, 3)
    assert field.um_per_px == 0.1
    assert [sample.key for sample in manifest.contributions.sample_data or []] == ["drawn_smear"]
