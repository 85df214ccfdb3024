"""What a person saves while a run works stays: it is looked for before anything is written."""

from __future__ import annotations

import logging

from ..errors import ResultsError
from ..results import has_record, read_record
from ..results.record import Record
from .job import Job

logger = logging.getLogger(__name__)


def reviewed_meanwhile(image: str, job: Job) -> Record | None:
    """The record of an image that a person has worked on since the run began, which is kept; None: there is none to be kept.

    What a person had worked on before is no work of the run, unless it is to be overwritten.
    """
    if job.overwrite_reviewed or not has_record(job.out, image):
        return None
    try:
        record = read_record(job.out, image)
    except ResultsError:
        return None  # damaged: the run has copied it
    if not record.has_human_work:
        return None
    logger.warning("%s was reviewed while the run worked, and is kept as it was saved.", image)
    return record
