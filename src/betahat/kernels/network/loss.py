"""The loss of a shard and its derivative in the network's output, in doubles whatever the network computes in."""

from __future__ import annotations

import numpy as np

from betahat.kernels import row_tiles as tiles
from betahat.kernels.block_math import LANES, exp_of_block, log_of_block
from betahat.kernels.compiled import compiled
from betahat.kernels.memory import address, carray, doubles, like_array
from betahat.kernels.network.environment import MIXES, ORDER, OUTPUTS, SHARD_LOSSES, SHARDS, TARGETS, WEIGHTS
from betahat.kernels.network.operations import FIRST
from betahat.kernels.network.source import numbered

STEP = 2 * LANES
"""Doubles that row_terms takes at a time."""
BESIDE, _MATES = 10, 6
"""Doubles of each row that cross_entropy keeps beside powers, and how many before the codes and weights of mates."""


@compiled
def row_of(env, i):
    """Which row of the data comes as number i of the span."""
    return numbered(env[ORDER], i)


@compiled
def _double(address, i):
    """Number i of doubles."""
    return carray(doubles(address + i * 8), 1)[0]


@compiled
def mix_of(env, step):
    """The share that each row of a step's batch keeps of itself, and how many rows further on its partner is."""
    if env[MIXES] == 0:
        return 1.0, 0
    return _double(env[MIXES], 2 * step), np.int64(_double(env[MIXES], 2 * step + 1))


@compiled
def _weight_of(env, which):
    """Of a row of the data."""
    return 1.0 if env[WEIGHTS] == 0 else _double(env[WEIGHTS], which)


@compiled
def _note(env, step, unit, found):
    """A shard's Σ w L."""
    carray(doubles(env[SHARD_LOSSES]), 2 * env[SHARDS])[step % 2 * env[SHARDS] + unit] = found


@compiled
def loss(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """Σ w L over a shard, and ∂J/∂f = w L'/rows: f, its row stride, outputs, the slope, the number of the loss, whose
    real number it is.

    own : 5 parts of doubles, each as long as the shard's outputs and one step, and 8 steps.
    """
    f, row, outputs, slope, code = op[FIRST : FIRST + 5]
    count, its = some * outputs, env[OUTPUTS]
    part = (count + STEP - 1) // STEP * STEP
    eta, y, w = own[:part], own[part : 2 * part], own[2 * part : 3 * part]
    one, two, totals = own[3 * part : 4 * part], own[4 * part : 5 * part], own[5 * part : 5 * part + 4 * STEP]
    share, roll = mix_of(env, step)
    found = 0.0
    for mate in range(1 if env[MIXES] == 0 else 2):  # of a row that is mixed both targets have their share
        for k in range(count, part):
            eta[k] = y[k] = w[k] = 0.0
        totals[:] = 0.0
        for i in range(some):
            which = row_of(env, start + (first + i if mate == 0 else (first + i + roll) % rows))
            values = carray(like_array(f + (first + i) * row, like), outputs)
            target = carray(doubles(env[TARGETS] + which * its * 8), outputs)
            weight = _weight_of(env, which) * (share if mate == 0 else 1.0 - share)
            for j in range(outputs):
                eta[i * outputs + j], y[i * outputs + j], w[i * outputs + j] = values[j], target[j], weight
        tiles.row_terms(
            code, real[0], address(eta), address(y), address(w), part // STEP, address(one),
            address(two), address(totals),
        )  # fmt: skip
        for k in range(STEP):
            found += totals[k] + totals[k + STEP]
        for i in range(some):
            out = carray(like_array(slope + (first + i) * row, like), outputs)
            for j in range(outputs):
                out[j] = one[i * outputs + j] / rows + (out[j] if mate == 1 else 0.0)
    _note(env, step, unit, found)


@compiled
def cross_entropy(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """The same of L = log Σ eᶠʲ − Σ qₖ fₖ with y the code of a class and qₖ = (1 − ε) 1[k = y] + ε/K, all in one: f,
    its row stride, outputs K, the slope; the real number is ε. Rows that are mixed have the losses to their own class
    and to their partner's, by their shares.

    Rows lie along registers, an output after the other, since most networks have few of these. own : K + BESIDE times
    as many doubles as the shard has rows, which make whole registers.
    """
    f, row, outputs, slope = op[FIRST : FIRST + 4]
    along, size, smoothing = (some + LANES - 1) // LANES * LANES, like.itemsize, real[0]
    count, stride, mates = outputs * along, row // size, 1 if env[MIXES] == 0 else 2
    powers, beside = own[:count], own[count : count + BESIDE * along].reshape(BESIDE, along)
    top, mean, others, factor, shared, kept = beside[0], beside[1], beside[2], beside[3], beside[4], beside[5]
    for j in range(outputs):
        its = powers[j * along : (j + 1) * along]
        values = carray(like_array(f + first * row + j * size, like), some * stride)
        for i in range(some):
            its[i] = values[i * stride]
        for i in range(some, along):
            its[i] = 0.0
        for i in range(along):
            top[i] = its[i] if j == 0 or its[i] > top[i] else top[i]  # NaN stays
    mean[:] = 0.0
    for j in range(outputs):
        its = powers[j * along : (j + 1) * along]
        for i in range(along):
            its[i] -= top[i]
            mean[i] += its[i]
    share, roll = mix_of(env, step)
    found = 0.0
    for mate in range(mates):
        codes, weights = beside[_MATES + 2 * mate], beside[_MATES + 2 * mate + 1]
        for i in range(some):
            which = row_of(env, start + (first + i if mate == 0 else (first + i + roll) % rows))
            codes[i] = _double(env[TARGETS], which)
            weights[i] = _weight_of(env, which) * (share if mate == 0 else 1.0 - share)
            score = powers[np.int64(codes[i]) * along + i]
            found -= weights[i] * (
                score if smoothing == 0.0 else score + smoothing * (mean[i] / outputs - score)
            )
    exp_of_block(address(powers), address(powers), count)
    total, logs = top, mean  # in the same memory
    total[:] = 0.0
    for j in range(outputs):
        its = powers[j * along : (j + 1) * along]
        for i in range(along):
            total[i] += its[i]
    log_of_block(address(total), address(logs), along)
    for mate in range(mates):
        codes, weights = beside[_MATES + 2 * mate], beside[_MATES + 2 * mate + 1]
        for i in range(some):
            at = np.int64(codes[i]) * along + i
            kept[i] = powers[at]
            powers[at] = 0.0
            found += weights[i] * logs[i]
        for i in range(some):
            factor[i], shared[i] = weights[i] / (rows * total[i]), weights[i] / rows * (smoothing / outputs)
        others[:] = 0.0
        for j in range(outputs):
            its = powers[j * along : (j + 1) * along]
            out = carray(like_array(slope + first * row + j * size, like), some * stride)
            for i in range(some):
                others[i] += its[i]
                slant = its[i] * factor[i] - shared[i]
                out[i * stride] = slant if mate == 0 else out[i * stride] + slant
        for i in range(some):  # with the digits of the others
            code = np.int64(codes[i])
            out = carray(like_array(slope + (first + i) * row + code * size, like), 1)
            out[0] += weights[i] / rows * smoothing - others[i] * factor[i]
            powers[code * along + i] = kept[i]
    _note(env, step, unit, found)
