"""The command line as a program of its own, with the stand-ins of `fakes` for the networks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def program(*arguments: object, **options: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **options}
    words = [sys.executable, "-m", "tests.cli_with_fakes", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A shell's background jobs ignore Ctrl-C and hand that on; here it must arrive whoever runs the tests.
    heed = None if os.name == "nt" else lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(words, cwd=REPOSITORY, env=environment, text=True, preexec_fn=heed, start_new_session=True, **pipes)
