"""What holds for all tests.

Where several run at a time (`pytest -n 2`) each process computes with one thread, which is set before torch is imported. How long
hypothesis takes is no property of the program: a busy machine fails no test.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
