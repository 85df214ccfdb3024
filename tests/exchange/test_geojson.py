"""GeoJSON, edited as QuPath edits it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from napari_wbc.cells import OF_THE_MODELS
from napari_wbc.results import labels_path, read_analysis, record_path
from tests.exchange.made import (
    IMAGE,
    bring_in,
    cells_of,
    emptied,
    export,
    labels_of,
    make_results,
    one_failure,
    record_of,
    ring,
    state,
)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return make_results(tmp_path, {IMAGE: ring(), "b.png": ring()})


@pytest.fixture
def dst(out: Path, tmp_path: Path) -> Path:
    return export("geojson", out, tmp_path / "dst")


def features(dst: Path) -> dict[int, dict[str, Any]]:
    content = json.loads((dst / f"{IMAGE}.geojson").read_text(encoding="utf-8"))
    assert content["type"] == "FeatureCollection"
    return {one["properties"]["measurements"]["cell_id"]: one for one in content["features"]}


def save(dst: Path, found: object) -> None:
    (dst / f"{IMAGE}.geojson").write_text(json.dumps(found), encoding="utf-8")


def test_a_feature_is_what_qupath_expects(out: Path, dst: Path) -> None:
    for i, one in features(dst).items():
        cell = cells_of(out)[i]
        assert one["type"] == "Feature"
        assert str(uuid.UUID(one["id"])) == one["id"]
        assert one["properties"]["objectType"] == "annotation"
        assert one["properties"]["classification"]["name"] == cell.cell_type
        assert all(type(v) is int and 0 <= v <= 255 for v in one["properties"]["classification"]["color"])
        assert all(type(v) in (int, float) for v in one["properties"]["measurements"].values())
        assert one["properties"]["measurements"]["area_px"] == cell.area_px
    assert len({one["id"] for one in features(dst).values()}) == 4


def test_an_independent_reader_sees_the_same_areas(out: Path, dst: Path) -> None:
    for i, one in features(dst).items():
        geometry = shapely.from_geojson(json.dumps(one["geometry"]))
        cell = cells_of(out)[i]
        assert geometry.is_valid
        assert geometry.area == cell.area_px
        assert geometry.bounds == (cell.box.x0, cell.box.y0, cell.box.x1, cell.box.y1)
    assert len(features(dst)[1]["geometry"]["coordinates"]) == 2, "an outline and a hole"


def test_what_a_person_edits_comes_back_and_nothing_else_changes(out: Path, dst: Path) -> None:
    before, labels = cells_of(out), labels_of(out)
    edited = features(dst)
    edited[5]["geometry"]["coordinates"] = [[[x + 2, y + 1] for x, y in edited[5]["geometry"]["coordinates"][0]]]
    edited[2]["properties"]["classification"] = {"name": "blast", "color": [1, 2, 3]}
    del edited[9]
    other = state(out / "labels")["b.png.tif"]
    save(dst, {"type": "FeatureCollection", "features": list(edited.values())})
    transfer = bring_in("geojson", dst, out)
    assert (transfer.done, transfer.skipped, transfer.failed) == ((IMAGE,), ("b.png",), ())

    after = cells_of(out)
    assert set(after) == {1, 2, 5}
    assert after[1] == before[1]
    assert after[2].cell_type == "blast"
    assert (after[2].type_source, after[2].outline_source, after[2].previous_cell_type) == (
        "human",
        "model",
        before[2].cell_type,
    )
    assert (after[2].area_px, after[2].p, after[2].segmentation_score) == (before[2].area_px, before[2].p, 0.9)
    assert (after[5].outline_source, after[5].type_source, after[5].cell_type) == ("human", "model", before[5].cell_type)
    assert [getattr(after[5], name) for name in OF_THE_MODELS] == [None] * 4
    assert (after[5].centroid_x, after[5].centroid_y) == (before[5].centroid_x + 2, before[5].centroid_y + 1)
    assert after[5].mean_red != before[5].mean_red
    assert np.array_equal(labels_of(out) == 1, labels == 1)
    assert not (labels_of(out) == 9).any()
    assert state(out / "labels")["b.png.tif"] == other
    assert record_of(out).edited
    assert not record_of(out, "b.png").edited


def test_edits_of_the_results_since_the_export_are_kept_where_the_file_was_not_edited(out: Path, dst: Path) -> None:
    edited = features(dst)
    edited[2]["properties"]["classification"]["name"] = "monocyte"
    old = state(dst)
    save(dst, list(edited.values()))  # QuPath also writes a list of features
    bring_in("geojson", dst, out)
    (dst / f"{IMAGE}.geojson").write_bytes(old[f"{IMAGE}.geojson"])
    assert bring_in("geojson", dst, out).done == ()
    assert cells_of(out)[2].cell_type == "monocyte"


def test_a_cell_that_a_person_has_deleted_since_the_export_stays_deleted(out: Path, dst: Path) -> None:
    edited = features(dst)
    del edited[5]
    old = state(dst)
    save(dst, list(edited.values()))
    bring_in("geojson", dst, out)
    assert set(cells_of(out)) == {1, 2, 9}
    (dst / f"{IMAGE}.geojson").write_bytes(old[f"{IMAGE}.geojson"])
    assert bring_in("geojson", dst, out).done == ()


def test_a_neighbour_that_a_moved_outline_covers_is_measured_but_nobodys_work(out: Path, dst: Path) -> None:
    before, edited = cells_of(out), features(dst)
    edited[5]["geometry"]["coordinates"] = [[[17, 5], [30, 5], [30, 20], [17, 20]]]
    save(dst, list(edited.values()))
    bring_in("geojson", dst, out)
    after = cells_of(out)
    assert (after[5].area_px, after[5].outline_source) == (13 * 15, "human")
    assert (after[1].area_px, after[1].outline_source) == (before[1].area_px - 3 * 15, "model")
    assert (after[1].segmentation_score, after[1].cell_type, after[1].p) == (0.9, before[1].cell_type, before[1].p)


def test_a_cell_that_a_person_had_outlined_lies_over_one_from_elsewhere_that_is_larger(out: Path, dst: Path) -> None:
    edited = features(dst)
    edited[2]["geometry"]["coordinates"] = [[[10, 10], [15, 10], [15, 15], [10, 15]]]
    save(dst, list(edited.values()))
    bring_in("geojson", dst, out)
    edited = features(export("geojson", out, dst.parent / "again"))
    edited[5]["geometry"]["coordinates"] = [[[7, 7], [40, 7], [40, 18], [7, 18]]]
    save(dst, list(edited.values()))
    bring_in("geojson", dst, out)
    assert cells_of(out)[2].area_px == 25
    assert cells_of(out)[5].area_px == 33 * 11 - 25


def test_features_of_other_programs_are_matched_by_where_they_are(out: Path, dst: Path) -> None:
    geometry = {i: one["geometry"] for i, one in features(dst).items()}
    new = {"type": "Polygon", "coordinates": [[[40, 2], [44.6, 2], [44.6, 6.4], [40, 6.4], [40, 2]]]}
    found: list[dict[str, Any]] = [{"type": "Feature", "geometry": geometry[i]} for i in (9, 1, 2)]
    found[1]["properties"] = {"classification": "blast", "measurements": [{"name": "Area", "value": 3.5}]}
    found[2]["properties"] = {"classification": {"names": ["Immune", "T"], "color": [1, 2, 3]}, "objectType": "cell"}
    found.append({"type": "Feature", "geometry": new, "properties": None})
    found.append({"type": "Feature", "geometry": {"type": "Point", "coordinates": [3, 4]}, "properties": {}})
    found.append({"type": "Feature", "geometry": new, "properties": {"objectType": "tile"}})
    before = cells_of(out)
    save(dst, found)
    bring_in("geojson", dst, out)
    after = cells_of(out)
    assert set(after) == {1, 2, 9, 10}
    assert after[9] == before[9]
    assert (after[1].cell_type, after[1].type_source, after[1].outline_source) == ("blast", "human", "model")
    assert after[2].cell_type == "Immune: T"
    assert (after[10].box, after[10].cell_type, after[10].type_source) == ((2, 40, 6, 45), "unidentified", "model")


def test_a_copy_is_left_out_and_one_beside_it_is_a_new_cell(out: Path, dst: Path) -> None:
    edited = features(dst)
    copy, beside = json.loads(json.dumps(edited[9])), json.loads(json.dumps(edited[9]))
    beside["geometry"]["coordinates"] = [[[x - 20, y] for x, y in beside["geometry"]["coordinates"][0]]]
    save(dst, [*edited.values(), copy, beside])
    bring_in("geojson", dst, out)
    assert set(cells_of(out)) == {1, 2, 5, 9, 10}
    assert cells_of(out)[10].area_px == cells_of(out)[9].area_px


def test_a_class_that_was_taken_away_is_unidentified(out: Path, dst: Path) -> None:
    edited = features(dst)
    del edited[1]["properties"]["classification"]
    save(dst, list(edited.values()))
    bring_in("geojson", dst, out)
    assert (cells_of(out)[1].cell_type, cells_of(out)[1].type_source) == ("unidentified", "human")


def test_ids_beyond_reason_are_numbered_anew(out: Path, dst: Path, tmp_path: Path) -> None:
    edited = features(dst)
    for i, wild in {1: 2**40, 2: -3, 5: True, 9: 7.0}.items():
        edited[i]["properties"]["measurements"]["cell_id"] = wild
    save(dst, list(edited.values()))
    bare = emptied(tmp_path / "bare", {IMAGE: ring(), "b.png": ring()})
    bring_in("geojson", dst, bare)
    assert set(cells_of(bare)) == {7, 8, 9, 10}


def test_files_are_found_by_name_with_or_without_suffix_and_folder(out: Path, dst: Path, tmp_path: Path) -> None:
    edited = features(dst)
    del edited[9]
    flat = tmp_path / "flat"
    flat.mkdir()
    (flat / "a.jpg.geojson").write_text(json.dumps(list(edited.values())), encoding="utf-8")
    assert bring_in("geojson", flat, out).done == (IMAGE,)
    assert bring_in("geojson", flat / "a.jpg.geojson", out).skipped == (IMAGE,)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("7", "not GeoJSON"),
        ('{"features": [{"type": "Feature"}]}', "'geometry' is missing"),
        ('[{"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [NaN, 1], [2, 2]]]}}]', "finite numbers"),
        ('[{"geometry": {"type": "Polygon", "coordinates": 7}}]', "not GeoJSON"),
        ('[{"geometry": 7}]', "not GeoJSON"),
        (f'[{{"geometry": {{"type": "Polygon", "coordinates": [[[{10**400}, 1], [2, 2], [3, 1]]]}}}}]', "not GeoJSON"),
    ],
)
def test_a_damaged_file_costs_one_image_and_is_named(out: Path, dst: Path, content: str, said: str) -> None:
    before = state(out)
    path = dst / f"{IMAGE}.geojson"
    path.write_text(content, encoding="utf-8")
    message = one_failure("geojson", path, out)
    assert said in message
    assert str(path) in message
    assert state(out) == before


def test_a_type_that_is_no_text_in_utf_8_is_made_one(out: Path, dst: Path) -> None:
    edited = features(dst)
    edited[1]["properties"]["classification"]["name"] = "x\ud800"
    save(dst, list(edited.values()))
    bring_in("geojson", dst, out)
    assert read_analysis(out, IMAGE).cells[0].cell_type == "x?"


def test_pixels_that_are_gone_are_asked_for_only_where_something_is_measured(out: Path, dst: Path) -> None:
    (out.parent / "images" / IMAGE).unlink()
    edited = features(dst)
    edited[1]["properties"]["classification"]["name"] = "monocyte"
    save(dst, list(edited.values()))
    assert bring_in("geojson", dst, out).done == (IMAGE,)
    edited[9]["geometry"]["coordinates"] = [[[52, 36], [58, 36], [58, 39], [52, 39]]]
    save(dst, list(edited.values()))
    assert "name their folder with --images" in one_failure("geojson", dst / f"{IMAGE}.geojson", out)


def test_a_persons_cell_that_the_file_does_not_have_is_copied_before_it_goes(out: Path, dst: Path) -> None:
    edited = features(dst)
    edited[5]["properties"]["classification"]["name"] = "monocyte"
    save(dst, list(edited.values()))
    bring_in("geojson", dst, out)
    assert not (out / "replaced").exists()
    before = [path.read_bytes() for path in (record_path(out, IMAGE), labels_path(out, IMAGE))]
    save(dst, [feature for i, feature in edited.items() if i != 5])
    bring_in("geojson", dst, out)
    assert [cell.cell_id for cell in read_analysis(out, IMAGE).cells] == [1, 2, 9]
    copies = [next(out.glob(f"replaced/*/{place}")) for place in (f"records/{IMAGE}.json", f"labels/{IMAGE}.tif")]
    assert [path.read_bytes() for path in copies] == before
