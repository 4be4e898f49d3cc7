"""The chains that have a name."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import final

from betahat.solvers.schedules import Schedule
from betahat.solvers.stochastic.adaptive import ScaleByAdaGrad, ScaleByAdam, ScaleByRMS
from betahat.solvers.stochastic.chain import ChainSolver
from betahat.solvers.stochastic.momentum import HeavyBall, NesterovMomentum
from betahat.solvers.stochastic.transformation import Transformation
from betahat.solvers.stochastic.weight_decay import decayed


@final
@dataclass(frozen=True)
class SGD(ChainSolver):
    """x ← x − η(k) (g + λ x), g = ∂J/∂x over a mini-batch (Robbins & Monro 1951).

    learning_rate : η: a number, or a :class:`~betahat.solvers.schedules.Schedule` of the step k.
    weight_decay : λ; clip_value : the largest |gⱼ|; clip_norm : the largest ‖g‖
    average : of the iterates: :class:`~betahat.solvers.stochastic.average.PolyakRuppert`,
        :class:`~betahat.solvers.stochastic.average.ExponentialAverage`, or None for the last one.

    >>> import numpy as np
    >>> chain = SGD(0.5).chain
    >>> state = chain.start(np.array([1.0, -2.0]))
    >>> chain.step(state, state.x)  # the gradient of ‖x‖²/2
    >>> state.x
    array([ 0.5, -1. ])
    """

    _: KW_ONLY
    weight_decay: float = 0.0

    name = "sgd"

    def links(self) -> tuple[Transformation, ...]:
        """g + λ x."""
        return decayed(self.weight_decay)


@final
@dataclass(frozen=True)
class Momentum(ChainSolver):
    """v ← μ v + g, x ← x − η(k) (v + λ x): the heavy ball (Polyak 1964).

    learning_rate : η; momentum : μ, by which steps grow to 1/(1 − μ) times as long; weight_decay : λ
    clip_value, clip_norm, average : as in :class:`SGD`.

    >>> import numpy as np
    >>> chain = Momentum(0.5, momentum=0.5).chain
    >>> state = chain.start(np.zeros(1))
    >>> for _ in range(2):
    ...     chain.step(state, np.ones(1))
    >>> state.x  # −½ (1 + 1.5)
    array([-1.25])
    """

    momentum: float = 0.9
    _: KW_ONLY
    weight_decay: float = 0.0

    name = "momentum"

    def links(self) -> tuple[Transformation, ...]:
        """v + λ x."""
        return HeavyBall(self.momentum), *decayed(self.weight_decay)


@final
@dataclass(frozen=True)
class Nesterov(ChainSolver):
    """v ← μ v + g, x ← x − η(k) (g + μ v + λ x) (Nesterov 1983; Sutskever, Martens, Dahl & Hinton 2013).

    learning_rate : η; momentum : μ; weight_decay : λ
    clip_value, clip_norm, average : as in :class:`SGD`.

    >>> import numpy as np
    >>> chain = Nesterov(0.5, momentum=0.5).chain
    >>> state = chain.start(np.zeros(1))
    >>> chain.step(state, np.ones(1))
    >>> state.x  # −½ (1 + ½)
    array([-0.75])
    """

    momentum: float = 0.9
    _: KW_ONLY
    weight_decay: float = 0.0

    name = "nesterov"

    def links(self) -> tuple[Transformation, ...]:
        """g + μ v + λ x."""
        return NesterovMomentum(self.momentum), *decayed(self.weight_decay)


@final
@dataclass(frozen=True)
class AdaGrad(ChainSolver):
    """s ← s + g², x ← x − η(k) g/(√s + ε), entry by entry (Duchi, Hazan & Singer 2011).

    learning_rate : η; epsilon : ε; initial_accumulator : s before the first step
    clip_value, clip_norm, average : as in :class:`SGD`.

    >>> import numpy as np
    >>> chain = AdaGrad(0.5).chain
    >>> state = chain.start(np.zeros(2))
    >>> chain.step(state, np.array([1e-3, 1e3]))  # units of a coefficient do not matter
    >>> state.x.round(6)
    array([-0.5, -0.5])
    """

    _: KW_ONLY
    epsilon: float = 1e-10
    initial_accumulator: float = 0.0

    name = "adagrad"

    def links(self) -> tuple[Transformation, ...]:
        """g/(√s + ε)."""
        return (ScaleByAdaGrad(self.epsilon, self.initial_accumulator),)


@final
@dataclass(frozen=True)
class RMSProp(ChainSolver):
    """v ← ρ v + (1 − ρ) g², x ← x − η(k) g/(√v + ε), entry by entry (Tieleman & Hinton 2012).

    learning_rate : η; rho : ρ; epsilon : ε
    momentum : μ of a heavy ball that the scaled gradients feed, or 0 for none
    centered : divide by √(v − m²) with m the mean of gradients (Graves 2013)
    clip_value, clip_norm, average : as in :class:`SGD`.

    >>> import numpy as np
    >>> chain = RMSProp(0.1, rho=0.75).chain
    >>> state = chain.start(np.zeros(1))
    >>> chain.step(state, np.array([8.0]))  # 0.1 · 8/√(64/4)
    >>> state.x.round(6)
    array([-0.2])
    """

    learning_rate: float | Schedule = 0.001
    rho: float = 0.9
    _: KW_ONLY
    epsilon: float = 1e-8
    momentum: float = 0.0
    centered: bool = False

    name = "rmsprop"

    def links(self) -> tuple[Transformation, ...]:
        """g/(√v + ε), with momentum if there is any."""
        ball = () if self.momentum == 0 else (HeavyBall(self.momentum),)
        return ScaleByRMS(self.rho, self.epsilon, self.centered), *ball


@final
@dataclass(frozen=True)
class Adam(ChainSolver):
    """m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², x ← x − η(k) m̂/(√v̂ + ε) (Kingma & Ba 2015).

    m̂ = m/(1 − β₁ᵏ⁺¹) and v̂ = v/(1 − β₂ᵏ⁺¹) undo the pull of the zeros that m and v begin with.

    learning_rate : η; beta_1, beta_2 : β₁, β₂; epsilon : ε
    amsgrad : the largest v so far in the place of v (Reddi, Kale & Kumar 2018)
    clip_value, clip_norm, average : as in :class:`SGD`. For a penalty, put it in J; for decay, :class:`AdamW`.

    >>> import numpy as np
    >>> chain = Adam(0.1).chain
    >>> state = chain.start(np.zeros(2))
    >>> chain.step(state, np.array([1e-3, -1e3]))  # the first step is η, whatever the gradient
    >>> state.x.round(6)
    array([-0.099999,  0.1     ])
    """

    learning_rate: float | Schedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    _: KW_ONLY
    epsilon: float = 1e-8
    amsgrad: bool = False

    name = "adam"

    def links(self) -> tuple[Transformation, ...]:
        """m̂/(√v̂ + ε)."""
        return (ScaleByAdam(self.beta_1, self.beta_2, self.epsilon, self.amsgrad),)


@final
@dataclass(frozen=True)
class AdamW(ChainSolver):
    """Adam with decoupled weight decay: x ← x − η(k) (m̂/(√v̂ + ε) + λ x) (Loshchilov & Hutter 2019).

    The decay is not a penalty: at rest ∂J/∂x is not zero unless λ is.

    learning_rate, beta_1, beta_2, epsilon, amsgrad : as in :class:`Adam`; weight_decay : λ
    clip_value, clip_norm, average : as in :class:`SGD`.

    >>> import numpy as np
    >>> chain = AdamW(0.1, weight_decay=0.5).chain
    >>> state = chain.start(np.array([2.0]))
    >>> chain.step(state, np.array([1.0]))  # 2 − 0.1 (1 + 0.5 · 2)
    >>> state.x.round(6)
    array([1.8])
    """

    learning_rate: float | Schedule = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    _: KW_ONLY
    epsilon: float = 1e-8
    weight_decay: float = 0.01
    amsgrad: bool = False

    name = "adamw"

    def links(self) -> tuple[Transformation, ...]:
        """m̂/(√v̂ + ε) + λ x."""
        return ScaleByAdam(self.beta_1, self.beta_2, self.epsilon, self.amsgrad), *decayed(self.weight_decay)
