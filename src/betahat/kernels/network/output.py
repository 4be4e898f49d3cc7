"""What leaves a network: its outputs, or probabilities of them in doubles."""

from __future__ import annotations

import math

from betahat.kernels.block_math import LANES, exp_of_block
from betahat.kernels.compiled import compiled
from betahat.kernels.memory import address, carray, doubles, like_array
from betahat.kernels.network.environment import ANSWERS
from betahat.kernels.network.operations import FIRST


@compiled
def outputs(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """f, row by row: f, its row stride, how many a row."""
    f, row, width = op[FIRST : FIRST + 3]
    for i in range(first, first + some):
        values = carray(like_array(f + i * row, like), width)
        out = carray(like_array(env[ANSWERS] + (start + i) * width * like.itemsize, like), width)
        for j in range(width):
            out[j] = values[j]


@compiled
def less_largest(f, row, some, outputs, into, like):
    """Each row's numbers less the largest of them, as doubles one after the other, and zeros behind them that make
    whole registers; how many all are."""
    count = some * outputs
    part = (count + LANES - 1) // LANES * LANES
    for k in range(count, part):
        into[k] = 0.0
    for i in range(some):
        values, begin = carray(like_array(f + i * row, like), outputs), i * outputs
        top = values[0]
        for j in range(1, outputs):
            top = values[j] if values[j] > top else top
        for j in range(outputs):
            into[begin + j] = float(values[j]) - float(top)  # NaN stays
    return part


@compiled
def shares(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """eᶠʲ/Σ eᶠᵏ: f, its row stride, how many a row. own : as many doubles as the shard has outputs and a register."""
    f, row, width = op[FIRST : FIRST + 3]
    count, part = some * width, less_largest(f + first * row, row, some, width, own, like)
    powers = own[:part]
    exp_of_block(address(powers), address(powers), part)
    out = carray(doubles(env[ANSWERS] + (start + first) * width * 8), count)
    for i in range(some):
        total = 0.0
        for k in range(i * width, (i + 1) * width):
            total += powers[k]
        for k in range(i * width, (i + 1) * width):
            out[k] = powers[k] / total


@compiled
def odds(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """1 − π and π for a log odds f, π = 1/(1 + e⁻ᶠ): f, its row stride."""
    f, row = op[FIRST : FIRST + 2]
    for i in range(first, first + some):
        value = float(carray(like_array(f + i * row, like), 1)[0])
        out = carray(doubles(env[ANSWERS] + (start + i) * 16), 2)
        t = math.exp(-abs(value))
        near, far = 1.0 / (1.0 + t), t / (1.0 + t)
        out[0], out[1] = (far, near) if value > 0 else (near, far)
