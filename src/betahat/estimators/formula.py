"""`bh.fit`: a formula and the data it speaks of, in one call."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from typing import Any

from betahat.data.missing import Missing
from betahat.estimators.models import model_named


def fit(
    formula: str,
    data: Any,
    *,
    model: str | None = None,
    sample_weight: Any = None,
    frequency_weight: Any = None,
    groups: Any = None,
    offset: Any = None,
    exposure: Any = None,
    missing: Missing = "drop",
    alpha: float = 0.0,
    cov_type: str = "nonrobust",
    **params: Any,
) -> Any:
    """Fit `formula` to `data`: by least squares, or as logistic regression or another generalized linear model.

    formula : such as ``"arr_delay ~ dep_delay + distance + C(carrier)"``; as in R, with an intercept unless
        it says ``- 1``; several targets as ``y1 + y2 ~ x``.
    data : a pandas, polars or pyarrow table; or the path or pattern of CSV, Parquet or JSON files,
        ``file.duckdb::table``, or SQL text, which are read in blocks and never held in memory.
    model : "linear", which None means; "logistic", whose target are labels; "poisson", "gamma", "tweedie", "binomial",
        "gaussian", "inverse_gaussian", "negative_binomial".
    sample_weight : importance weights ≥ 0: (n,) numbers, or the name of a column (always a name where data is
        a file or SQL).
    frequency_weight : whole numbers, how many equal rows each row stands for; given like sample_weight.
    groups : labels of clusters for ``cov_type="cluster"``: (n,) or (n, 2) labels, or the names of one or two
        columns.
    offset, exposure : numbers, of which offset + log(exposure) is added to the linear predictor; given like
        sample_weight. The formula may say ``offset(log(days))`` too.
    missing : "drop" leaves incomplete rows out with a MissingRowsWarning, "error" refuses them, "mean" fills
        numbers.
    alpha, cov_type, params : of the model's class, such as :class:`betahat.LinearRegression` or
        :class:`betahat.LogisticRegression` (maxlags, collinear, firth, ...); with `link`, Poisson and gamma regression
        are :class:`betahat.GeneralizedLinearModel`.

    Returns the fitted estimator: its predict takes tables with the formula's columns, its summary
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
    chosen = model_named("linear" if model is None else model, params.get("link"))
    made_of = chosen.made_of
    _check_names(params, made_of, chosen.parameters)
    estimator = made_of(
        **{**chosen.parameters, "alpha": alpha, "cov_type": cov_type, "missing": missing, **params}
    )
    estimator._check_parameters()
    offsets = {
        name: value for name, value in (("offset", offset), ("exposure", exposure)) if value is not None
    }
    if offsets and made_of.__name__ == "LinearRegression":
        raise TypeError(
            f"{next(iter(offsets))} is for models with a link; in least squares subtract it from the target"
        )
    if isinstance(data, (str, os.PathLike)):
        from betahat.data import query

        source = query(
            data,
            formula=formula,
            weights=_column("sample_weight", sample_weight),
            frequency=_column("frequency_weight", frequency_weight),
            groups=_columns("groups", groups),
            missing=missing,
            labels=chosen.classifies,
            offset=_column("offset", offset),
            exposure=_column("exposure", exposure),
        )
        design: Any = source.design
    else:
        from betahat.data import read_formula

        design, source = read_formula(
            formula, data, sample_weight, frequency_weight, groups, missing, chosen.classifies, **offsets
        )
    estimator.fit_intercept = design.has_intercept
    estimator._describe(source, design)
    estimator._fit_source(source)
    return estimator


def _check_names(params: dict[str, Any], made_of: Any, taken: Any) -> None:
    if "fit_intercept" in params:
        raise TypeError("fit_intercept is said by the formula: '- 1' in it means no intercept")
    known = sorted(set(made_of._get_param_names()) - {"fit_intercept"})
    for name in params:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise TypeError(f"{name} (={params[name]!r}) is not a parameter of {made_of.__name__}; {hint}")
        if name == "family" and name in taken:
            raise TypeError(f"family (={params[name]!r}) is what model says; give one of them")


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
