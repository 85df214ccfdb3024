"""The one place where a failure of any kind becomes a reason: one bad image must not end a night's run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..errors import ImageError, ModelMemoryError, StorageError

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """Why there is no result; `memory` says that it was lack of memory."""

    reason: str
    memory: bool = False


def attempt(image: str, work: Callable[[], T]) -> T | Failure:
    """The result of the work on an image, or the reason why there is none.

    It catches every exception but that something cannot be written, which does end the run. The traceback goes to the log.
    """
    try:
        return work()
    except StorageError:
        raise
    except ImageError as error:
        return Failure(str(error))
    except (ModelMemoryError, MemoryError) as error:
        return Failure(str(error) or "memory does not suffice. Use a smaller image.", memory=True)
    except Exception as error:
        logger.exception("%s could not be analysed", image)
        reason = getattr(error, "strerror", None) or error  # without the path, which no table is to tell
        return Failure(f"{type(error).__name__}: {reason}")
