"""Chains of transformations as links that the compiled update knows."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.kernels.network import links as known
from betahat.solvers.schedules import Constant, as_schedule
from betahat.solvers.stochastic.adaptive import ScaleByAdaGrad, ScaleByAdam, ScaleByRMS
from betahat.solvers.stochastic.chain import Chain
from betahat.solvers.stochastic.clip import ClipByGlobalNorm, ClipByValue
from betahat.solvers.stochastic.momentum import HeavyBall, NesterovMomentum
from betahat.solvers.stochastic.transformation import ScaleByLearningRate, Transformation
from betahat.solvers.stochastic.weight_decay import WeightDecay

_END = known.SCALE, known.TAKE


def number_of(transformation: Transformation) -> int | None:
    """The link that does the same; None where there is none."""
    if isinstance(transformation, ScaleByAdam):
        return known.AMSGRAD if transformation.amsgrad else known.ADAM
    if isinstance(transformation, ScaleByRMS):
        return known.RMS_CENTERED if transformation.centered else known.RMS
    simple = {
        ClipByValue: known.CLIP, ClipByGlobalNorm: known.NORM, HeavyBall: known.HEAVY_BALL,
        NesterovMomentum: known.NESTEROV, WeightDecay: known.DECAY, ScaleByAdaGrad: known.ADAGRAD,
        ScaleByLearningRate: known.SCALE,
    }  # fmt: skip
    return simple.get(type(transformation))


@final
class Links:
    """The links of a chain: their numbers, and what each is told in each step.

    table (·, 3) : the number, the row of the chain's memory where what it keeps begins, −1 for the average, and how
    many links are done with it; norms : places of links that need the norm of all that came before.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        table, row = [], 0
        for transformation in chain.transformations:
            number = number_of(transformation)
            assert number is not None, transformation
            table.append((number, row, 1))
            row += len(transformation.keeps)
        table.append((known.TAKE, 0, 1))
        if chain.average is not None:
            table.append((known.AVERAGE, -1, 1))
        self.norms = [k for k, (number, *_) in enumerate(table) if number == known.NORM]
        self.table = np.array(table, np.int64)
        for k in range(len(table) - 2):
            if known.HEAVY_BALL <= table[k][0] < known.SCALE and (table[k + 1][0], table[k + 2][0]) == _END:
                self.table[k] = table[k][0] + known.ENDING, table[k][1], 3

    def numbers(self, first: int, steps: int) -> np.ndarray:
        """(steps, ·, 8) float64, from step `first` on."""
        found, which = np.zeros((steps, len(self.table), 8)), np.arange(first, first + steps)
        for k, transformation in enumerate(self._chain.transformations):
            for place, value in enumerate(_numbers(transformation, which)):
                found[:, k, place] = value
        if self._chain.average is not None:
            found[:, -1, 0] = [self._chain.average.weight(int(step)) for step in which]
        return found


def _numbers(it: Transformation, step: np.ndarray) -> tuple[Any, ...]:
    """What a link is told, in each step."""
    if isinstance(it, ScaleByAdam):
        first, later = 1 / (1 - it.beta_1 ** (step + 1.0)), 1 / np.sqrt(1 - it.beta_2 ** (step + 1.0))
        return it.beta_1, 1 - it.beta_1, it.beta_2, 1 - it.beta_2, first, later, it.epsilon
    if isinstance(it, ScaleByRMS):
        return it.rho, 1 - it.rho, it.epsilon
    if isinstance(it, ScaleByAdaGrad):
        return (it.epsilon,)
    if isinstance(it, (HeavyBall, NesterovMomentum)):
        return (it.momentum,)
    if isinstance(it, WeightDecay):
        return (it.weight_decay,)
    if isinstance(it, ClipByValue):
        return (it.clip_value,)
    if isinstance(it, ClipByGlobalNorm):
        return (it.clip_norm,)
    assert isinstance(it, ScaleByLearningRate)
    rate = as_schedule(it.learning_rate)
    return (rate.initial if isinstance(rate, Constant) else [rate.at(int(k)) for k in step],)
