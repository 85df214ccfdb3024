"""Two or more tests at a time (`pytest -n 2`): each process computes with one thread, set before torch is imported."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
