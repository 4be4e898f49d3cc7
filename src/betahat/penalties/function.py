"""Any function of β as a penalty, its derivatives found by autodiff; and sums of penalties."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.autodiff import check_gradient, grad, hessian, hvp, value_and_grad
from betahat.autodiff.naming import qualified_name
from betahat.errors import DerivativeError
from betahat.penalties.base import Penalty
from betahat.penalties.quadratic import NoPenalty


@final
@dataclass(frozen=True)
class FunctionPenalty(Penalty):
    """R(β) = `function(β)`, one number from the array of slopes, in plain NumPy.

    ∂R/∂β is found by reverse mode, ∂²R/∂β² by forward over reverse. convex : whether you know that R is.

    >>> import numpy as np
    >>> R = FunctionPenalty(lambda beta: np.sum(np.log1p(beta**2)))
    >>> R.gradient(np.array([1.0, 0.0]))
    array([1., 0.])
    """

    function: Callable[[np.ndarray], Any]
    convex: bool = False

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"function (={self.function!r}) must be a function of β in plain NumPy")

    @property
    def name(self) -> str:
        """module.name of the function."""
        return qualified_name(self.function)

    @property
    def formula(self) -> str:
        return f"{getattr(self.function, '__name__', 'R')}(β)"

    def __repr__(self) -> str:
        return self.name if not self.convex else f"FunctionPenalty({self.name}, convex=True)"

    def value(self, beta: np.ndarray) -> float:
        value = self.function(beta)
        if np.size(value) != 1:
            raise ValueError(
                f"the penalty {self.name} gives shape {np.shape(value)} for slopes of shape {np.shape(beta)}; it must "
                "give one number: sum it (np.sum)"
            )
        return float(np.reshape(value, ()))

    def gradient(self, beta: np.ndarray) -> np.ndarray:
        return np.asarray(value_and_grad(self.function)(beta)[1], np.float64)

    def hessian(self, beta: np.ndarray) -> np.ndarray:
        H = np.asarray(hessian(self.function)(beta), np.float64)
        return (H + H.T) / 2

    def product(self, beta: np.ndarray, v: np.ndarray) -> np.ndarray:
        """∂²R/∂β²·v (p,)."""
        return np.asarray(hvp(self.function, beta, v), np.float64)

    def check(self, beta: np.ndarray) -> None:
        """That R is one finite number at β (p,), with derivatives that agree with difference quotients nearby.

        Raises ValueError or DerivativeError.
        """
        value = self.value(beta)
        if not np.isfinite(value):
            raise ValueError(
                f"the penalty {self.name} is {value:g} at the least-squares coefficients, where the descent begins; "
                "usual causes: a logarithm or root of a negative number, or a division by zero"
            )
        unit = float(np.abs(beta).max(initial=0)) or 1.0
        size = abs(value) or 1.0
        near = beta / unit + 1e-3  # off zero, where kinks tend to lie
        some = np.linspace(0, len(beta) - 1, min(len(beta), 3)).astype(np.intp)

        def along(x: Any) -> Any:
            return self.function(_placed(near, some, x) * unit) / size

        def slope(x: Any) -> np.ndarray:
            return np.asarray(grad(self.function)(_placed(near, some, x) * unit))[some] * (unit / size)

        with np.errstate(all="ignore"):
            found = check_gradient(along, near[some], gradient=slope, tolerance=1e-4)
        if not found and np.isfinite(found.difference_quotient):
            raise DerivativeError(
                f"the derivative of the penalty {self.name} disagrees with difference quotients: {found}. Usual "
                "causes: a kink (|β|, max) near the least-squares coefficients, or a rule with a wrong derivative"
            )


def _placed(beta: np.ndarray, some: np.ndarray, values: Any) -> np.ndarray:
    moved = beta.copy()
    moved[some] = values
    return moved


@final
@dataclass(frozen=True)
class Sum(Penalty):
    """R(β) = Σ Rₖ(β)."""

    parts: tuple[Penalty, ...]

    @property
    def convex(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return all(part.convex for part in self.parts)

    @property
    def formula(self) -> str:
        return " + ".join(part.formula for part in self.parts if part.formula)

    def value(self, beta: np.ndarray) -> float:
        return sum(part.value(beta) for part in self.parts)

    def gradient(self, beta: np.ndarray) -> np.ndarray:
        return np.sum([part.gradient(beta) for part in self.parts], axis=0)

    def hessian(self, beta: np.ndarray) -> np.ndarray:
        return np.sum([part.hessian(beta) for part in self.parts], axis=0)

    def check(self, beta: np.ndarray) -> None:
        for part in self.parts:
            part.check(beta)


def as_penalty(penalty: Any) -> Penalty:
    """The penalty that None, a :class:`betahat.penalties.Penalty` or a function of β stands for.

    Raises TypeError for anything else.

    >>> import numpy as np
    >>> as_penalty(lambda beta: np.sum(beta**4)).value(np.array([1.0, 2.0]))
    17.0
    """
    if penalty is None:
        return NoPenalty()
    if isinstance(penalty, Penalty):
        return penalty
    if isinstance(penalty, type) or not callable(penalty):
        raise TypeError(
            f"penalty (={penalty!r}) must be None, a penalty such as betahat.penalties.L2(0.1), or a function of β "
            "that gives one number; the weight of the ridge is `alpha`"
        )
    return FunctionPenalty(penalty)
