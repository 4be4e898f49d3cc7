"""The stored form of models whose penalty was chosen by cross-validation: a linear model's, and what was tried."""

from __future__ import annotations

from typing import Any

from betahat.errors import StorageError
from betahat.estimators import storing_linear
from betahat.storage import Fields

_ARRAYS = ("alphas_", "mse_path_", "cv_results_")
_NUMBERS = ("alpha_", "l1_ratio_", "best_score_")


def to_dict(estimator: Any) -> dict[str, Any]:
    """Everything fitted; no rows."""
    chosen = {name: getattr(estimator, name) for name in (*_ARRAYS, *_NUMBERS) if hasattr(estimator, name)}
    return {**storing_linear.to_dict(estimator), "chosen": chosen}


def restore(estimator: Any, model: Fields) -> None:
    """Put what `to_dict` told into an estimator; raises where it does not fit together."""
    chosen = model.inner("chosen")
    if set(chosen.values) - {*_ARRAYS, *_NUMBERS} or "alpha_" not in chosen.values:
        raise StorageError(f"`{chosen.where}` holds {sorted(chosen.values)}")
    for name in chosen.values:
        if name in _NUMBERS:
            setattr(estimator, name, chosen.number(name, finite=True))
            continue
        axes = getattr(chosen.raw(name), "ndim", 0)
        setattr(estimator, name, chosen.array(name, (None,) * axes))
    storing_linear.restore(estimator, model)
