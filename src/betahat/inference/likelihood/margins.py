"""Marginal effects: by how much the mean of y changes with a column, on average over rows or at their mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, final

import numpy as np

from betahat.errors import DataError, InferenceError
from betahat.inference.base import penalised_reason, some_names
from betahat.inference.distributions import check_level, t_quantile, two_sided_p
from betahat.inference.layout import Page, Table, statistic_heads
from betahat.inference.likelihood.results import LikelihoodInference
from betahat.inference.wald import single_name

Mean = Callable[[np.ndarray, int], np.ndarray]
"""From η and the order of a derivative (0, 1 or 2) to h(η), h'(η), h''(η)."""
Rows = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]
"""X (k, p) without a 1-column, weights (k,) or None, offsets (k,) or None."""

_AT = ("overall", "mean")


@final
class MarginalEffects(Page):
    """What :func:`marginal_effects` returns: effects with delta-method standard errors.

    names : q names of the columns. classes : of a multinomial model all K classes, else ().
    effect, std_err, statistic, p_value : (q,), or (K, q). covariance : of the effects, (q, q) or (K·q, K·q).
    df : degrees of freedom of t; infinite where `statistic` is z.
    """

    def __init__(
        self, names: Sequence[str], classes: Sequence[str], effect: np.ndarray, covariance: np.ndarray, df: float,
        at: str, response: str, notes: Sequence[str],
    ) -> None:  # fmt: skip
        self.names, self.classes, self.effect, self.covariance = (
            tuple(names),
            tuple(classes),
            effect,
            covariance,
        )
        self.df, self.notes = df, tuple(notes)
        where = (
            "Average marginal effects" if at == "overall" else "Marginal effects at the mean of the columns"
        )
        of = "the probabilities" if self.classes else "the mean"
        self.title = f"{where} on {of} of {response}"
        with np.errstate(invalid="ignore", divide="ignore"):
            self.std_err = np.sqrt(np.diag(covariance)).reshape(effect.shape)
            self.statistic = effect / self.std_err
        self.p_value = two_sided_p(self.statistic, df)

    def conf_int(self, level: float = 0.95) -> np.ndarray:
        """Confidence intervals effect ± t·std_err, shape (q, 2) or (K, q, 2)."""
        reach = t_quantile(check_level(level), self.df) * self.std_err
        return np.stack([self.effect - reach, self.effect + reach], axis=-1)

    def table(self, level: float = 0.95) -> Table:
        """The effects as a table with intervals of this level."""
        ends = self.conf_int(level)
        labels = {"name": self.names * max(1, len(self.classes))}
        if self.classes:
            labels["class"] = tuple(name for name in self.classes for _ in self.names)
        columns = {
            "effect": self.effect, "std_err": self.std_err, "statistic": self.statistic, "p_value": self.p_value,
            "conf_low": ends[..., 0], "conf_high": ends[..., 1],
        }  # fmt: skip
        return Table(self.title, labels, columns, statistic_heads(single_name(self.df), level), self.notes)

    def to_dict(self) -> dict[str, Any]:
        """The table as JSON can hold it; None where a number is undefined."""
        return self.table().to_dict()

    def _data(self) -> dict[str, Any]:
        return self.table()._data()

    def _notes(self) -> list[str]:
        return list(self.notes)

    def _parts(self, shorten: bool) -> list[dict[str, Any]]:
        return self.table()._parts(shorten)


def marginal_effects(
    inference: LikelihoodInference, mean: Mean | None, rows: Iterable[Rows], *,
    factors: Sequence[str | None] | None = None, at: str = "overall",
) -> MarginalEffects:  # fmt: skip
    """Of each column xⱼ: the mean over rows of ∂μ/∂xⱼ = h'(η)βⱼ, or for a dummy of the change of μ when it goes from 0
    to 1; standard errors √(gᵀVg), g the derivative of the effect in β (delta method).

    inference : of the fit, unpenalised for standard errors. mean : h and its derivatives, such as
        `as_link("logit").mean`; None for a multinomial model, whose effects are on the probability of each class.
    rows : blocks of (X, weights, offsets), for which the effects are averaged with the weights.
    factors : for each column None (it is continuous) or the name of the factor whose dummy it is; None finds dummies by
        their names, such as "kind[b]", see :func:`factors_of`. A dummy of a factor is switched on against the reference
        level: all other dummies of the factor are 0.
    at : "overall" for the mean over rows of the effects, "mean" for the effects at the mean of the columns.

    Raises InferenceError where coefficients are infinite or not determined, and for columns that are functions of other
    columns (products, powers), which cannot change alone; ValueError for another `at`.
    Source: Williams (2012), Stata Journal 12, 308–331.
    """
    if at not in _AT:
        raise ValueError(f"at (={at!r}) must be one of {', '.join(map(repr, _AT))}")
    s = inference.statistics
    names = s.names[int(s.has_intercept) :]
    chosen = factors_of(names) if factors is None else list(factors)
    if len(chosen) != len(names):
        raise ValueError(f"factors has {len(chosen)} entries, but the model has {len(names)} columns")
    refuse_functions(names)
    unknown = s.infinite | ~s.estimable
    if unknown.any():
        which = [name for name, lost in zip(s.parameter_names, unknown.ravel(), strict=True) if lost]
        raise InferenceError(
            f"no marginal effects: {some_names(which)} have no finite estimate that the data determine; leave such "
            "columns out, or use firth=True where classes are separated"
        )
    if at == "mean":
        rows = [_mean_row(rows, len(names))]
    sums = _Sums(inference, mean, chosen)
    with np.errstate(all="ignore"):
        for X, weight, offset in rows:
            sums.add(np.asarray(X, np.float64), weight, offset)
        effect, gradient = sums.result()
    if not (np.isfinite(effect).all() and np.isfinite(gradient).all()):
        raise DataError(
            "X, offset or exposure hold numbers so large that means at these rows, or their slopes, leave double "
            "precision"
        )
    notes: tuple[str, ...] = ()
    if s.penalised:
        notes = (penalised_reason("Standard errors"),)
        covariance, df = np.full((effect.size,) * 2, np.nan), np.inf
    else:
        G = gradient.reshape(effect.size, -1)
        covariance, df = G @ inference.centred_covariance @ G.T, float(inference.df_inference)
    single = mean is not None
    return MarginalEffects(
        names,
        () if single else s.classes,
        effect[0] if single else effect,
        covariance,
        df,
        at,
        s.response,
        notes,
    )


@final
class _Sums:
    """Σ w e and Σ w ∂e/∂β over rows, e (K, p) the effects, β that of the centred design."""

    def __init__(
        self, inference: LikelihoodInference, mean: Mean | None, factors: Sequence[str | None]
    ) -> None:
        s = inference.statistics
        self.mean, self.first = mean, int(s.has_intercept)
        self.B = s.estimate
        self.centre = s.centre if self.first and s.centre is not None else np.zeros(len(factors))
        self.factors = list(factors)
        t, m = self.B.shape
        self.classes = 1 if mean is not None else t + 1
        self.total = 0.0
        self.effect = np.zeros((self.classes, len(factors)))
        self.gradient = np.zeros((self.classes, len(factors), t, m))

    def _design(self, X: np.ndarray) -> np.ndarray:
        Z = np.ones((len(X), X.shape[1] + self.first))
        np.subtract(X, self.centre, out=Z[:, self.first :])
        return Z

    def _predictors(self, X: np.ndarray, offset: np.ndarray | None) -> np.ndarray:
        eta = X @ self.B[:, self.first :].T + (self.B[:, 0] if self.first else 0.0)
        return eta if offset is None else eta + offset.reshape(len(X), -1)

    def add(self, X: np.ndarray, weight: np.ndarray | None, offset: np.ndarray | None) -> None:
        w = np.ones(len(X)) if weight is None else weight
        self.total += float(w.sum())
        eta = self._predictors(X, offset)
        Z = self._design(X)
        slopes = [j for j, factor in enumerate(self.factors) if factor is None]
        (self._slopes_of_classes if self.mean is None else self._slopes)(slopes, eta, Z, w)
        for factor in dict.fromkeys(factor for factor in self.factors if factor is not None):
            dummies = [j for j, other in enumerate(self.factors) if other == factor]
            low = X.copy()
            low[:, dummies] = 0.0
            before = self._level(low, offset, w)
            for j in dummies:
                high = low.copy()
                high[:, j] = 1.0
                after = self._level(high, offset, w)
                self.effect[:, j] += after[0] - before[0]
                self.gradient[:, j] += after[1] - before[1]

    def _slopes(self, places: list[int], eta: np.ndarray, Z: np.ndarray, w: np.ndarray) -> None:
        """h'(η)βⱼ, whose derivative is h''(η)βⱼ z + h'(η) for βⱼ itself."""
        assert self.mean is not None
        first = float(w @ self.mean(eta[:, 0], 1))
        second = (w * self.mean(eta[:, 0], 2)) @ Z
        for j in places:
            beta = self.B[0, self.first + j]
            self.effect[0, j] += first * beta
            self.gradient[0, j, 0] += second * beta
            self.gradient[0, j, 0, self.first + j] += first

    def _slopes_of_classes(self, places: list[int], eta: np.ndarray, Z: np.ndarray, w: np.ndarray) -> None:
        """p_c qₗ with qₗ = βₗⱼ − Σᵣ pᵣβᵣⱼ; ∂p_c/∂βₗ = p_c(δ − pₗ)z, and ∂q_c/∂βₗ = (δ − pₗ)·[j] − pₗqₗz."""
        P = _probabilities(eta)
        B = np.vstack([np.zeros(self.B.shape[1]), self.B])
        wP = w[:, None] * P
        spread = np.eye(len(B))[:, 1:] * wP.sum(axis=0)[:, None] - wP.T @ P[:, 1:]  # Σ w p_c (δ_cl − p_l)
        for j in places:
            beta = B[:, self.first + j]
            Q = beta - (P @ beta)[:, None]
            PQ = wP * Q
            self.effect[:, j] += PQ.sum(axis=0)
            own = np.einsum("ic,im->cm", PQ, Z)
            for k in range(1, len(B)):  # the class l whose coefficients are changed
                shared = (P[:, k : k + 1] * PQ + wP * (P[:, k] * Q[:, k])[:, None]).T @ Z
                self.gradient[:, j, k - 1] -= shared
                self.gradient[k, j, k - 1] += own[k]
            self.gradient[:, j, :, self.first + j] += spread

    def _level(
        self, X: np.ndarray, offset: np.ndarray | None, w: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Σ w μ (K,) and its derivative (K, t, m)."""
        eta, Z = self._predictors(X, offset), self._design(X)
        if self.mean is not None:
            return np.array([w @ self.mean(eta[:, 0], 0)]), ((w * self.mean(eta[:, 0], 1)) @ Z)[None, None]
        P = _probabilities(eta)
        wP = w[:, None] * P
        derivative = np.stack([-(P[:, k : k + 1] * wP).T @ Z for k in range(1, P.shape[1])], axis=1)
        for k in range(1, P.shape[1]):
            derivative[k, k - 1] += wP[:, k] @ Z
        return wP.sum(axis=0), derivative

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        if not self.total > 0:
            raise InferenceError("marginal effects need rows of positive weight, and there are none")
        return self.effect / self.total, self.gradient / self.total


def _probabilities(eta: np.ndarray) -> np.ndarray:
    """(k, K) of classes, the reference first."""
    from scipy.special import softmax

    return softmax(np.column_stack([np.zeros(len(eta)), eta]), axis=1)


def _mean_row(rows: Iterable[Rows], p: int) -> Rows:
    """One row: the weighted means of columns and offsets."""
    total, X_sum, offset_sum = 0.0, np.zeros(p), np.zeros(1)
    for X, weight, offset in rows:
        w = np.ones(len(X)) if weight is None else weight
        total += float(w.sum())
        X_sum = X_sum + w @ np.asarray(X, np.float64)
        if offset is not None:
            offset_sum = offset_sum + w @ offset.reshape(len(X), -1)
    if not total > 0:
        raise InferenceError("marginal effects need rows of positive weight, and there are none")
    return (X_sum / total)[None], None, (offset_sum / total)[None]


def factors_of(names: Sequence[str]) -> list[str | None]:
    """The factor of each column that is a dummy by its name, "factor[level]", None for the others.

    >>> factors_of(["age", "kind[b]", "kind[c]", "C(port)[T.Q]", "age:kind[b]"])
    [None, 'kind', 'kind', 'C(port)', None]
    """
    found = [re.fullmatch(r"([^\[\]]+)\[[^\[\]]*\]", name) for name in names]
    return [match[1] if match and ":" not in match[1] else None for match in found]


def refuse_functions(names: Sequence[str]) -> None:
    """InferenceError if a column is by its name a product or a function of another: such effects are of no column
    alone."""
    known = set(names) | {factor for factor in factors_of(names) if factor}
    for name in names:
        outside = re.sub(r"\[[^\[\]]*\]", "", name)
        if name in factors_of(names) or (":" not in outside and "(" not in outside):
            continue
        parts = {*outside.split(":"), *re.findall(r"[^\W\d][\w.]*(?!\w*\()", outside)} - {outside}
        shared = sorted(parts & known)
        if ":" in outside or shared:
            raise InferenceError(
                f"no marginal effects: the column {name!r} is made of {', '.join(shared) or 'others'}, so that it does "
                "not change alone. Predict at the values in question and take differences instead"
            )
