"""The letters of a review, and how a person chooses others; needs no display."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from npe2 import PluginManifest

import napari_wbc
from napari_wbc._napari.keys import DEFAULTS, SECTION, chosen_letters, complaint
from napari_wbc._napari.preferences import PLUGIN, preferences

MANIFEST = PluginManifest.from_file(Path(napari_wbc.__file__).parent / "napari.yaml")


def test_the_manifest_states_the_letters_as_they_are_at_first() -> None:
    stated = MANIFEST.contributions.configurations[SECTION].properties
    assert {verb: item.default for verb, item in stated.items()} == DEFAULTS
    assert complaint(DEFAULTS) == ""


def test_without_settings_the_letters_are_as_at_first(npe2pm: Any, plugin_settings: None) -> None:
    assert chosen_letters() == (DEFAULTS, "")


def test_a_person_chooses_letters(npe2pm: Any, plugin_settings: None) -> None:
    from napari.settings import get_plugin_settings

    npe2pm.register(MANIFEST)
    stated = getattr(get_plugin_settings(PLUGIN), SECTION)
    stated.smudge = "k"
    assert chosen_letters() == (DEFAULTS | {"smudge": "K"}, "")
    stated.artefact = "K"
    letters, wrong = chosen_letters()
    assert letters == DEFAULTS
    assert "'artefact'" in wrong
    assert "'smudge'" in wrong


@pytest.mark.parametrize("letter", ["", "Z", "5", "é", "NN"])
def test_what_is_no_letter_is_refused(letter: str) -> None:
    assert f"found '{letter}' for 'next'" in complaint(DEFAULTS | {"next": letter})


@given(st.permutations(string.ascii_uppercase[:-1]))
def test_letters_of_their_own_are_taken(letters: list[str]) -> None:
    assert complaint(dict(zip(DEFAULTS, letters, strict=False))) == ""


def test_the_models_to_use_are_remembered(npe2pm: Any, plugin_settings: None) -> None:
    from napari.settings import get_plugin_settings

    assert preferences("models") is None
    npe2pm.register(MANIFEST)
    models = preferences("models")
    assert models is not None
    assert (models.segmenter, models.classifier) == ("default", "default")
    models.classifier = "mine.safetensors"
    assert "mine.safetensors" in get_plugin_settings(PLUGIN).config_path.read_text()
