"""Make all of a results folder that is made from its records: the tables and the report."""

from __future__ import annotations

from pathlib import Path

from ..exchange.report import write_report
from ..results.summary import Summary, make_tables
from .shards import merge_reports


def collect(out: str | Path) -> Summary:
    """Make the tables and the report of a results folder from its records and `run.json`.

    Raises
    ------
    ResultsError
        If it is not a results folder, a record is damaged, or shards do not belong together.
    StorageError
        If a file cannot be written.
    """
    out = Path(out)
    run = merge_reports(out)
    summary = make_tables(out)
    write_report(out, run, summary)
    return summary
