"""scikit-learn's own checks of what an estimator is, nothing expected to fail."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from betahat import (
    ConvNetClassifier,
    ConvNetRegressor,
    DataError,
    ElasticNet,
    ElasticNetCV,
    GammaRegressor,
    GeneralizedLinearModel,
    Lasso,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    NetworkRegressor,
    NonlinearRegression,
    PoissonRegressor,
    PolynomialRegression,
    Ridge,
    RidgeCV,
    TweedieRegressor,
)
from betahat.layers import Dense, Tanh

pytestmark = pytest.mark.filterwarnings(
    # the checks fit rows that repeat or are too few, and say so themselves where an array backend is absent
    "ignore::betahat.CollinearityWarning",
    "ignore::betahat.CertificateWarning",
    "ignore::betahat.SeparationWarning",
    "ignore::betahat.MissingRowsWarning",
    "ignore::sklearn.exceptions.SkipTestWarning",
)


class Named:
    """A function that says its name instead of its address, so that tests are called the same in every process."""

    def __repr__(self):
        return type(self).__name__


class Quartic(Named):
    def __call__(self, beta):
        return 0.001 * np.sum(beta**4)


class Plane(Named):
    def __call__(self, X, beta):
        return beta[0] + X @ beta[1:]


class Zeros(Named):
    def __call__(self, X, y):
        return np.zeros(1 + X.shape[1])


@parametrize_with_checks(
    [
        LinearRegression(),
        LinearRegression(fit_intercept=False),
        LinearRegression(alpha=0.5),
        LinearRegression(cov_type="HC3", collinear="drop"),
        LinearRegression(missing="drop"),
        LinearRegression(solver="lbfgs"),
        LinearRegression(solver="gradient_descent", max_iter=50_000, tol=1e-4),
        LinearRegression(solver="nesterov", alpha=0.1),
        LinearRegression(solver="sgd", alpha=0.1),
        LinearRegression(loss="huber", alpha=0.01),
        LinearRegression(loss="pseudo_huber", penalty=Quartic(), collinear="drop"),
        LinearRegression(alpha=0.1, l1_ratio=0.5),
        LinearRegression(alpha=0.1, l1_ratio=1.0, loss="huber"),
        Lasso(),
        Lasso(0.01, fit_intercept=False),
        Lasso(0.1, positive=True, warm_start=True),
        ElasticNet(),
        ElasticNet(0.1, l1_ratio=0.0),
        LassoCV(alphas=5, cv=2),
        ElasticNetCV(alphas=5, cv=2, l1_ratio=[0.5, 1.0]),
        RidgeCV(),
        RidgeCV(cv=2),
        Ridge(),
        Ridge(alpha=0.0),
        Ridge(alpha=3.0, fit_intercept=False),
        PolynomialRegression(),
        PolynomialRegression(degree=1, cov_type="HC1"),
        PolynomialRegression(degree=3, fit_intercept=False),
        PolynomialRegression(degree=2, interaction_only=True),
        LogisticRegression(),
        LogisticRegression(alpha=0.1, class_weight="balanced"),
        LogisticRegression(C=1.0, solver="newton_cg"),
        LogisticRegression(alpha=0.1, solver="lbfgs", cov_type="HC1"),
        LogisticRegression(alpha=0.1, solver="gradient_descent", max_iter=50_000, tol=1e-4),
        LogisticRegression(missing="drop", collinear="drop", warm_start=True),
        GeneralizedLinearModel(),
        GeneralizedLinearModel("poisson", alpha=0.1),
        GeneralizedLinearModel("inverse_gaussian", "inverse_squared", information="observed"),
        GeneralizedLinearModel("negative_binomial", collinear="drop"),
        PoissonRegressor(),
        PoissonRegressor(alpha=0.1, solver="lbfgs"),
        GammaRegressor(),
        TweedieRegressor(),
        TweedieRegressor(power=1.5, cov_type="HC1"),
        NonlinearRegression(Plane(), Zeros()),
        NonlinearRegression(Plane(), Zeros(), cov_type="HC3"),
        MLPClassifier(),
        MLPClassifier((20, 10), "tanh", solver="nesterov", learning_rate_init=0.1, standardize=False),
        MLPClassifier(layer_norm=True, activation="gelu", learning_rate_init=0.005),
        MLPRegressor(),
        MLPRegressor("huber", solver="rmsprop", learning_rate_init=0.005),
        MLPRegressor(solver="lbfgs"),
        NetworkClassifier([Dense(20), Tanh(), Dense(1)], learning_rate_init=0.01),
        NetworkRegressor([Dense(20), Tanh(), Dense(1)], learning_rate_init=0.01),
        ConvNetClassifier(),
        ConvNetRegressor(),
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


NOT_COLLINEAR = ("check_sample_weight_equivalence", "check_classifiers_one_label_sample_weights")


@parametrize_with_checks([LogisticRegression(firth=True), LogisticRegression(fit_intercept=False)])
def test_scikit_learns_checks_of_what_is_defined(estimator, check):
    """Bias reduction needs columns that are not collinear, and some checks have more columns than rows; without an
    intercept no weight of a class makes every prediction that class, which scikit-learn's own fails too."""
    name = check.func.__name__
    if estimator.firth and name.startswith(NOT_COLLINEAR):
        with pytest.raises((DataError, AssertionError)):
            check(estimator)
    elif not estimator.fit_intercept and name == "check_class_weight_classifiers":
        with pytest.raises(AssertionError):
            check(estimator)
    else:
        check(estimator)
