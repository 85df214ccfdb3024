"""Many images: find them, analyse what is not done yet, survive bad ones, and leave a results folder."""

from __future__ import annotations

from .runner import Progress, RunSummary, analyse_folder, run

__all__ = ["Progress", "RunSummary", "analyse_folder", "run"]
