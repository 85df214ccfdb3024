"""Many images: find them, analyse what is not done yet, survive bad ones, and leave a results folder."""

from __future__ import annotations

from ..results.runfile import Progress
from .processors import default_workers
from .resume import Redo
from .runner import RunSummary, analyse_folder, preview, run
from .shards import Shard, read_shard

__all__ = ["Progress", "Redo", "RunSummary", "Shard", "analyse_folder", "default_workers", "preview", "read_shard", "run"]
