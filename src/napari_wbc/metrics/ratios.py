"""Ratios and means in which the undefined is nan, without warnings."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Confusion: TypeAlias = npt.NDArray[np.int64]
"""(K, K') counts n_ij: true class i, predicted class j."""


def divide(numerator: npt.NDArray[Any], denominator: npt.NDArray[Any]) -> Floats:
    """Element-wise quotient in float64, nan where the denominator is 0."""
    result = np.full(np.shape(denominator), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


def mean_of_defined(values: npt.ArrayLike) -> float:
    """Mean of the values that are not nan; nan if there is none."""
    array = np.asarray(values, dtype=np.float64)
    array = array[~np.isnan(array)]
    return float(array.mean()) if array.size else math.nan


def defined(value: float) -> float | None:
    """The value, or None where it is nan: what a file keeps."""
    return None if math.isnan(value) else float(value)
