"""Every output a weighted sum of every input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from betahat.layers import checks
from betahat.layers.base import Arrays, Layer, Parameter, Pass, Shape, total
from betahat.layers.initialisation import as_initialisation


@final
@dataclass(frozen=True, repr=False)
class Dense(Layer):
    """f = x W + b, with x (n, inputs), W (inputs, units) and b (units,): scikit-learn's `coefs_` and `intercepts_`.

    With slope s = ∂J/∂f (n, units):  ∂J/∂x = s Wᵀ,  ∂J/∂W = xᵀ s,  ∂J/∂b = Σ over rows of s.

    units : outputs. bias : whether b is there; it begins at 0. initialisation : of W, a name or an array (inputs,
    units); "auto" takes what suits the activation that follows: He's for those like ReLU, Glorot's for tanh, sigmoid,
    softmax and none.

    Raises ValueError for rows of more than one axis; put `Flatten()` before it.

    >>> import numpy as np
    >>> from betahat.layers import Dense, Pass
    >>> W, b = np.array([[1.0], [2.0]]), np.array([10.0])
    >>> Dense(1).forward(np.array([[3.0, 4.0]]), (W, b), Pass())[0]
    array([[21.]])
    """

    units: int
    bias: bool = True
    initialisation: Any = "auto"

    preferred = "glorot_uniform"

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", checks.whole(self.units, "units of Dense"))
        checks.flag(self.bias, "bias of Dense")
        object.__setattr__(
            self, "initialisation", as_initialisation(self.initialisation, "initialisation of Dense")
        )

    @property
    def formula(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return "f = x W + b" if self.bias else "f = x W"

    def parameters(self, shape: Shape) -> tuple[Parameter, ...]:
        inputs = checks.one_axis(self, shape)
        weight = Parameter(
            "weight", (inputs, self.units), self.initialisation, inputs, self.units, penalised=True
        )
        return (weight, Parameter("bias", (self.units,))) if self.bias else (weight,)

    def output_shape(self, shape: Shape) -> Shape:
        checks.one_axis(self, shape)
        return (self.units,)

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        f = x @ parameters[0]
        return (f + parameters[1] if self.bias else f), x

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        weight = saved.T @ slope
        return slope @ parameters[0].T, (weight, total(slope, 0)) if self.bias else (weight,)

    def flops(self, shape: Shape) -> int:
        return 2 * checks.one_axis(self, shape) * self.units
