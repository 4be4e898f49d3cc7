"""Learning rates η(k) that change with the step k = 0, 1, 2, …"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, final

from betahat.solvers.checks import check_count, check_decay, check_not_negative, check_positive, is_real


class Schedule(ABC):
    """A learning rate for every step. Schedules are values: they keep no state, and equal ones compare equal."""

    @abstractmethod
    def at(self, step: int) -> float:
        """η(k), for k = 0 at the first step."""


@final
@dataclass(frozen=True)
class Constant(Schedule):
    """η(k) = η₀.

    >>> Constant(0.1).at(1000)
    0.1
    """

    initial: float

    def __post_init__(self) -> None:
        check_positive("initial", self.initial)

    def at(self, step: int) -> float:
        """η₀."""
        return float(self.initial)


@final
@dataclass(frozen=True)
class StepDecay(Schedule):
    """η(k) = η₀ γ^⌊k/s⌋: multiplied by γ (`factor`) after every s (`every`) steps.

    >>> schedule = StepDecay(0.1, factor=0.5, every=10)
    >>> schedule.at(9), schedule.at(10), schedule.at(20)
    (0.1, 0.05, 0.025)
    """

    initial: float
    factor: float
    every: int

    def __post_init__(self) -> None:
        check_positive("initial", self.initial)
        check_decay("factor", self.factor)
        check_count("every", self.every)

    def at(self, step: int) -> float:
        """η₀ γ^⌊k/s⌋."""
        return float(self.initial * self.factor ** (step // self.every))


@final
@dataclass(frozen=True)
class Exponential(Schedule):
    """η(k) = η₀ γ^(k/s): the smooth form of :class:`StepDecay`.

    >>> schedule = Exponential(0.1, factor=0.5, every=10)
    >>> round(schedule.at(5), 6), schedule.at(10)
    (0.070711, 0.05)
    """

    initial: float
    factor: float
    every: int = 1

    def __post_init__(self) -> None:
        check_positive("initial", self.initial)
        check_decay("factor", self.factor)
        check_count("every", self.every)

    def at(self, step: int) -> float:
        """η₀ γ^(k/s)."""
        return float(self.initial * self.factor ** (step / self.every))


@final
@dataclass(frozen=True)
class InverseScaling(Schedule):
    """η(k) = η₀ / (1 + k/d)^q, d = `delay`, q = `power`.

    With d = 1 scikit-learn's "invscaling". For ½ < q ≤ 1 Ση = ∞ and Ση² < ∞, under which stochastic gradients converge
    (Robbins & Monro 1951); q near ½ goes with averaging of the iterates (Polyak & Juditsky 1992).

    >>> schedule = InverseScaling(0.1, power=0.5)
    >>> schedule.at(0), schedule.at(3)
    (0.1, 0.05)
    """

    initial: float
    power: float = 0.5
    delay: float = 1.0

    def __post_init__(self) -> None:
        check_positive("initial", self.initial)
        check_not_negative("power", self.power)
        check_positive("delay", self.delay)

    def at(self, step: int) -> float:
        """η₀ / (1 + k/d)^q."""
        return float(self.initial / (1 + step / self.delay) ** self.power)


@final
@dataclass(frozen=True)
class Cosine(Schedule):
    """η(k) = η₁ + ½ (η₀ − η₁)(1 + cos(π k/K)) for k ≤ K = `steps`, then η₁ = `final` (Loshchilov & Hutter 2017).

    >>> schedule = Cosine(0.1, steps=100)
    >>> schedule.at(0), round(schedule.at(50), 6), schedule.at(100), schedule.at(500)
    (0.1, 0.05, 0.0, 0.0)
    """

    initial: float
    steps: int
    final: float = 0.0

    def __post_init__(self) -> None:
        check_positive("initial", self.initial)
        check_count("steps", self.steps)
        check_not_negative("final", self.final)

    def at(self, step: int) -> float:
        """η₁ + ½ (η₀ − η₁)(1 + cos(π min(k, K)/K))."""
        return _cosine(self.initial, self.final, step / self.steps)


@final
@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up and down once over K = `steps` steps (Smith & Topin 2018).

    Half a cosine from `largest`/`initial_divisor` up to `largest` over the first `rise`·(K − 1) steps, then another
    down to `largest`/(`initial_divisor`·`final_divisor`), where it stays.

    >>> schedule = OneCycle(0.1, steps=101)
    >>> [round(schedule.at(k), 7) for k in (0, 15, 30, 65, 100)]
    [0.004, 0.052, 0.1, 0.0500002, 4e-07]
    """

    largest: float
    steps: int
    rise: float = 0.3
    initial_divisor: float = 25.0
    final_divisor: float = 1e4

    def __post_init__(self) -> None:
        check_positive("largest", self.largest)
        check_count("steps", self.steps)
        if not (is_real(self.rise) and 0 < self.rise < 1):
            raise ValueError(f"rise (={self.rise!r}) must be between 0 and 1: the share of steps that go up")
        check_positive("initial_divisor", self.initial_divisor)
        check_positive("final_divisor", self.final_divisor)

    def at(self, step: int) -> float:
        """The rising half cosine, or the falling one."""
        first = self.largest / self.initial_divisor
        top, end = self.rise * (self.steps - 1), float(self.steps - 1)
        if step < top:
            return _cosine(first, self.largest, step / top)
        return _cosine(self.largest, first / self.final_divisor, (step - top) / (end - top) if end else 1.0)


@final
@dataclass(frozen=True)
class WarmUp(Schedule):
    """From `initial` in equal steps to the first η of another schedule, which then begins (Goyal et al. 2017).

    η(k) = ηᵢ + (η'(0) − ηᵢ) k/K for k < K = `steps`, then η'(k − K).

    >>> schedule = WarmUp(Constant(0.5), steps=4)
    >>> [schedule.at(k) for k in range(6)]
    [0.0, 0.125, 0.25, 0.375, 0.5, 0.5]
    """

    schedule: Schedule
    steps: int
    initial: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.schedule, Schedule):
            raise TypeError(f"schedule (={self.schedule!r}) must be a Schedule, such as Constant(0.1)")
        check_count("steps", self.steps)
        check_not_negative("initial", self.initial)

    def at(self, step: int) -> float:
        """On the way up, then the schedule's own."""
        if step >= self.steps:
            return self.schedule.at(step - self.steps)
        return float(self.initial + (self.schedule.at(0) - self.initial) * (step / self.steps))


def _cosine(start: float, end: float, share: float) -> float:
    """Half a cosine from start to end, and end from share = 1 on."""
    if share >= 1:
        return float(end)
    return float(end + 0.5 * (start - end) * (1 + math.cos(math.pi * share)))


def as_schedule(value: Any, argument: str = "learning_rate") -> Schedule:
    """A Schedule as it is, and a number above 0 as :class:`Constant`.

    Raises TypeError for anything else, ValueError for a number that is not positive and finite; both name `argument`.

    >>> as_schedule(0.1)
    Constant(initial=0.1)
    """
    if isinstance(value, Schedule):
        return value
    if not is_real(value):
        raise TypeError(
            f"{argument} (={value!r}) must be a number above 0 or a Schedule, such as "
            "betahat.solvers.schedules.Cosine(0.1, steps=1000)"
        )
    check_positive(argument, value)
    return Constant(float(value))
