"""What is done beside a person who reviews: edited cells are classified, drawn boxes outlined."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial

from ..cells import Mask
from ..review import add
from . import jobs
from .drawn import take_drawn
from .origin import made_by
from .session import Session
from .tool import ToolWidget


class Beside:
    """The jobs of one review, one at a time, in the panel of its widget.

    Attributes
    ----------
    outlines
        Whether the job that was begun last outlines a drawn box.
    """

    def __init__(self, widget: ToolWidget) -> None:
        self._job = widget.job
        self._widget = weakref.proxy(widget)
        self.outlines = False
        self._asked: tuple[jobs.ModelChoice, frozenset[int]] | None = None

    def work(self, session: Session, choice: jobs.ModelChoice) -> None:
        """Begin what there is to do; what failed or was cancelled is not begun again before an edit, or with other models."""
        if self._job.running:
            return
        with session.selection.muted():
            box = take_drawn(session.boxes, session.analysis.labels.shape)
        self.outlines = box is not None
        kept, analysis, pixels = self._widget.kept, session.analysis, session.pixels
        if box is not None:
            steps = jobs.outline(kept, choice, analysis, pixels, box, made_by(session.labels).settings)
            self._job.start(steps, lambda mask: self._done(partial(_add, session, mask)))
        elif session.waiting and self._asked != (asked := (choice, frozenset(session.waiting))):
            self._asked = asked
            some = jobs.classify_some(kept, choice, analysis, pixels, asked[1])
            self._job.start(some, lambda named: self._done(lambda: session.accept(named)))

    def _done(self, action: Callable[[], None]) -> str:
        action()
        self._asked = None
        return ""


def _add(session: Session, mask: Mask) -> None:
    session.change_outlines("new cell", lambda labels: add(labels, mask, last_id=session.last_id))
