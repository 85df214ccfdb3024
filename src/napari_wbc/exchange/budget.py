"""How much the outlines of one image may take: some bytes in a file can stand for masks of gigabytes."""

from __future__ import annotations

from pathlib import Path

from ..cells import Box
from ..errors import ResultsError

TIMES_COVERED = 16
"""Cells do not overlap, so that their boxes together are hardly larger than the image; other programs' may, up to this."""
LEAST_PX, MOST_PX = 4_000_000, 4_000_000_000
"""What outlines on a small image may cover in all, and on the largest slide: a byte of memory for each pixel."""
PX_PER_CROSSING = 16
"""A place where a line crosses a row of pixels takes as much time and memory as some pixels."""


class Budget:
    """What the outlines of one image have left.

    Parameters
    ----------
    shape
        (H, W) of the image.
    path
        The file that has them, for messages.
    """

    def __init__(self, shape: tuple[int, int], path: Path) -> None:
        self.shape, self._path = shape, path
        self._all_px = self._left_px = min(max(TIMES_COVERED * shape[0] * shape[1], LEAST_PX), MOST_PX)

    def take(self, box: Box, n_crossings: int = 0) -> None:
        """What an outline takes: call it before it is filled.

        Raises
        ------
        ResultsError
            If no more is left.
        """
        self._left_px -= box.height * box.width + PX_PER_CROSSING * n_crossings
        if self._left_px < 0:
            height, width = self.shape
            raise ResultsError(
                f"{self._path} has outlines of cells that cover more than {self._all_px} px in all, on an image of {width} × "
                f"{height} px, or as intricate. Remove those that are no cells, or that are there twice, and export it again."
            )
