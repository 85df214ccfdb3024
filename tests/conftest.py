"""What holds for all tests.

Where several run at a time (`pytest -n 2`) each process computes with one thread, which is set before torch is imported. How long
hypothesis takes is no property of the program: a busy machine fails no test.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Timer

import pytest
from hypothesis import HealthCheck, settings

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

SECONDS = 3.0
"""After so long somebody opens the pipes and closes them, so that who waits for them fails here and does not hang."""


@pytest.fixture
def pipe() -> Iterator[Callable[[Path], Path]]:
    """Make a pipe, of POSIX; fails where somebody waits for it."""
    timers: list[Timer] = []
    waited: list[Path] = []

    def make(path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)

        def end() -> None:
            with suppress(OSError):  # nobody waits
                handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
                waited.append(path)  # before the one who waits goes on
                os.close(handle)

        timers.append(Timer(SECONDS, end))
        timers[-1].start()
        return path

    yield make
    for timer in timers:
        timer.cancel()
    assert not waited, "somebody waited for a pipe"
