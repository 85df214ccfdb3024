"""A device that runs out of memory is an error of ours, which says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..errors import ModelMemoryError

LACKS = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")
"""What torch says of a lack of memory where the error has no type of its own: the processor's, Windows', Apple's, cuBLAS'."""


@contextmanager
def enough_memory(device: str, advice: str) -> Iterator[None]:
    """Whatever is computed in the block fits into the memory of a device, or there is an error that ends with `advice`.

    Raises
    ------
    ModelMemoryError
        If it does not.
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and not any(text in str(error) for text in LACKS):
            raise
        raise ModelMemoryError(f"{device} ran out of memory: {str(error).rstrip('. ')}. {advice}") from None
