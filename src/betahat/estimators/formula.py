"""`bh.fit`: a formula and the data it speaks of, in one call."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from typing import Any

from betahat.data.missing import Missing
from betahat.estimators.linear_regression import LinearRegression

_MODELS = ("linear",)


def fit(
    formula: str,
    data: Any,
    *,
    model: str | None = None,
    sample_weight: Any = None,
    frequency_weight: Any = None,
    groups: Any = None,
    missing: Missing = "drop",
    alpha: float = 0.0,
    cov_type: str = "nonrobust",
    **params: Any,
) -> LinearRegression:
    """Fit `formula` to `data` by least squares: minimise (1/Σw) Σᵢ wᵢ ½ (yᵢ − β₀ − xᵢᵀβ)² + α/2 ‖β‖².

    formula : such as ``"arr_delay ~ dep_delay + distance + C(carrier)"``; as in R, with an intercept unless
        it says ``- 1``; several targets as ``y1 + y2 ~ x``.
    data : a pandas, polars or pyarrow table; or the path or pattern of CSV, Parquet or JSON files,
        ``file.duckdb::table``, or SQL text, which are read in blocks and never held in memory.
    model : "linear", which None means.
    sample_weight : importance weights ≥ 0: (n,) numbers, or the name of a column (always a name where data is
        a file or SQL).
    frequency_weight : whole numbers, how many equal rows each row stands for; given like sample_weight.
    groups : labels of clusters for ``cov_type="cluster"``: (n,) or (n, 2) labels, or the names of one or two
        columns.
    missing : "drop" leaves incomplete rows out with a MissingRowsWarning, "error" refuses them, "mean" fills
        numbers.
    alpha, cov_type, params : of :class:`betahat.LinearRegression` (maxlags, collinear).

    Returns the fitted LinearRegression: its predict takes tables with the formula's columns, its summary
    names the formula's terms.

    Raises FormulaError where the formula cannot be read or does not fit the columns, MissingValueError or
    DataError for values that cannot be used, TypeError or ValueError for wrong arguments.

    >>> import pandas as pd, betahat as bh
    >>> data = pd.DataFrame({"y": [1.0, 2.0, 4.0, 5.0], "x": [1.0, 2.0, 3.0, 4.0], "kind": list("abab")})
    >>> model = bh.fit("y ~ x + kind", data)
    >>> model.inference_.names, model.coef_.round(12)
    (('Intercept', 'x', 'kind[b]'), array([ 1.5, -0.5]))
    >>> model.predict(pd.DataFrame({"x": [5.0], "kind": ["a"]})).round(12)
    array([7.])
    >>> bh.fit("y ~ x", "SELECT i AS x, 3.0 * i + 1 AS y FROM range(9) AS t(i)").coef_
    array([3.])
    """
    if not isinstance(formula, str):
        raise TypeError(f"formula (={formula!r}) must be a string such as 'y ~ x1 + C(kind)'")
    if model is not None and model not in _MODELS:
        raise ValueError(
            f"model (={model!r}) must be one of {', '.join(map(repr, _MODELS))}, or None for 'linear'"
        )
    _check_names(params)
    estimator = LinearRegression(alpha, cov_type=cov_type, missing=missing, **params)
    estimator._check_parameters()
    if isinstance(data, (str, os.PathLike)):
        from betahat.data import query

        source = query(
            data,
            formula=formula,
            weights=_column("sample_weight", sample_weight),
            frequency=_column("frequency_weight", frequency_weight),
            groups=_columns("groups", groups),
            missing=missing,
        )
        design: Any = source.design
    else:
        from betahat.data import read_formula

        design, source = read_formula(formula, data, sample_weight, frequency_weight, groups, missing)
    estimator.fit_intercept = design.has_intercept
    estimator._describe(source, design)
    estimator._fit_source(source)
    return estimator


def _check_names(params: dict[str, Any]) -> None:
    if "fit_intercept" in params:
        raise TypeError("fit_intercept is said by the formula: '- 1' in it means no intercept")
    known = sorted(set(LinearRegression().get_params(deep=False)) - {"fit_intercept"})
    for name in params:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise TypeError(f"{name} (={params[name]!r}) is not a parameter of LinearRegression; {hint}")


def _column(argument: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise TypeError(
        f"{argument} is a {type(value).__name__}, but data is a file or SQL text, whose rows are read in "
        "blocks: give the name of the column that holds it"
    )


def _columns(argument: str, value: Any) -> str | list[str] | None:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [name for name in (_column(argument, each) for each in value) if name is not None]
    return _column(argument, value)
