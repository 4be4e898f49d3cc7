"""Comparison of two nested fits of the same rows: does the larger one fit better than chance lets it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, final

import numpy as np

from betahat.errors import InferenceError
from betahat.inference.joint_test import JointTest
from betahat.inference.layout import Page, json_number
from betahat.inference.likelihood import LikelihoodInference
from betahat.inference.results import Inference
from betahat.inference.text import cell, number

_SAME = 1e-9
_HEADS = {
    "parameters": "parameters",
    "df_resid": "residual df",
    "log_likelihood": "log-likelihood",
    "aic": "AIC",
}


@final
class Comparison(Page):
    """What :func:`compare` returns: the two fits side by side and the test of the smaller against the larger.

    test : the test. statistic, p_value, df_num, df_denom : its numbers; df_denom is infinite for χ².
    names : the coefficients that the larger model has and the smaller one has not.
    columns : (2,) arrays by name, the smaller model first: parameters, df_resid, deviance (rss of a linear regression),
        log_likelihood, aic.
    """

    def __init__(
        self,
        test: JointTest,
        names: tuple[str, ...],
        columns: Mapping[str, np.ndarray],
        notes: tuple[str, ...],
    ) -> None:
        self.test, self.names, self.notes, self.columns = test, names, notes, dict(columns)
        self.title = test.kind

    @property
    def statistic(self) -> float:
        """χ², or F."""
        return self.test.statistic

    @property
    def p_value(self) -> float:
        """The probability of a statistic as large if the smaller model is true."""
        return self.test.p_value

    @property
    def df_num(self) -> int:
        """How many free coefficients the larger model has more."""
        return self.test.df_num

    @property
    def df_denom(self) -> float:
        """Residual degrees of freedom of the larger model for F, infinite for χ²."""
        return self.test.df_denom

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON can hold it; None where a number is undefined or infinite."""
        models = [{key: json_number(values[k]) for key, values in self.columns.items()} for k in range(2)]
        return {**self.test.to_dict(), "names": list(self.names), "models": models, "notes": list(self.notes)}

    def _data(self) -> dict[str, Any]:
        return {"model": ["smaller", "larger"], **self.columns}

    def _notes(self) -> list[str]:
        shown = ", ".join(cell(name) for name in self.names)
        return [f"Without {shown}: {self.test.result}", *self.notes]

    def _parts(self, shorten: bool) -> list[dict[str, Any]]:
        rows = [
            [name, *(number(values[k]) for values in self.columns.values())]
            for k, name in enumerate(("smaller", "larger"))
        ]
        heads = ["model", *(_HEADS.get(key, key) for key in self.columns)]
        return [{"header": [], "columns": heads, "rows": rows}]


def compare(m1: Any, m2: Any) -> Comparison:
    """Test the smaller of two nested models against the larger, in either order.

    Linear regressions: F = ((RSS₁ − RSS₂)/q) / (RSS₂/df₂). Likelihood models: χ² = D₁ − D₂ = 2(ℓ₂ − ℓ₁) with q degrees
    of freedom, or where the dispersion is estimated (Gamma, Gaussian, ...) F = ((D₁ − D₂)/q)/φ̂₂ with (q, df₂); q is
    the difference of the numbers of free coefficients.

    m1, m2 : fitted estimators (or their `inference_`) of the same rows, response, weights and offset, both without a
        penalty and with cov_type="nonrobust". That they are nested is judged by name: every coefficient of the smaller
        is one of the larger.

    Raises InferenceError, saying why, for fits that cannot be compared so; TypeError for what is no fitted model.
    Source: Wilks (1938); McCullagh & Nelder (1989).

    >>> import betahat as bh
    >>> X = np.array([[1.0, 2], [2, 1], [3, 5], [4, 3], [5, 6], [6, 4]])
    >>> y = np.array([1.0, 2.5, 2.7, 4.4, 4.6, 6.5])
    >>> print(bh.compare(bh.LinearRegression().fit(X[:, :1], y), bh.LinearRegression().fit(X, y)))
    F test
    --------------------------------------------------------------------
    model    parameters  residual df        rss  log-likelihood      AIC
    --------------------------------------------------------------------
    smaller           2            4   0.824762        -2.56037  9.12074
    larger            3            3  0.0281897         7.56805  -9.1361
    --------------------------------------------------------------------
    Without x2: F(1, 3) = 84.7728, p = 0.0027
    """
    first, second = _inference(m1, "m1"), _inference(m2, "m2")
    for inference in (first, second):
        _check(inference)
    if isinstance(first, Inference) and isinstance(second, Inference):
        _same_numbers(_linear_fingerprint(first, second), _linear_fingerprint(second, first))
        small, large = _nested(first, second)
        return _linear(small, large)
    if isinstance(first, LikelihoodInference) and isinstance(second, LikelihoodInference):
        for what in ("family", "link", "classes", "target_names"):
            one, other = getattr(first.statistics, what), getattr(second.statistics, what)
            if one != other:
                _refuse(f"their {what.replace('_', ' ')} differs, {one!r} and {other!r}")
        _same_numbers(_fingerprint(first), _fingerprint(second))
        small, large = _nested(first, second)
        return _likelihood(small, large)
    _refuse("one is a least-squares regression and the other a likelihood model; fit both as the same kind")


def _refuse(why: str) -> NoReturn:
    raise InferenceError(f"the models cannot be compared: {why}")


def _inference(model: Any, name: str) -> Inference | LikelihoodInference:
    found = model
    if not isinstance(model, (Inference, LikelihoodInference)) and hasattr(type(model), "inference_"):
        found = model.inference_
    if not isinstance(found, (Inference, LikelihoodInference)):
        raise TypeError(
            f"{name} (={model!r}) must be a fitted linear or likelihood model with an `inference_`"
        )
    return found


def _check(inference: Inference | LikelihoodInference) -> None:
    s = inference.statistics
    if s.penalised:
        _refuse("a penalised fit maximises no likelihood, so a ratio of likelihoods has no known distribution; fit "
                "both without a penalty (alpha=0), or compare them by cross-validation")  # fmt: skip
    if s.cov_type != "nonrobust":
        _refuse(
            f"a ratio of likelihoods assumes the model's own variance, and cov_type={s.cov_type!r} was asked for "
            "because that is in doubt; test the coefficients of the larger model with "
            'inference_.test("x1 = 0, x2 = 0"), which uses the robust covariance'
        )
    if isinstance(inference, LikelihoodInference):
        if inference.statistics.bias_reduced:
            _refuse(
                "firth=True maximises another likelihood in each model; use inference_.test(...) of the larger"
            )
        return
    linear = inference.statistics
    if linear.nonlinear:
        _refuse("whether nonlinear models are nested cannot be told from the names of their parameters")
    if not linear.gaussian:
        _refuse("a loss other than squared error was minimised, whose sums of squares have no F distribution")
    if len(linear.target_names) != 1:
        _refuse(f"they have {len(linear.target_names)} targets; fit and compare one at a time")


def _linear_fingerprint(inference: Inference, other: Inference) -> dict[str, float]:
    s = inference.statistics
    found = {"number of rows": s.n_obs, "Σ log weight": s.sum_log_weight}
    if s.has_intercept == other.statistics.has_intercept:
        found["total sum of squares"] = float(s.total_ss[0])
    return found


def _fingerprint(inference: LikelihoodInference) -> dict[str, float]:
    s = inference.statistics
    return {"n_obs": s.n_obs, "weight": s.weight, **s.fingerprint}


def _same_numbers(one: Mapping[str, float], other: Mapping[str, float]) -> None:
    """InferenceError if sums that identify rows and response differ beyond rounding."""
    if one.keys() != other.keys():
        odd = ", ".join(sorted(one.keys() ^ other.keys()))
        _refuse(f"only one of them tells of its rows by {odd}; fit both with this version of betahat")
    # A sum of signed terms is compared in units of what was summed.
    signed = np.sqrt(abs(one.get("w", 0.0) * one.get("wyy", 0.0)))
    for key, value in one.items():
        size = max(abs(value), abs(other[key]), signed if key == "wy" else 0.0)
        if not abs(value - other[key]) <= _SAME * size:
            _refuse(
                f"they were fitted to different rows, responses, weights or offsets ({key} is {number(value)} in one "
                f"and {number(other[key])} in the other); rows with missing values that only one of them leaves out "
                "are the usual cause"
            )


def _nested(first: Any, second: Any) -> tuple[Any, Any]:
    """The smaller and the larger of two inferences."""
    one, other = set(first.names), set(second.names)
    if one == other:
        _refuse("both have the same coefficients")
    if not (one < other or other < one):
        only = [", ".join(sorted(a - b)[:5]) for a, b in ((one, other), (other, one))]
        _refuse(
            f"neither holds all coefficients of the other by name (only one has {only[0]}, only the other {only[1]}), "
            "and whether their columns span nested spaces cannot be seen without the rows. Compare by aic or bic, or "
            "name the columns alike"
        )
    small, large = (first, second) if one < other else (second, first)
    if not small.rank < large.rank:
        _refuse(
            "the additional columns of the larger model depend linearly on the others, so both say the same "
            f"(rank {small.rank} and {large.rank})"
        )
    return small, large


def _gain(small: float, large: float, what: str) -> float:
    """How much smaller the larger model's sum is; that it is larger shows that they are not nested."""
    if large - small > _SAME * abs(small):
        _refuse(
            f"the larger model fits worse ({what} {number(large)} against {number(small)}), so its columns cannot hold "
            "those of the smaller, whatever their names say, or one of the fits has not converged"
        )
    return max(small - large, 0.0)


def _test(
    kind: str, statistic: float, small: Any, large: Any, df: float
) -> tuple[JointTest, tuple[str, ...]]:
    names = tuple(name for name in large.names if name not in set(small.names))
    q = (large.rank - small.rank) * len(large.target_names)
    return JointTest(kind, statistic, q, df, tuple(f"{name} = 0" for name in names)), names


def _linear(small: Inference, large: Inference) -> Comparison:
    rss = np.array([float(each.statistics.residual_ss[0]) for each in (small, large)])
    df = float(large.df_resid)
    if not df > 0:
        _refuse("the larger model has no residual degrees of freedom")
    gain = _gain(rss[0], rss[1], "RSS") / (large.rank - small.rank)
    with np.errstate(divide="ignore", invalid="ignore"):
        F = float(np.float64(gain) / (rss[1] / df))
    return Comparison(*_test("F test", F, small, large, df), _columns(small, large, "rss", rss), ())


def _likelihood(small: LikelihoodInference, large: LikelihoodInference) -> Comparison:
    deviance = np.array([small.deviance, large.deviance])
    gain = _gain(small.deviance, large.deviance, "deviance")
    s = large.statistics
    notes = ()
    if s.infinite.any() or small.statistics.infinite.any():
        notes = ("With infinite estimates (separation) the χ² distribution is only a rough approximation.",)
    if s.dispersion_known:
        kind, df = "Likelihood-ratio test", np.inf
    else:
        kind, df = "F test of deviances", s.df_resid
        if not df > 0:
            _refuse("the larger model has no residual degrees of freedom")
        gain /= s.dispersion * (large.rank - small.rank)
    columns = _columns(small, large, "deviance", deviance)
    return Comparison(*_test(kind, gain, small, large, df), columns, notes)


def _columns(small: Any, large: Any, name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    both = (small, large)
    return {
        "parameters": np.array([float(each.rank * len(each.target_names)) for each in both]),
        "df_resid": np.array([float(each.df_resid) for each in both]),
        name: values,
        "log_likelihood": np.array([float(each.log_likelihood) for each in both]),
        "aic": np.array([float(each.aic) for each in both]),
    }
