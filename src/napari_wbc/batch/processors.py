"""How many processors this process may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MOST_WORKERS = 4
"""Worker processes that are started unasked: each takes almost 1 GB."""


def default_workers() -> int:
    """Worker processes where nobody says how many: one for each usable processor, since each computes with one thread."""
    return min(MOST_WORKERS, usable_processors())


def usable_processors(cgroups: Path = CGROUPS, own: Path = Path("/proc/self/cgroup")) -> int:
    """The least of what the system, the quotas of its cgroups (version 2) and SLURM give to this process; at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    slurm = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return max(1, min([affinity, *_quotas(cgroups, own), *([int(slurm)] if slurm.isdigit() else [])]))


def _quotas(cgroups: Path, own: Path) -> Iterator[int]:
    """Whole processors that the cgroup of this process, and those above it, may use."""
    try:
        line = next(line for line in own.read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        return
    group = cgroups / line.removeprefix("0::").lstrip("/")
    for folder in (group, *group.parents):
        try:
            quota, period = (folder / "cpu.max").read_text().split()
        except (OSError, ValueError):
            continue
        if quota != "max":
            yield int(quota) // int(period)
