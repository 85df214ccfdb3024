"""A run in shards: together they do what one run does."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import Mock

import pytest

from napari_wbc.batch import Shard, read_shard, run
from napari_wbc.batch.collect import collect
from napari_wbc.batch.discover import InputImage
from napari_wbc.batch.shards import merge_reports
from napari_wbc.config import Settings
from napari_wbc.errors import ResultsError, UsageError
from tests.fakes import load_fakes
from tests.runs import SETTINGS, TABLES, contract, counts, go, timeless
from tests.smears import write_slides
from tests.test_results import forbid

NOT_COMPARED = ("started_at", "finished_at", "host", "workers")


@pytest.fixture
def smears(tmp_path: Path) -> Path:
    folder = write_slides(tmp_path / "in", 2, 5)
    (folder / "bad.png").touch()
    (folder / "notes.txt").touch()
    return folder


def run_file(out: Path) -> dict[str, object]:
    stored = json.loads((out / "run.json").read_bytes())
    return {name: value for name, value in stored.items() if name not in NOT_COMPARED}


def test_five_shards_and_collect_give_what_one_run_gives(smears: Path, tmp_path: Path) -> None:
    go(smears, tmp_path / "once")
    out = tmp_path / "shards"
    failed = 0
    for number in (3, 0, 4, 1, 2):
        summary = go(smears, out, shard=Shard(number, 5))
        assert summary.summary is None
        assert summary.exit_code == (1 if summary.n_failed else 0)
        failed += summary.n_failed
        assert not any((out / name).exists() for name in TABLES)
    assert failed == 1
    (out / "shards" / "kept").mkdir()
    (out / "shards" / "kept" / "5-of-9.json").write_text("a copy that someone made")
    collect(out)
    assert contract(out) == contract(tmp_path / "once")
    assert timeless(out) == timeless(tmp_path / "once")
    assert run_file(out) == run_file(tmp_path / "once")
    assert json.loads((out / "run.json").read_bytes())["finished_at"] is not None


def test_a_shard_is_continued_and_counts_once(smears: Path, tmp_path: Path) -> None:
    for _ in range(2):
        for number in range(2):
            go(smears, tmp_path / "out", shard=Shard(number, 2))
    collect(tmp_path / "out")
    assert counts(tmp_path / "out") == {"skipped": 11}


def test_a_run_is_unfinished_where_a_shard_is_missing_or_was_stopped_and_the_log_names_it(
    smears: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    go(smears, tmp_path / "out", shard=Shard(0, 3))
    next(run(smears, tmp_path / "out", load_fakes, SETTINGS, shard=Shard(2, 3)))
    collect(tmp_path / "out")
    assert "2 of 3 shards have not finished: 1, 2. Run them again" in caplog.text
    assert json.loads((tmp_path / "out" / "run.json").read_bytes())["finished_at"] is None


def test_of_many_shards_that_are_missing_the_first_are_named_and_no_other_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go(write_slides(tmp_path / "in", 1, 1), tmp_path / "out", shard=Shard(1, 1_000_000))
    asked = Mock(wraps=Shard)
    monkeypatch.setattr("napari_wbc.batch.shards.Shard", asked)
    assert merge_reports(tmp_path / "out").finished_at is None
    assert "999999 of 1000000 shards have not finished: 0, 2, 3, 4, " in caplog.text
    assert ", 19, 20, …. Run them again" in caplog.text
    assert asked.call_count < 50


@pytest.mark.parametrize("name", ["0-of-99999999999.json", f"0-of-{'9' * 200}.json", "3-of-2.json"])
def test_a_report_of_no_possible_shard_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / name).touch()
    (tmp_path / "shards" / "٠-of-٢.json").touch()
    with pytest.raises(ResultsError, match=rf"{name} is of no shard .* Remove it"):
        merge_reports(tmp_path)


def test_what_one_shard_could_not_search_is_not_forgotten(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, folder in enumerate(("slide-1", "slide-2", "slide-1")):
        with monkeypatch.context() as patch:
            forbid(patch, folder)
            go(smears, tmp_path / "out", shard=Shard(number, 4))
    go(smears, tmp_path / "out", shard=Shard(3, 4))
    assert merge_reports(tmp_path / "out").unsearched == ("slide-1", "slide-2")


def test_shards_of_other_threads_are_told(smears: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number, threads in enumerate((1, 1, 4)):
        models = load_fakes()
        models.segmenter.threads = threads  # type: ignore[misc]
        go(smears, tmp_path / "out", lambda: models, shard=Shard(number, 3))  # noqa: B023
    collect(tmp_path / "out")
    assert "The shards ran with 1, 4 threads each" in caplog.text


def test_reports_that_cannot_be_looked_at_are_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shards").mkdir()
    forbid(monkeypatch, "shards")
    with pytest.raises(ResultsError, match="shards cannot be looked at"):
        merge_reports(tmp_path)


def test_reports_of_another_division_do_not_count(smears: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(smears, out, shard=Shard(0, 3))
    for number in range(2):
        go(smears, out, shard=Shard(number, 2))
    collect(out)
    assert sum(counts(out).values()) == 11
    go(smears, out)
    collect(out)
    assert counts(out) == {"skipped": 11}


def test_shards_with_other_settings_are_not_put_together(smears: Path, tmp_path: Path) -> None:
    go(smears, tmp_path / "out", shard=Shard(0, 2))
    go(smears, tmp_path / "out", shard=Shard(1, 2), settings=Settings(um_per_px=0.3))
    with pytest.raises(ResultsError, match="differ in settings"):
        collect(tmp_path / "out")


def test_every_image_is_in_one_shard_and_stays_there() -> None:
    images = [InputImage(f"slide-{i % 7}/{i}.png", Path(f"{i}.png")) for i in range(5000)]
    shares = [Shard(number, 8).share(images) for number in range(8)]
    assert sorted(image.name for share in shares for image in share) == sorted(image.name for image in images)
    assert all(500 < len(share) < 750 for share in shares)
    assert Shard(3, 8).share(images[::2]) == tuple(image for image in shares[3] if image in set(images[::2]))
    assert [image.name for image in Shard(0, 4).share(images[:8])] == ["slide-1/1.png", "slide-6/6.png"]  # for ever


@pytest.mark.parametrize("text", ["5/5", "1", "a/b", "-1/3", "1/0", "1/2/3", "", "0/1000001", "0/" + "9" * 5000, "٢/٥"])
def test_what_is_no_shard_is_wrong_use(text: str) -> None:
    with pytest.raises(UsageError, match=r"i/n.* at most 1000000") as caught:
        read_shard(text)
    assert len(str(caught.value)) < 200
    assert read_shard("2/5") == read_shard("002/005") == Shard(2, 5)
    assert read_shard("0/1000000") == Shard(0, 1_000_000)
