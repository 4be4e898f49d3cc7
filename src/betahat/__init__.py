"""betahat: β̂ with proof. Least squares and, rung by rung, everything that minimises Σ L(y, f(x, β)) + R(β).

Names are imported when first used, so that `import betahat` is quick.
"""

from __future__ import annotations

from typing import Any

from betahat.names import find

__version__ = "0.1.0"

_WHERE = {
    "ConvNetClassifier": "estimators.convnet_classifier",
    "ConvNetRegressor": "estimators.convnet_regressor",
    "ElasticNet": "estimators.elastic_net",
    "ElasticNetCV": "estimators.elastic_net_cv",
    "Lasso": "estimators.lasso",
    "LassoCV": "estimators.lasso_cv",
    "LinearRegression": "estimators.linear_regression",
    "GammaRegressor": "estimators.gamma_regressor",
    "GeneralizedLinearModel": "estimators.generalized_linear_model",
    "HuberRegressor": "estimators.huber_regressor",
    "LogisticRegression": "estimators.logistic_regression",
    "LogisticRegressionCV": "estimators.logistic_regression_cv",
    "MLPClassifier": "estimators.mlp_classifier",
    "MLPRegressor": "estimators.mlp_regressor",
    "NetworkClassifier": "estimators.network_classifier",
    "NetworkRegressor": "estimators.network_regressor",
    "NonlinearRegression": "estimators.nonlinear_regression",
    "PoissonRegressor": "estimators.poisson_regressor",
    "PolynomialRegression": "estimators.polynomial_regression",
    "Ridge": "estimators.ridge",
    "RidgeCV": "estimators.ridge_cv",
    "TweedieRegressor": "estimators.tweedie_regressor",
    "compare": "inference.compare",
    **dict.fromkeys(("enet_path", "lasso_path"), "estimators.sparse_paths"),
    "fit": "estimators.formula",
    "load": "estimators.storing",
    "least_squares": "solvers.residuals",
    "minimize": "solvers.minimize",
    **dict.fromkeys(
        ("check_gradient", "grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"), "autodiff"
    ),
    "show_versions": "report.versions",
    "CertificateWarning": "errors",
    "CheckpointWarning": "errors",
    "CollinearityError": "errors",
    "CollinearityWarning": "errors",
    "DataError": "errors",
    "DerivativeError": "errors",
    "FormulaError": "errors",
    "InferenceError": "errors",
    "MissingRowsWarning": "errors",
    "MissingValueError": "errors",
    "SeparationError": "errors",
    "SeparationWarning": "errors",
    "StorageError": "errors",
    "UnseenLevelError": "errors",
}
_MODULES = (
    "autodiff",
    "curves",
    "data",
    "errors",
    "inference",
    "kernels",
    "layers",
    "losses",
    "penalties",
    "plots",
    "solvers",
)

__all__ = ["__version__", *_MODULES, *_WHERE]


def __getattr__(name: str) -> Any:
    return find(__name__, {**_WHERE, **dict.fromkeys(_MODULES, "")}, name)


def __dir__() -> list[str]:
    return sorted(__all__)
