"""A dask cluster on this machine: the same bytes; lost workers and a lost scheduler."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

from napari_wbc.errors import CheckpointError, UsageError, WorkersError  # noqa: E402
from napari_wbc.results.runfile import read_run  # noqa: E402
from tests.runs import contract, counts, go, images, timeless  # noqa: E402
from tests.smears import write_slides  # noqa: E402
from tests.test_workers import load_suicidal, load_with_decoder_that_crashes, refuse, refuse_for_the_drive  # noqa: E402

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="signals of POSIX"),
    pytest.mark.filterwarnings("ignore"),  # dask's own
]


@pytest.fixture
def cluster() -> Iterator[distributed.LocalCluster]:
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": logging.CRITICAL}
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), distributed.LocalCluster(**options) as cluster:
        yield cluster


def test_a_cluster_of_two_gives_the_same_bytes(tmp_path: Path, cluster: distributed.LocalCluster) -> None:
    smears = write_slides(tmp_path / "in", 2, 5)
    (smears / "bad.png").touch()
    out = tmp_path / "out"
    go(smears, tmp_path / "none")
    go(smears, out, cluster=cluster.scheduler_address)
    assert contract(out) == contract(tmp_path / "none")
    assert timeless(out) == timeless(tmp_path / "none")
    assert (counts(out), read_run(out).workers) == ({"done": 10, "failed": 1}, 2)
    go(smears, out, cluster=cluster.scheduler_address)
    assert counts(out) == {"skipped": 11}
    with pytest.raises(CheckpointError, match="damaged"):
        go(smears, tmp_path / "refused", refuse, cluster=cluster.scheduler_address)
    with pytest.raises(CheckpointError, match="cannot be read") as raised:
        go(smears, tmp_path / "refused", refuse_for_the_drive, cluster=cluster.scheduler_address)
    assert isinstance(raised.value.__cause__, PermissionError)  # it decides the exit code


def test_lost_workers_cost_nothing_and_a_deadly_image_one_row(tmp_path: Path, cluster: distributed.LocalCluster) -> None:
    smears = write_slides(tmp_path / "in", 1, 4)
    go(smears, tmp_path / "none")
    go(smears, tmp_path / "killed", partial(load_suicidal, tmp_path / "mark"), cluster=cluster.scheduler_address)
    assert (tmp_path / "mark").exists()
    assert contract(tmp_path / "killed") == contract(tmp_path / "none")
    name = "slide-1/field-2.png"
    go(smears, tmp_path / "deadly", partial(load_with_decoder_that_crashes, name), cluster=cluster.scheduler_address)
    assert counts(tmp_path / "deadly") == {"done": 3, "failed": 1}
    assert "ended twice" in str(images(tmp_path / "deadly")[name]["error"])


def test_a_lost_scheduler_stops_the_run_and_the_same_call_continues(
    tmp_path: Path, cluster: distributed.LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_wbc.batch import cluster as module
    from napari_wbc.batch import run
    from tests.fakes import load_fakes
    from tests.runs import SETTINGS

    monkeypatch.setattr(module, "PATIENCE_S", 5.0)
    smears = write_slides(tmp_path / "in", 2, 10)
    steps = run(smears, tmp_path / "out", load_fakes, SETTINGS, cluster=cluster.scheduler_address)
    next(steps)
    cluster.close()
    with pytest.raises(WorkersError, match="scheduler was lost"):
        for _ in steps:
            pass
    go(smears, tmp_path / "out")
    go(smears, tmp_path / "none")
    assert contract(tmp_path / "out") == contract(tmp_path / "none")


@pytest.mark.parametrize("address", ["foo", "tcp://foo", "tcp://foo:bar", "http://127.0.0.1:8786", ""])
def test_what_is_no_address_is_wrong_use_at_once(tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError, match=r"--cluster takes .*tcp://HOST:8786.*found '"):
        go(write_slides(tmp_path / "in", 1, 1), tmp_path / "out", cluster=address)


def test_no_cluster_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_wbc.batch import cluster

    monkeypatch.setattr(cluster, "PATIENCE_S", 0.5)
    with pytest.raises(WorkersError, match=r"No dask cluster with a worker is at tcp://127\.0\.0\.1:9"):
        go(write_slides(tmp_path / "in", 1, 1), tmp_path / "out", cluster="tcp://127.0.0.1:9")
