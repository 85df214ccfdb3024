"""The images that wait for a worker, in chunks; those that a worker took with it when it died come back, once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from ..pyramids import SLIDE_SUFFIXES
from ..results import write_failure
from ..results.record import ImageRow, Record
from ..results.unfinished import forget
from .discover import InputImage
from .intake import known_of
from .job import Job
from .meanwhile import reviewed_meanwhile

Chunk = tuple[InputImage, ...]

CHUNK_IMAGES, CHUNKS_PER_WORKER = 32, 2
"""Images of a chunk at most, and the chunks for each worker into which those left could be cut: chunks become smaller towards
the end, so that no worker is left alone with a large one."""


class Backlog:
    """Images that wait for a worker.

    Which image killed a worker is not known, so all that it had not answered are suspects: they come back at the end, each as
    a chunk of its own. A suspect that loses its worker again has failed.
    """

    def __init__(self, images: Sequence[InputImage], n_workers: int) -> None:
        self._chunks: deque[Chunk] = deque()
        start = 0
        while left := len(images) - start:
            size = max(1, min(CHUNK_IMAGES, left // (CHUNKS_PER_WORKER * n_workers)))
            self._chunks.append(tuple(images[start : start + size]))
            start += size
        self._suspects: deque[Chunk] = deque()
        self._again: set[str] = set()

    def __len__(self) -> int:
        return len(self._chunks) + len(self._suspects)

    def take(self, *, alone: bool = True) -> Chunk:
        """The next chunk; empty if there is none.

        A suspect is given only to who is `alone`: whose death could be due to nothing else that he has in hand.
        """
        if self._chunks:
            return self._chunks.popleft()
        return self._suspects.popleft() if alone and self._suspects else ()

    def lost(self, images: Iterable[InputImage], how: str, job: Job) -> list[ImageRow]:
        """Take back what a dead worker has not answered; `how` it died is the reason of those that fail now, whose rows return.

        Of an image that a person has reviewed meanwhile it is the row that was saved.

        Raises
        ------
        StorageError
            If the failure cannot be written.
        """
        settled = []
        for image in images:
            if image.name in self._again:
                settled.append(_settle(image, how, job).row)
            else:
                self._again.add(image.name)
                self._suspects.append((image,))
        return settled


def _settle(image: InputImage, how: str, job: Job) -> Record:
    """Write that an image has failed, unless a person has saved a review of it since the run began."""
    saved = reviewed_meanwhile(image.name, job)
    if saved is not None:
        return saved
    reason = f"the process that worked on it ended twice ({how}): the file crashes or stalls its reader, or memory is short"
    slide = image.name if image.path.suffix.lower() in SLIDE_SUFFIXES else None  # not opened: it may stall us, too
    record = write_failure(job.out, image.name, reason, known_of(image.path), job.origin_of_failure, slide=slide)
    forget(job.out, image.name)
    return record
