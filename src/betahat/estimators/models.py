"""Models by name: what `bh.fit` and the command line call them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple


class Model(NamedTuple):
    """The class of a model and what it is made with.

    classifies : whether its target is of labels. family : what `GeneralizedLinearModel` calls it, which takes its place
    where a link is asked for that the class does not have.
    """

    module: str
    name: str
    parameters: Mapping[str, Any] = {}
    classifies: bool = False
    family: str | None = None

    @property
    def made_of(self) -> Any:
        """The class."""
        return getattr(import_module(f"betahat.estimators.{self.module}"), self.name)


_GLM = ("generalized_linear_model", "GeneralizedLinearModel")
MODELS: dict[str, Model] = {
    "linear": Model("linear_regression", "LinearRegression"),
    "logistic": Model("logistic_regression", "LogisticRegression", classifies=True),
    "poisson": Model("poisson_regressor", "PoissonRegressor", family="poisson"),
    "gamma": Model("gamma_regressor", "GammaRegressor", family="gamma"),
    "tweedie": Model("tweedie_regressor", "TweedieRegressor", {"power": 1.5}),
    "binomial": Model(*_GLM, {"family": "binomial"}),
    "gaussian": Model(*_GLM, {"family": "gaussian"}),
    "inverse_gaussian": Model(*_GLM, {"family": "inverse_gaussian"}),
    "negative_binomial": Model(*_GLM, {"family": "negative_binomial"}),
}
"""Names of models; the binomial one is for proportions, with trials as weights."""


def model_named(name: Any, link: Any = None) -> Model:
    """The model of a name, with a link where one is asked for.

    Raises ValueError for another name, TypeError for what is no text.

    >>> model_named("poisson").name, model_named("poisson", link="sqrt").name
    ('PoissonRegressor', 'GeneralizedLinearModel')
    """
    if not isinstance(name, str):
        raise TypeError(f"model (={name!r}) must be one of {', '.join(map(repr, MODELS))}")
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"model (={name!r}) must be one of {', '.join(map(repr, MODELS))}{hint}")
    found = MODELS[name]
    if link is not None and found.family is not None:
        return Model(*_GLM, {"family": found.family})
    return found
