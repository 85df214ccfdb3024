"""Settings: what is out of range is refused by name, and equal settings have equal identity."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from napari_wbc.config import (
    CELL_TYPES,
    TYPE_COLOURS,
    UNCOUNTED_TYPES,
    USER_TYPE_COLOUR,
    Settings,
    make_settings,
    read_settings,
)
from napari_wbc.errors import SettingsError, UsageError, WbcError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("um_per_px", 0),
        ("um_per_px", -0.1),
        ("um_per_px", float("nan")),
        ("um_per_px", float("inf")),
        ("um_per_px", 11),
        ("mask_threshold", 0),
        ("mask_threshold", 1),
        ("min_area_px", -1),
        ("min_area_px", 1.5),
        ("core_threshold", 2),
        ("max_megapixels", 0),
        ("separate_touching", "perhaps"),
        ("min_aera_px", 200),
    ],
)
def test_a_value_out_of_range_or_an_unknown_name_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=f"{name}: .*found {re.escape(repr(value))}") as raised:
        make_settings({name: value})
    assert "min_area_px" in str(raised.value), "the message lists the known settings"
    assert isinstance(raised.value, UsageError)
    assert isinstance(raised.value, WbcError)
    assert isinstance(raised.value, ValueError)


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(SettingsError, match=r"mask_threshold.*min_area_px"):
        make_settings({"mask_threshold": 7, "min_area_px": -3})


def test_the_ends_of_a_range_are_allowed() -> None:
    assert make_settings({"min_area_px": 0, "mask_threshold": 0.05, "core_threshold": 0.95}).min_area_px == 0


def test_the_defaults_are_those_of_the_method() -> None:
    assert make_settings({}) == Settings()
    assert Settings().min_area_px == 200
    assert Settings().mask_threshold == 0.5
    assert Settings().um_per_px is None


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings().min_area_px = 3  # type: ignore[misc]


def test_every_setting_has_a_unit_and_a_sentence() -> None:
    for name, field in Settings.model_fields.items():
        assert isinstance(field.json_schema_extra, dict), name
        assert "unit" in field.json_schema_extra, name
        assert field.description, name
        assert field.description.endswith("."), name


def test_identity_depends_on_the_values_alone() -> None:
    assert (
        make_settings({"min_area_px": 100, "um_per_px": 0.2}).identity()
        == make_settings({"um_per_px": 0.2, "min_area_px": 100}).identity()
    )
    assert Settings().identity() == make_settings({"min_area_px": 200}).identity()
    assert Settings().identity() == make_settings(json.loads(json.dumps(Settings().model_dump()))).identity()
    assert Settings().identity() == Settings(max_megapixels=150).identity() == Settings(max_megapixels=150.0).identity()
    different = [
        Settings(),
        *(make_settings(v) for v in ({"min_area_px": 201}, {"um_per_px": 0.2}, {"separate_touching": False})),
    ]
    assert len({settings.identity() for settings in different}) == 4


def test_a_limit_enters_the_identity_only_where_asked_and_the_default_is_that_of_old_records() -> None:
    assert Settings().identity() == Settings(max_megapixels=300).identity() == Settings().identity(limits=True)
    assert Settings().identity() != Settings(max_megapixels=300).identity(limits=True)
    golden = Path(__file__).parent / "golden" / "results-0.1.0"
    stored = json.loads((golden / "records" / "slide-1" / "b.png.json").read_bytes())["hashes"]["origin"]["settings"]
    assert read_settings(golden / "run.json").identity() == stored


def test_settings_are_read_from_a_settings_file_or_a_run_json(tmp_path: Path) -> None:
    settings = make_settings({"min_area_px": 123, "um_per_px": 0.25})
    plain, run = tmp_path / "settings.json", tmp_path / "run.json"
    plain.write_text(json.dumps(settings.model_dump()), encoding="utf-8")
    run.write_text(json.dumps({"version": "9", "device": "cpu", "settings": settings.model_dump()}), encoding="utf-8")
    assert read_settings(plain) == read_settings(run) == settings


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"\xff\xfe\x00",
        b"[1, 2]",
        b'"min_area_px"',
        b'{"min_area_px": -1}',
        b'{"settings": {"nonsense": 1}}',
    ],
)
def test_a_bad_settings_file_is_refused_in_our_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"settings\.json"):
        read_settings(path)


def test_a_missing_settings_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.json"):
        read_settings(tmp_path / "nowhere.json")


def test_every_type_has_its_own_colour() -> None:
    assert set(TYPE_COLOURS) == {*CELL_TYPES, *UNCOUNTED_TYPES}
    colours = [*TYPE_COLOURS.values(), USER_TYPE_COLOUR]
    assert len(set(colours)) == len(colours)
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in colours)
