"""What can be asked of a fitted likelihood with its rows at hand: tests by refitting, scores, profiles, effects."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from betahat.data.missing import unmasked
from betahat.data.passes import dense
from betahat.data.source import Source
from betahat.errors import DataError, InferenceError
from betahat.estimators.inputs import check_weight, numbers
from betahat.estimators.likelihood_base import BaseLikelihood
from betahat.losses.family import Family

if TYPE_CHECKING:
    from betahat.inference.joint_test import JointTest
    from betahat.inference.likelihood.margins import MarginalEffects


class QuestionedLikelihood(BaseLikelihood):
    """Abstract: a likelihood that takes its rows again to answer what coefficients and covariance cannot."""

    @abstractmethod
    def _single_family(self) -> Family | None:
        """The family of the one linear predictor, None where there are several."""

    def likelihood_ratio_test(self, hypothesis: Any, X: Any, y: Any = None, **given: Any) -> JointTest:
        """The likelihood-ratio test of a linear hypothesis about the coefficients, by a fit under it.

        hypothesis : "x1 = x2, x3 = 0", a sequence of such strings, a matrix R (Rβ = 0) or a tuple (R, r). X, y, and by
        name sample_weight, frequency_weight, offset, exposure : the rows of the fit, which the model did not keep.
        2 (ℓ̂ − ℓ₀) is against χ²; where the dispersion φ is estimated, the difference of deviances over q φ̂ against F.

        Raises DataError for other rows, InferenceError for penalised fits and more than one linear predictor.

        >>> import numpy as np, betahat as bh
        >>> X, y = np.array([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]]), [0, 0, 1, 0, 1, 1]
        >>> print(bh.LogisticRegression().fit(X, y).likelihood_ratio_test("x1 = 0", X, y))
        Likelihood-ratio test of x1 = 0: χ²(1) = 3.36179, p = 0.0667
        """
        from betahat.estimators.likelihood_tests import ratio_test

        family, source, other = self._again(X, y, given, "likelihood_ratio_test")
        s = self.inference_.statistics
        return ratio_test(source, family, other._settings(s.has_intercept, s.classes), s, hypothesis)

    def score_test(
        self, columns: Any, X: Any, y: Any = None, *, names: Any = None, **given: Any
    ) -> JointTest:
        """Rao's score (Lagrange multiplier) test that new columns belong into the model, without fitting them.

        columns : (n, q) numbers, array or table; names : q names of them; X, y and weights as in
        `likelihood_ratio_test`.

        Raises DataError for other rows, InferenceError where a new column depends linearly on the others.
        """
        from betahat.estimators.likelihood_tests import scores

        family, source, _ = self._again(X, y, given, "score_test")
        found = getattr(columns, "columns", None) if names is None else names
        try:
            given_ = np.asarray(unmasked(columns))
            new = numbers(given_ if given_.dtype.kind != "O" else given_.astype(np.float64), "columns")
        except (TypeError, ValueError) as error:
            raise TypeError(f"columns must hold numbers, one for each row of X; {error}") from error
        new = new.astype(np.float64)
        new = new[:, None] if new.ndim == 1 else new
        n = source.n_rows
        if (
            new.ndim != 2
            or not new.shape[1]
            or (n is not None and len(new) != n)
            or not np.isfinite(new).all()
        ):
            raise DataError(
                f"columns has shape {np.shape(columns)}; expected finite numbers, one row for each of the {n} rows of "
                "X, in a column or more"
            )
        new /= np.maximum(
            np.abs(new).max(axis=0, initial=0.0), np.finfo(np.float64).tiny
        )  # the test knows no units
        labels = (
            [f"new{k + 1}" for k in range(new.shape[1])] if found is None else [str(each) for each in found]
        )
        if len(labels) != new.shape[1]:
            raise ValueError(f"names has {len(labels)} entries, and columns {new.shape[1]}")
        result = self._result
        s = self.inference_.statistics
        return scores(source, family, s, result.coef[0], float(result.intercept[0]), new, labels)

    def profile_interval(
        self, X: Any, y: Any = None, *, level: float = 0.95, parameters: Any = None, **given: Any
    ) -> np.ndarray:
        """Profile-likelihood intervals (m, 2) of the coefficients, or a row for each of `parameters`.

        The values b of a coefficient for which twice the log-likelihood, maximised over all others, is within the
        quantile of χ² of its maximum (Venzon & Moolgavkar 1988); with firth=True of the penalised one (Heinze and
        Schemper 2002). An end is infinite where it never falls so far: on one side of an infinite estimate. X, y and
        weights as in `likelihood_ratio_test`.

        >>> import numpy as np, betahat as bh
        >>> X, y = np.array([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]]), [0, 0, 1, 0, 1, 1]
        >>> bh.LogisticRegression().fit(X, y).profile_interval(X, y, parameters="x1").round(4)
        array([[-0.0658,  4.1592]])
        """
        from betahat.estimators.firth_fit import firth_profiles
        from betahat.estimators.likelihood_tests import check_same, profiles

        family, source, other = self._again(X, y, given, "profile_interval")
        inference = self.inference_
        s = inference.statistics
        names = list(s.names) if parameters is None else parameters
        names = [names] if isinstance(names, str) else names
        if not isinstance(names, Sequence):
            raise TypeError(
                f"parameters (={names!r}) must be a name, or a list of names; there are {list(s.names)}"
            )
        unknown = [name for name in names if name not in s.names]
        if unknown:
            raise ValueError(f"parameters names {unknown[0]!r}; there are {', '.join(s.names)}")
        places = [s.names.index(name) for name in names]
        settings = other._settings(s.has_intercept, s.classes)
        errors = np.ravel(inference.std_err)
        if s.bias_reduced:
            check_same(source, family, s)
            found = firth_profiles(source, settings, s.estimate[0], errors, places, level)
        else:
            found = profiles(source, family, settings, s, errors, places, level)
        return np.array([[each.low, each.high] for each in found])

    def marginal_effects(
        self,
        X: Any,
        sample_weight: Any = None,
        *,
        at: str = "overall",
        offset: Any = None,
        exposure: Any = None,
    ) -> MarginalEffects:
        """Marginal effects on the mean, or on the classes' probabilities, averaged over the rows given.

        Of a column, the mean of ∂μ/∂xⱼ = h'(η) βⱼ; of a dummy of a category, of the change of μ when it is switched on;
        with standard errors by the delta method. at : "overall", or "mean" for the effects at the mean of the columns.

        >>> import numpy as np, betahat as bh
        >>> X, y = np.array([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]]), [0, 0, 1, 0, 1, 1]
        >>> bh.LogisticRegression().fit(X, y).marginal_effects(X).effect.round(4)
        array([0.1586])
        """
        from betahat.inference.likelihood.margins import marginal_effects
        from betahat.losses.choose_family import as_link

        check_is_fitted(self, "_result")
        family = self._single_family()
        matrix = self._matrix(X)
        matrix = dense(matrix)
        added = self._offset_of(X, offset, exposure, len(matrix))
        weight = check_weight("sample_weight", sample_weight, len(matrix))
        mean = None if family is None else as_link(family.link).mean
        return marginal_effects(self.inference_, mean, [(matrix, weight, added)], at=at)

    def _again(self, X: Any, y: Any, given: dict[str, Any], method: str) -> tuple[Family, Source, Any]:
        """The family, the rows, and an estimator that has read them as this one did."""
        check_is_fitted(self, "_result")
        known = ("sample_weight", "frequency_weight", "offset", "exposure")
        for name in given:
            if name not in known:
                raise TypeError(f"{method} got {name!r}; known are {', '.join(known)}")
        family = self._single_family()
        if family is None:
            raise InferenceError(
                f"{method} is for models with one linear predictor; use inference_.test (Wald), or betahat.compare of "
                "nested fits"
            )
        other: Any = clone(self)
        if self.design_ is not None and self.design_.kind == "formula" and not isinstance(X, Source):
            source = self._formula_rows(X, y, given)
        else:
            source = other._read(X, y, **given)
        return family, self._weighted(source), other

    def _formula_rows(self, X: Any, y: Any, given: dict[str, Any]) -> Source:
        from betahat.data import read_formula

        if y is not None:
            raise ValueError("y is in the table that the formula speaks of; give the table alone")
        return read_formula(
            self.design_.formula, X, missing="drop", labels=hasattr(self, "classes_"), **given
        )[1]

    def _weighted(self, source: Source) -> Source:
        """The source with the weights that the estimator itself adds."""
        return source
