"""Many images: find them, analyse what is not done yet, survive bad ones, and leave a results folder."""

from __future__ import annotations

from ..results.runfile import Progress
from .runner import RunSummary, analyse_folder, run

__all__ = ["Progress", "RunSummary", "analyse_folder", "run"]
