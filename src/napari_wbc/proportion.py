"""A share that is a count: k of n, with its exact 95 % interval."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, computed_field
from scipy.special import betaincinv

CONFIDENCE = 0.95


def clopper_pearson(k: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact interval of a proportion (Clopper and Pearson, Biometrika 26:404, 1934).

    Its ends are the quantiles α/2 of Beta(k, n − k + 1) and 1 − α/2 of Beta(k + 1, n − k), with α = 1 − confidence; the lower
    end is 0 where k = 0, the upper end 1 where k = n.

    Parameters
    ----------
    k, n
        `k` of `n` cases, 0 ≤ k ≤ n.
    confidence
        0..1.

    Returns
    -------
    Lower and upper end, 0..1; nan where n = 0.
    """
    if n == 0:
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1 - tail))
    return low, high


class Proportion(BaseModel):
    """`k` of `n`, as a share with its 95 % Clopper-Pearson interval; the shares are None where n = 0."""

    model_config = ConfigDict(frozen=True)

    k: int = Field(ge=0)
    n: int = Field(ge=0)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def value(self) -> float | None:
        """The share k ÷ n."""
        return self.k / self.n if self.n else None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ci_low(self) -> float | None:
        """Lower end of the interval."""
        return clopper_pearson(self.k, self.n)[0] if self.n else None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ci_high(self) -> float | None:
        """Upper end of the interval."""
        return clopper_pearson(self.k, self.n)[1] if self.n else None

    def __str__(self) -> str:
        """`254/257 = 98.8 % (96.6-99.8)`."""
        if not self.n:
            return "0/0"
        low, high = clopper_pearson(self.k, self.n)
        return f"{self.k}/{self.n} = {100 * self.k / self.n:.1f} % ({100 * low:.1f}-{100 * high:.1f})"
