"""Folds are grouped, stratified and seeded."""

from __future__ import annotations

import numpy as np
import pytest

from napari_wbc.errors import UsageError
from napari_wbc.training.folds import assign_folds, hold_out


def data(n_groups: int = 40, seed: int = 0) -> tuple[list[str], list[str]]:
    """Images of 1 to 4 cells; a tenth are basophils, six tenths neutrophils."""
    rng = np.random.default_rng(seed)
    groups = [f"image {i}" for i in range(n_groups) for _ in range(int(rng.integers(1, 5)))]
    return groups, rng.choice(["basophil", "eosinophil", "neutrophil"], len(groups), p=[0.1, 0.3, 0.6]).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_a_group_is_in_one_fold_and_each_fold_has_its_share_of_each_stratum(seed: int) -> None:
    groups, strata = data(seed=seed)
    folds = assign_folds(groups, strata, 5, seed)
    assert len(folds) == len(groups)
    for group in set(groups):
        assert len({int(f) for f, g in zip(folds, groups, strict=True) if g == group}) == 1
    for stratum in set(strata):
        counts = np.bincount([f for f, s in zip(folds, strata, strict=True) if s == stratum], minlength=5)
        assert counts.max() - counts.min() <= max(2, 0.35 * counts.mean()), (stratum, counts)


def test_the_seed_decides() -> None:
    groups, strata = data()
    first, again, other = (assign_folds(groups, strata, 5, seed).tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_no_fold_is_empty() -> None:
    folds = assign_folds(["a"] * 50 + ["b", "c"], ["x"] * 52, 3, 0)
    assert sorted(set(folds.tolist())) == [0, 1, 2]


def test_fewer_groups_than_folds_are_refused() -> None:
    with pytest.raises(UsageError, match="3 folds of 2"):
        assign_folds(["a", "b", "b"], ["x"] * 3, 3, 0)


@pytest.mark.parametrize("seed", range(5))
def test_about_the_share_is_held_out_and_never_the_only_group_of_a_stratum(seed: int) -> None:
    groups, strata = data(seed=seed)
    strata[0] = "rare"
    groups_held = hold_out(groups, strata, 0.2, seed)
    assert 0.12 < groups_held.mean() < 0.28
    assert not groups_held[0]
    inside = {g for g, held in zip(groups, groups_held, strict=True) if held}
    outside = {g for g, held in zip(groups, groups_held, strict=True) if not held}
    assert not inside & outside
