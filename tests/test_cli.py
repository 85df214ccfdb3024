"""The command line: what it writes, what it says on which stream, and its exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import Result as _Result  # noqa: F401  (typer's runner returns it)
from typer.testing import CliRunner

from napari_wbc import __version__, batch
from napari_wbc.cells import Probabilities, RgbImage
from napari_wbc.cli import app
from napari_wbc.config import Settings
from napari_wbc.errors import CheckpointError, DeviceError, StorageError
from napari_wbc.pipeline import Models
from napari_wbc.runfile import read_run
from tests.fakes import FakeClassifier, FakeSegmenter, load_fakes
from tests.smears import write_slides

REPOSITORY = Path(__file__).parents[1]
