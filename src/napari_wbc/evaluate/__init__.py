"""Results against truth: every figure of the method, from two analyses of the same images."""

from __future__ import annotations

from .against_truth import evaluate, read_pairs
from .compare import Pair
from .figures import Evaluation

__all__ = ["Evaluation", "Pair", "evaluate", "read_pairs"]
