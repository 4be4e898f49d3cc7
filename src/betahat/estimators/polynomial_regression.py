"""Polynomial regression in one or several inputs, accurate at high degree."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from numbers import Integral
from typing import Any, final

import numpy as np

from betahat.data.passes import combined_weight
from betahat.data.source import ArraySource, Block, Source
from betahat.errors import DataError, MissingValueError
from betahat.estimators.base import BaseLinear
from betahat.estimators.checks import check_choice, check_number
from betahat.estimators.inputs import refuse_no_weight
from betahat.estimators.linear_fit import LinearResult
from betahat.inference import LinearStatistics
from betahat.models.polynomial import PolynomialBasis, monomial_names
from betahat.penalties import NoPenalty, Penalty

_TWICE_UP_TO = 1 << 20  # numbers in the basis up to which they are kept in two doubles

_LARGEST_POWER, _LARGEST_TARGET = 150.0, 110.0  # decimal exponents whose squares double precision still holds


@final
class PolynomialRegression(BaseLinear):
    """Least squares of y on all powers and products of the inputs up to a total degree.

        f(x, β) = β₀ + β₁ x + β₂ x² + … + β_d x^d      (and x₁x₂, … for several inputs)

    Solved in polynomials orthogonal on the data (Stieltjes 1884; Forsythe 1957), evaluated and refined in two doubles,
    so that accuracy survives high degrees: `coef_` are the coefficients of the raw powers, exact to rounding where
    forming the powers first would leave a few digits.

    Parameters
    ----------
    degree : int ≥ 1, the highest total degree
    interaction_only : bool, only products of distinct inputs
    fit_intercept, cov_type, maxlags, missing : as in :class:`betahat.LinearRegression`
    collinear : "minimum_norm" or "error"
        What is done where the data cannot tell the terms apart (a degree not below the number of distinct values):
        smallest norm in the orthogonal basis, with a CollinearityWarning, or a CollinearityError.

    Attributes
    ----------
    coef_ : (p,) in the order x, x², … (`term_names_`; for several inputs scikit-learn's `PolynomialFeatures` order)
    intercept_, certificate_, inference_, trace_ : as in :class:`betahat.LinearRegression`; the certificate is of the
        orthogonal basis.
    powers_ : (p, n_features) exponents

    Examples
    --------
    >>> import numpy as np, betahat as bh
    >>> x = np.linspace(900.0, 901.0, 12)
    >>> m = bh.PolynomialRegression(3).fit(x[:, None], (x - 900.0) ** 3)
    >>> m.predict([[900.5]]).round(12)
    array([0.125])
    >>> m.term_names_
    ('x1', 'x1^2', 'x1^3')
    """

    _sparse = False
    _extended = True

    def __init__(
        self,
        degree: int = 2,
        *,
        interaction_only: bool = False,
        fit_intercept: bool = True,
        cov_type: str = "nonrobust",
        maxlags: int | None = None,
        collinear: str = "minimum_norm",
        missing: str = "error",
    ) -> None:
        self.degree = degree
        self.interaction_only = interaction_only
        self.fit_intercept = fit_intercept
        self.cov_type = cov_type
        self.maxlags = maxlags
        self.collinear = collinear
        self.missing = missing

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice("collinear", self.collinear, ("minimum_norm", "error"))
        if not isinstance(self.degree, Integral) or isinstance(self.degree, bool):
            raise TypeError(f"degree (={self.degree!r}) must be a whole number")
        check_number("degree", int(self.degree), 1, "degree 0 would be the mean alone")

    def _penalty(self, weight: float) -> Penalty:
        return NoPenalty()

    def _fit_source(self, source: Source) -> None:
        if not isinstance(source, ArraySource):
            raise TypeError(
                f"PolynomialRegression needs its rows in memory, not a {type(source).__name__}; for a file write the "
                'powers in a formula, such as bh.fit("y ~ x + I(x**2)", path), or load the columns it uses'
            )
        if self.design_ is not None and len(self.design_.names) != len(self.design_.input_names):
            raise TypeError(
                "PolynomialRegression takes numeric columns; write categories in a formula: bh.fit(...)"
            )
        (block,) = tuple(source.blocks())
        X = _finite(block, source.names)
        refuse_no_weight(combined_weight(block))
        _refuse_extremes(X, source.names, int(self.degree), _LARGEST_POWER)
        _refuse_extremes(np.asarray(block.y), source.target_names, 1, _LARGEST_TARGET)
        weight = np.ones(len(X))
        for factor in (block.weight, block.frequency):
            weight = weight if factor is None else weight * factor
        basis = PolynomialBasis.learn(
            X, weight, int(self.degree), bool(self.interaction_only), self.fit_intercept
        )
        self.term_names_ = monomial_names(source.names, basis.exponents)
        self.powers_ = np.array(basis.exponents)
        self._basis = basis
        twice = len(X) * len(basis.exponents) <= _TWICE_UP_TO
        high, low = basis.evaluate_twice(X) if twice else (basis.evaluate(X), None)
        inner = ArraySource(
            high, block.y, block.weight, block.frequency, block.groups,  # pyright: ignore[reportArgumentType]
            self.term_names_, source.target_names, low, block.offset,
        )  # fmt: skip
        super()._fit_source(inner)

    def _store(self, result: LinearResult) -> None:
        result.remarks = [
            remark.replace("is constant", "cannot be told from lower terms: too few distinct values")
            for remark in result.remarks
        ]
        statistics, back = _in_powers(result, self._basis)
        bound = _bound_in_powers(result.certificate.error_bound, back, statistics.estimate)
        result.certificate = replace(result.certificate, error_bound=bound)
        super()._store(result)
        self._raw_statistics = replace(statistics, certificate_line=result.certificate.line())
        first = int(statistics.has_intercept)
        coef, intercept = statistics.estimate[:, first:], statistics.estimate[:, 0] * first
        self.coef_ = coef[0] if self._single_target else coef
        self.intercept_ = float(intercept[0]) if self._single_target else intercept

    def _matrix(self, X: Any) -> Any:
        inputs = np.asarray(super()._matrix(X), np.float64)  # checks first that there is a basis
        return self._basis.evaluate(inputs)

    def _objective_matrix(self, X: Any) -> np.ndarray:
        inputs = np.asarray(super()._matrix(X), np.float64)
        return np.prod(inputs[:, None, :] ** self.powers_, axis=2)

    def _solver_rows(self, X: np.ndarray) -> np.ndarray:
        return self._basis.evaluate(X)

    def _statistics(self) -> LinearStatistics:
        return self._raw_statistics

    def _objective_words(self) -> str:
        return (
            f"J(β) = (1/Σw) Σ wᵢ ½ (yᵢ − p(xᵢ))², p of degree {self.degree} in a basis orthogonal on the data"
        )


def _finite(block: Block, names: tuple[str, ...]) -> np.ndarray:
    X = np.asarray(block.X, np.float64)
    bad = ~np.isfinite(X)
    if bad.any():
        row, column = (int(i[0]) for i in np.nonzero(bad))
        what = "NaN" if np.isnan(X).any() else "infinity"
        kind = MissingValueError if what == "NaN" else DataError
        raise kind(f"Input X contains {what}: {names[column]!r} in row {row}; expected finite numbers")
    return X


def _refuse_extremes(values: np.ndarray, names: tuple[str, ...], degree: int, most: float) -> None:
    """DataError where a coefficient of `degree`, or its variance, would leave double precision."""
    for name, size in zip(names, np.abs(values).max(axis=0), strict=True):
        if size > 0 and np.isfinite(size) and abs(degree * np.log10(size)) > most:
            what = f"whose power {degree} leaves" if degree > 1 else "whose square leaves"
            raise DataError(
                f"{name!r} holds numbers as large as {size:.3g}, {what} the range of double precision; rescale it"
            )


def _in_powers(result: LinearResult, basis: PolynomialBasis) -> tuple[LinearStatistics, np.ndarray]:
    """The statistics in terms of raw powers, and the (m, m) matrix that leads there.

    The coefficients are rounded once, from exact rational arithmetic.
    """
    inner = result.statistics
    rows = basis.to_powers()[0 if inner.has_intercept else 1 :]
    shift = 0 if inner.has_intercept else 1
    t, m = inner.estimate.shape
    rest = np.zeros((t, m))
    if result.lows is not None:
        rest[:, m - result.coef.shape[1] :] = result.lows.coef
        if inner.has_intercept:
            rest[:, 0] = result.lows.intercept
    raw, back = np.empty((t, m)), np.zeros((m, m))
    for k in range(t):
        exact = [Fraction(0)] * m
        for value, low, row in zip(inner.estimate[k], rest[k], rows, strict=True):
            total = Fraction(float(value)) + Fraction(float(low))
            for j, c in row.items():
                exact[j - shift] += total * c
        raw[k] = [float(value) for value in exact]
    for column, row in enumerate(rows):
        for j, c in row.items():
            back[j - shift, column] = float(c)
    return inner.in_basis(back, raw), back


def _bound_in_powers(bound: np.ndarray, back: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """The error bound carried to raw powers, and one rounding of the coefficients themselves."""
    rounding = np.finfo(np.float64).eps * np.abs(estimate)
    return bound @ np.abs(back).T + (rounding[0] if bound.ndim == 1 else rounding)
