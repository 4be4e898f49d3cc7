"""Functions of single numbers between layers."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from betahat.layers import checks
from betahat.layers.base import Arrays, Layer, Pass, Shape, size_of
from betahat.layers.functional import gelu_tanh, normal_density, normal_distribution, sigmoid, softplus


class Activation(Layer):
    """fᵢ = a(xᵢ) of every number, for rows of any shape:  ∂J/∂x = ∂J/∂f · a'(x)."""

    preferred = "he_uniform"
    operations: ClassVar[int] = 1

    @abstractmethod
    def value(self, x: Any) -> Any:
        """a(x)."""

    @abstractmethod
    def derivative(self, x: Any, f: Any) -> Any:
        """a'(x), which may be told by f = a(x)."""

    def gain(self) -> float:
        return math.sqrt(2.0)

    def forward(self, x: Any, parameters: Arrays, context: Pass) -> tuple[Any, Any]:
        f = self.value(x)
        return f, (x, f)

    def backward(self, slope: Any, saved: Any, parameters: Arrays) -> tuple[Any, Arrays]:
        return slope * self.derivative(*saved), ()

    def flops(self, shape: Shape) -> int:
        return self.operations * size_of(shape)


@final
@dataclass(frozen=True, repr=False)
class ReLU(Activation):
    """f = max(0, x); the derivative at 0 is 0 (Nair & Hinton 2010).

    >>> import numpy as np
    >>> ReLU().value(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    formula = "f = max(0, x)"

    def value(self, x: Any) -> Any:
        return np.where(x <= 0, 0.0, x)  # NaN stays

    def derivative(self, x: Any, f: Any) -> Any:
        return (x > 0).astype(x.dtype)


@final
@dataclass(frozen=True, repr=False)
class LeakyReLU(Activation):
    """f = x where x > 0, else slope · x (Maas, Hannun & Ng 2013).

    >>> import numpy as np
    >>> LeakyReLU(0.1).value(np.array([-1.0, 2.0]))
    array([-0.1,  2. ])
    """

    slope: float = 0.01

    formula = "f = x where x > 0, else slope · x"
    operations = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "slope", checks.number(self.slope, "slope of LeakyReLU"))

    def gain(self) -> float:
        """√(2/(1 + slope²))."""
        return math.sqrt(2.0 / (1.0 + self.slope**2))

    def value(self, x: Any) -> Any:
        return np.where(x > 0, x, self.slope * x)

    def derivative(self, x: Any, f: Any) -> Any:
        return np.where(x > 0, 1.0, self.slope).astype(x.dtype)


@final
@dataclass(frozen=True, repr=False)
class ELU(Activation):
    """f = x where x > 0, else alpha (eˣ − 1) (Clevert, Unterthiner & Hochreiter 2016).

    >>> import numpy as np
    >>> ELU().value(np.array([-1.0, 2.0])).round(4)
    array([-0.6321,  2.    ])
    """

    alpha: float = 1.0

    formula = "f = x where x > 0, else alpha (eˣ − 1)"
    operations = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", checks.number(self.alpha, "alpha of ELU", 0.0))

    def value(self, x: Any) -> Any:
        return np.where(x > 0, x, self.alpha * np.expm1(np.where(x > 0, 0.0, x)))

    def derivative(self, x: Any, f: Any) -> Any:
        return np.where(x > 0, 1.0, self.alpha * np.exp(np.where(x > 0, 0.0, x)))


@final
@dataclass(frozen=True, repr=False)
class GELU(Activation):
    """f = x Φ(x), Φ the normal distribution (Hendrycks & Gimpel 2016); f' = Φ(x) + x φ(x).

    approximate : "none", or "tanh" for x · ½ (1 + tanh(√(2/π) (x + 0.044715 x³))), within 5e-4 of it.

    >>> import numpy as np
    >>> GELU().value(np.array([-1.0, 2.0])).round(4)
    array([-0.1587,  1.9545])
    """

    approximate: str = "none"

    operations = 4

    def __post_init__(self) -> None:
        if not (isinstance(self.approximate, str) and self.approximate in ("none", "tanh")):
            raise ValueError(f'approximate (={self.approximate!r}) of GELU must be "none" or "tanh"')

    @property
    def formula(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return "f = x Φ(x)" if self.approximate == "none" else "f = ½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))"

    def value(self, x: Any) -> Any:
        return x * (normal_distribution(x) if self.approximate == "none" else gelu_tanh(x)[0])

    def derivative(self, x: Any, f: Any) -> Any:
        if self.approximate == "none":
            return normal_distribution(x) + x * normal_density(x)
        share, slope = gelu_tanh(x)
        return share + x * slope


@final
@dataclass(frozen=True, repr=False)
class SiLU(Activation):
    """f = x σ(x), σ the sigmoid (Elfwing, Uchibe & Doya 2018): also called swish; f' = σ (1 + x (1 − σ)).

    >>> import numpy as np
    >>> SiLU().value(np.array([-1.0, 2.0])).round(4)
    array([-0.2689,  1.7616])
    """

    formula = "f = x σ(x)"
    operations = 4

    def value(self, x: Any) -> Any:
        return x * sigmoid(x)

    def derivative(self, x: Any, f: Any) -> Any:
        share = sigmoid(x)
        return share * (1.0 + x * (1.0 - share))


@final
@dataclass(frozen=True, repr=False)
class Sigmoid(Activation):
    """f = 1 / (1 + e⁻ˣ); f' = f (1 − f). scikit-learn calls it "logistic".

    >>> import numpy as np
    >>> Sigmoid().value(np.array([-1000.0, 0.0]))
    array([0. , 0.5])
    """

    formula = "f = 1 / (1 + e⁻ˣ)"
    preferred = "glorot_uniform"
    operations = 3

    def value(self, x: Any) -> Any:
        return sigmoid(x)

    def derivative(self, x: Any, f: Any) -> Any:
        return f * (1.0 - f)


@final
@dataclass(frozen=True, repr=False)
class Tanh(Activation):
    """f = tanh x; f' = 1 − f².

    >>> import numpy as np
    >>> Tanh().value(np.array([0.0, 1000.0]))
    array([0., 1.])
    """

    formula = "f = tanh x"
    preferred = "glorot_uniform"

    def value(self, x: Any) -> Any:
        return np.tanh(x)

    def derivative(self, x: Any, f: Any) -> Any:
        return (1.0 - f) * (1.0 + f)


@final
@dataclass(frozen=True, repr=False)
class Softplus(Activation):
    """f = log(1 + eˣ), a smooth ReLU (Dugas et al. 2001); f' = σ(x).

    >>> import numpy as np
    >>> Softplus().value(np.array([-1000.0, 0.0, 10.0])).round(4)
    array([ 0.    ,  0.6931, 10.    ])
    """

    formula = "f = log(1 + eˣ)"
    operations = 3

    def value(self, x: Any) -> Any:
        return softplus(x)

    def derivative(self, x: Any, f: Any) -> Any:
        return sigmoid(x)


@final
@dataclass(frozen=True, repr=False)
class Identity(Activation):
    """f = x.

    >>> import numpy as np
    >>> Identity().value(np.array([-1.0, 2.0]))
    array([-1.,  2.])
    """

    formula = "f = x"
    preferred = "glorot_uniform"
    operations = 0

    def value(self, x: Any) -> Any:
        return x

    def derivative(self, x: Any, f: Any) -> Any:
        return np.ones(x.shape, x.dtype)
