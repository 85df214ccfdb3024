"""How many processors there are to use: the least of affinity, quotas of cgroups, and SLURM's word."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_wbc.batch.processors import usable_processors


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)


def cgroup(tmp_path: Path, own: str, **quotas: str) -> tuple[Path, Path]:
    """A tree of cgroups with the `cpu.max` of `parent` and `child`, and the file that says which is ours."""
    for name, folder in (("parent", tmp_path / "job"), ("child", tmp_path / "job" / "step")):
        folder.mkdir()
        if name in quotas:
            (folder / "cpu.max").write_text(quotas[name] + "\n")
    (tmp_path / "own").write_text(own)
    return tmp_path, tmp_path / "own"


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(
    ("quotas", "expected"),
    [
        ({}, 8),
        ({"child": "max 100000"}, 8),
        ({"child": "300000 100000"}, 3),
        ({"parent": "200000 100000", "child": "max 100000"}, 2),
        ({"child": "50000 100000"}, 1),
        ({"child": "nonsense"}, 8),
    ],
)
def test_the_quotas_of_a_cgroup_and_of_those_above_it_count(tmp_path: Path, quotas: dict[str, str], expected: int) -> None:
    assert usable_processors(*cgroup(tmp_path, "1:name=systemd:/x\n0::/job/step\n", **quotas)) == expected


@pytest.mark.usefixtures("eight")
def test_slurm_and_affinity_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = tmp_path / "none"
    assert usable_processors(nowhere, nowhere) == 8
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "5")
    assert usable_processors(nowhere, nowhere) == 5
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3}, raising=False)
    assert usable_processors(nowhere, nowhere) == 1
