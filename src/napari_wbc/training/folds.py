"""Splits that are seeded, stratified and grouped: what belongs together stays together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..errors import UsageError


def assign_folds(groups: Sequence[str], strata: Sequence[str], n_folds: int, seed: int) -> npt.NDArray[np.intp]:
    """The fold, 0..n_folds-1, of each of N items; items of one group share a fold.

    The groups, in random order and the most uneven first, go each to the fold where the shares of the strata come out most
    even, as in scikit-learn's `StratifiedGroupKFold`.

    Parameters
    ----------
    groups, strata
        (N,) names: the image or slide of an item, and its cell type.

    Raises
    ------
    UsageError
        If there are fewer groups than folds.
    """
    names, of_group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    kinds, of_stratum = np.unique(np.asarray(strata, dtype=str), return_inverse=True)
    if n_folds < 2 or len(names) < n_folds:
        raise UsageError(f"Cannot make {n_folds} folds of {len(names)} images or slides: ask for 2 to {len(names)} folds.")
    counts = np.zeros((len(names), len(kinds)))
    np.add.at(counts, (of_group, of_stratum), 1)
    share = counts / counts.sum(axis=0)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.argsort(-counts[shuffled].std(axis=1) - counts[shuffled].sum(axis=1), kind="stable")]
    folds, filled, sizes = np.empty(len(names), dtype=np.intp), np.zeros((n_folds, len(kinds))), np.zeros(n_folds)
    for place, group in enumerate(order):
        empty = np.flatnonzero(sizes == 0)
        open_folds = empty if len(empty) == len(order) - place else np.arange(n_folds)  # no fold may stay empty
        unevenness = [_unevenness(filled, int(fold), share[group]) for fold in open_folds]
        lowest = open_folds[np.isclose(unevenness, min(unevenness))]
        folds[group] = fold = lowest[sizes[lowest].argmin()]
        filled[fold] += share[group]
        sizes[fold] += counts[group].sum()
    return folds[of_group]


def _unevenness(filled: npt.NDArray[np.float64], fold: int, share: npt.NDArray[np.float64]) -> float:
    """Spread of the strata over the folds if `share` were added to one of them."""
    after = filled.copy()
    after[fold] += share
    return float(after.std(axis=0).mean())


def hold_out(groups: Sequence[str], strata: Sequence[str], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which of N items are held out: of round(1 ÷ share) folds of `assign_folds`, at least two, the one nearest to `share`.

    There are no more folds than groups. A fold that leaves every stratum something to learn from goes before one that does not.

    Raises
    ------
    UsageError
        If there are fewer than two groups.
    """
    n_folds = min(max(2, round(1 / share)), len(set(groups)))
    folds = assign_folds(groups, strata, n_folds, seed)
    kinds = np.asarray(strata, dtype=str)

    def cost(fold: int) -> tuple[int, float]:
        held = folds == fold
        return len(set(kinds) - set(kinds[~held])), abs(held.mean() - share)

    return np.asarray(folds == min(range(n_folds), key=cost))
