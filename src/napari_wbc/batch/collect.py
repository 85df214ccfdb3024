"""Make all of a results folder that is made from its records: the tables and the report."""

from __future__ import annotations

from pathlib import Path

from ..exchange.report import write_report
from ..results.runfile import read_run
from ..results.summary import Summary, make_tables


def collect(out: str | Path) -> Summary:
    """Make the tables and the report of a results folder from its records and `run.json`.

    Raises
    ------
    ResultsError
        If it is not a results folder, or a record is damaged.
    StorageError
        If a file cannot be written.
    """
    out = Path(out)
    run = read_run(out)
    summary = make_tables(out)
    write_report(out, run, summary)
    return summary
