"""What is done beside a person who reviews, without a window."""

from __future__ import annotations

from functools import partial

import pytest
from napari.components import ViewerModel
from napari.layers import Shapes

from napari_wbc._napari.beside import Beside
from napari_wbc._napari.drawn import take_drawn
from napari_wbc._napari.jobs import KeptModels, ModelChoice
from napari_wbc._napari.replacing import show_analysis
from napari_wbc._napari.reviews import session_of
from napari_wbc._napari.session import Session
from napari_wbc.cells import Box, Field
from napari_wbc.pipeline import analyse
from napari_wbc.review import split
from tests.fakes import load_fakes
from tests.smears import smear


class Job:
    """Remembers what it was asked to do."""

    running = False

    def __init__(self) -> None:
        self.started = 0

    def start(self, steps: object, show: object) -> None:
        self.started += 1


class Widget:
    """As far as it is asked."""

    def __init__(self, job: Job) -> None:
        self.job, self.kept = job, KeptModels(lambda **_: load_fakes())


@pytest.fixture
def session() -> Session:
    viewer = ViewerModel()
    pixels = smear(3, n_cells=3, shape=(96, 240))
    image = viewer.add_image(pixels, rgb=True, name="field")
    return session_of(viewer, show_analysis(viewer.layers, image, analyse(Field(pixels, 0.3), load_fakes())))


def test_what_failed_is_tried_again_after_an_edit_or_with_other_models(session: Session) -> None:
    job = Job()
    widget = Widget(job)
    beside = Beside(widget)  # type: ignore[arg-type]
    beside.work(session, ModelChoice())
    assert job.started == 0
    session.change_outlines("split", partial(split, cell_id=2))
    for _ in range(3):
        beside.work(session, ModelChoice())
    assert job.started == 1
    beside.work(session, ModelChoice(classifier="mine.safetensors"))
    assert job.started == 2
    session.change_outlines("split", partial(split, cell_id=1))
    beside.work(session, ModelChoice(classifier="mine.safetensors"))
    assert job.started == 3


def test_one_drawn_box_is_taken_and_the_boxes_of_cells_stay() -> None:
    corners = [
        [(y, x), (y, x + side), (y + side, x + side), (y + side, x)]
        for y, x, side in ((2, 2, 9), (-4.5, 30.5, 19), (50, 50, 2))
    ]
    boxes = Shapes(corners, features={"cell_id": [1, 0, 0]})
    boxes._is_creating = True
    assert take_drawn(boxes, (64, 40)) is None
    boxes._is_creating = False
    assert take_drawn(boxes, (64, 40)) == Box(0, 31, 15, 40)
    assert list(boxes.features["cell_id"]) == [1, 0]
    assert take_drawn(boxes, (64, 64)) is None  # drawn by mistake: it goes too
    assert list(boxes.features["cell_id"]) == [1]
    assert take_drawn(boxes, (64, 64)) is None
    assert len(boxes.data) == 1
