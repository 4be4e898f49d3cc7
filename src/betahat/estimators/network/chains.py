"""From an estimator's parameters to the chain of transformations that steps along gradients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

from betahat import solvers
from betahat.estimators.network.parameters import is_one_cycle
from betahat.solvers.schedules import InverseScaling, OneCycle, Schedule
from betahat.solvers.stochastic.chain import Chain, ChainSolver
from betahat.solvers.stochastic.clip import ClipByGlobalNorm
from betahat.solvers.stochastic.momentum import HeavyBall, NesterovMomentum
from betahat.solvers.stochastic.transformation import ScaleByLearningRate, Transformation

PLAIN = ("sgd", "momentum", "nesterov")
"""Solvers whose learning rate follows `learning_rate` where that is a name, as scikit-learn's "sgd" does."""
SMALLEST_RATE = 1e-6
"""An adaptive learning rate is not divided again from here on."""


@final
@dataclass(frozen=True)
class Held(Schedule):
    """η(k) of another schedule at the last multiple of `every`: a learning rate that changes between epochs.

    >>> schedule = Held(InverseScaling(1.0, power=1.0), every=2)
    >>> [schedule.at(k) for k in (0, 1, 2, 3)]
    [1.0, 1.0, 0.3333333333333333, 0.3333333333333333]
    """

    schedule: Schedule
    every: int

    def at(self, step: int) -> float:
        """η'(every · ⌊k/every⌋)."""
        return self.schedule.at(step // self.every * self.every)


def is_adaptive(p: Any) -> bool:
    """Whether the learning rate is divided by 5 when the loss falls no more."""
    return isinstance(p.solver, str) and p.solver in PLAIN and _named(p.learning_rate) == "adaptive"


def chain_of(p: Any, steps: int, rows: int, rate: float | None = None) -> Chain:
    """The chain of an estimator `p` for epochs of so many steps and rows.

    rate : the learning rate now, where it is another than `learning_rate_init_`, which a fit sets.

    A learning rate that changes multiplies the gradient before the momentum gathers it, as in scikit-learn.
    """
    given = {name: value for name in ("clip_norm", "average") if (value := getattr(p, name)) is not None}
    if isinstance(p.solver, ChainSolver):
        return replace(p.solver, **given).chain
    if isinstance(p.solver, Chain):
        if given:
            raise ValueError(
                f"{next(iter(given))} (={next(iter(given.values()))!r}) is for solvers by name; put it into the Chain"
            )
        return p.solver
    eta: Any = p.learning_rate if isinstance(p.learning_rate, Schedule) else (rate or p.learning_rate_init_)
    if is_one_cycle(p):
        eta = OneCycle(eta, steps * p.max_iter)
    if p.solver not in PLAIN:
        known = {"adam": ("beta_1", "beta_2"), "adamw": ("beta_1", "beta_2")}.get(p.solver, ())
        own = {name: getattr(p, name) for name in (*known, "epsilon")}
        return getattr(solvers, solvers.LEARNING_RATES[p.solver])(eta, **own, **given).chain
    named = _named(p.learning_rate)
    if named == "invscaling" and rate is None:
        eta = Held(InverseScaling(eta, p.power_t, steps / rows), steps)
    clip = (ClipByGlobalNorm(p.clip_norm),) if p.clip_norm is not None else ()
    scale, momentum = ScaleByLearningRate(eta), _momentum(p)
    links = (scale, *momentum) if named in ("invscaling", "adaptive") else (*momentum, scale)
    return Chain(*clip, *links, average=p.average)


def _named(rate: Any) -> str | None:
    return rate if isinstance(rate, str) else None


def _momentum(p: Any) -> tuple[Transformation, ...]:
    if p.momentum == 0:
        return ()
    ahead = p.nesterovs_momentum if p.solver == "sgd" else p.solver == "nesterov"
    return (NesterovMomentum(p.momentum) if ahead else HeavyBall(p.momentum),)
