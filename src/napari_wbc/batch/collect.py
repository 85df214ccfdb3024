"""Make all of a results folder that is made from its records: the tables and the report."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..exchange.report import write_report
from ..results.runfile import input_root
from ..results.summary import Summary, make_tables
from .shards import first_of, merge_reports

logger = logging.getLogger(__name__)


def collect(out: str | Path) -> Summary:
    """Make the tables and the report of a results folder from its records and `run.json`.

    The log says which images are no longer where they were: their results are kept, and count.

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
    root = input_root(out, run)
    if gone := list(_gone(root, (image.image for image in summary.images))):
        logger.warning(
            "%d images of the results are no longer in %s, and count as before: %s. "
            "To leave one out, remove its files in `records` and `labels`, then `collect`.",
            len(gone),
            root,
            first_of(gone),
        )
    return summary


def _gone(root: Path, images: Iterable[str]) -> Iterator[str]:
    r"""The images that are no longer below `root`; none, where that has gone itself.

    A name that is not UTF-8, which is recorded with `\x`, is not looked for.
    """
    for image in images if os.path.isdir(root) else ():
        try:
            os.lstat(os.path.join(root, image))  # quicker than as a Path, of 10⁵ images
        except (FileNotFoundError, NotADirectoryError):
            if r"\x" not in image:
                yield image
        except OSError as error:
            logger.debug("%s cannot be looked at: %s.", image, error.strerror)
