"""One worker, eight workers, five shards put together, a dask cluster of two: the same bytes."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from napari_wbc.batch import Shard
from napari_wbc.batch.collect import collect
from tests.runs import SETTINGS, contract, counts, go, timeless
from tests.smears import write_slides
from tests.test_slides import crowded, write


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Twelve fields, one of them broken, and a whole-slide image."""
    folder = write_slides(tmp_path / "in", 2, 6)
    (folder / "slide-1" / "field-3.png").write_bytes(b"\x89PNG")
    write(folder / "whole.tif", crowded(500, 1100))
    return folder


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # dask's own
@pytest.mark.skipif(os.name == "nt", reason="dask's processes need POSIX here")
def test_four_ways_give_the_same_bytes(inputs: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    settings = SETTINGS.model_copy(update={"max_megapixels": 0.5})
    one, eight, shards, dask = (tmp_path / name for name in ("one", "eight", "shards", "dask"))
    go(inputs, one, settings=settings, workers=1)
    go(inputs, eight, settings=settings, workers=8)
    for number in range(5):
        go(inputs, shards, settings=settings, shard=Shard(number, 5))
    collect(shards)
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": logging.CRITICAL}
    with distributed.LocalCluster(**options) as cluster:
        go(inputs, dask, settings=settings, cluster=cluster.scheduler_address)
    assert counts(one) == {"done": 12, "failed": 1}
    for other in (eight, shards, dask):
        assert contract(other) == contract(one), other.name
        assert timeless(other) == timeless(one), other.name
        assert counts(other) == counts(one), other.name
