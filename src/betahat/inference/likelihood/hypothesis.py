"""Hypotheses about the coefficients of several classes: which class is meant, or that all are."""

from __future__ import annotations

from typing import Any

import numpy as np

from betahat.errors import InferenceError
from betahat.inference.hypothesis import Hypothesis, as_texts, check_independent, from_text, read_hypothesis
from betahat.inference.likelihood.statistics import LikelihoodStatistics


def read_likelihood_hypothesis(hypothesis: Any, s: LikelihoodStatistics) -> Hypothesis:
    """Rβ = r about all t·m coefficients, in the order of `s.parameter_names`.

    With one target, names are `s.names` and arrays (q, m). In a multinomial model "b:x1" is the coefficient of x1 for
    class b against the reference (that of the reference class is 0), and a bare "x1" says the same of every class:
    "x1 = 0" is K − 1 hypotheses, "b:x1 = c:x1" one. A name that begins with a digit stands in backquotes. Arrays are
    (q, t·m), or (q, m) for every class.

    Raises as :func:`betahat.inference.hypothesis.read_hypothesis`.
    """
    t, m = s.estimate.shape
    texts = as_texts(hypothesis)
    if t == 1:
        return read_hypothesis(hypothesis, s.names)
    if texts is not None:
        # The reference class's coefficients are zero: its columns are known, and dropped.
        reference = tuple(f"{name}:{each}" for name in s.classes[:1] for each in s.names)
        parsed = from_text(texts, (*s.parameter_names, *s.names, *reference))
        read = _for_targets(parsed, s, parsed.matrix[:, : t * m], parsed.matrix[:, t * m : t * m + m])
        check_independent(read)
        return read
    if np.shape(hypothesis[0] if isinstance(hypothesis, tuple) else hypothesis)[-1:] == (m,):
        each = read_hypothesis(hypothesis, s.names)
        return _for_targets(each, s, np.zeros((len(each.matrix), t * m)), each.matrix)
    return read_hypothesis(hypothesis, s.parameter_names)


def refuse_infinite(read: Hypothesis, s: LikelihoodStatistics) -> None:
    """InferenceError where a hypothesis is about a coefficient whose estimate is infinite."""
    barred = (read.matrix != 0) & s.infinite.ravel()
    if barred.any():
        k, j = np.argwhere(barred)[0]
        raise InferenceError(
            f"the hypothesis {read.labels[k]!r} cannot be tested by its estimates: that of {s.parameter_names[j]!r} is "
            "infinite (separation), and no standard error describes it. Use a likelihood-ratio test, firth=True or "
            "alpha > 0"
        )


def _for_targets(
    parsed: Hypothesis, s: LikelihoodStatistics, own: np.ndarray, every: np.ndarray
) -> Hypothesis:
    """Rows `own` (q, t·m) + `every` (q, m) in each target; a row without the latter stands once."""
    t = len(s.target_names)
    labels: list[str] = []
    rows: list[np.ndarray] = []
    values: list[float] = []
    for label, mine, shared, value in zip(parsed.labels, own, every, parsed.value, strict=True):
        for k in range(t if shared.any() else 1):
            labels.append(f"{s.target_names[k]}: {label}" if shared.any() else label)
            rows.append(mine + np.kron(np.arange(t) == k, shared))
            values.append(float(value))
    return Hypothesis(tuple(labels), np.array(rows), np.array(values))
