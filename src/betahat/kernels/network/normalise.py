"""Batch normalisation, forwards and backwards.

Each shard sums its own mean and squared deviations, in doubles; behind a barrier everyone puts the shards'
together in the same order (Chan, Golub & LeVeque 1983).
"""

from __future__ import annotations

import math

from betahat.kernels.compiled import compiled
from betahat.kernels.memory import carray, doubles, like_array
from betahat.kernels.network.environment import SHARD, SHARDS
from betahat.kernels.network.operations import FIRST


@compiled
def batch_moments(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """A shard's means and Σ(x − mean)²: x, stride from place to place, places of a row, width, (shards, 2, width)
    doubles for them."""
    x, row, places, width, moments = op[FIRST : FIRST + 5]
    first, some = first * places, some * places
    mean = carray(doubles(moments + unit * 2 * width * 8), width)
    squares = carray(doubles(moments + (unit * 2 + 1) * width * 8), width)
    mean[:] = 0.0
    squares[:] = 0.0
    for i in range(first, first + some):
        values = carray(like_array(x + i * row, like), width)
        for j in range(width):
            mean[j] += values[j]
    for j in range(width):
        mean[j] /= max(some, 1)
    for i in range(first, first + some):
        values = carray(like_array(x + i * row, like), width)
        for j in range(width):
            away = values[j] - mean[j]
            squares[j] += away * away


@compiled
def _together(moments, width, rows, shard, mean, squares):
    """The means and squared deviations of all shards."""
    mean[:width] = 0.0
    squares[:width] = 0.0
    before = 0
    for unit in range((rows + shard - 1) // shard):
        some = min(shard, rows - unit * shard)
        its_mean = carray(doubles(moments + unit * 2 * width * 8), width)
        its_squares = carray(doubles(moments + (unit * 2 + 1) * width * 8), width)
        share = some / (before + some)
        for j in range(width):
            apart = its_mean[j] - mean[j]
            mean[j] += apart * share
            squares[j] += its_squares[j] + apart * apart * before * share
        before += some


@compiled
def bent(value, slope):
    """max(value, slope · value); NaN stays."""
    other = slope * value
    return other if other > value else value


@compiled
def passed(given, value, slope):
    """The slope of a value for that of the bent one."""
    return given if value > 0 else given * slope


@compiled
def batch_normalise(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """f = bend(scale · z + shift): x, stride and number of places, width, moments, z, which may be x, f, scale, shift,
    where 1/√(variance + ε) is kept, the running mean and variance, which the first unit moves, and where the bend
    is."""
    x, row, places, width, moments, z, f, scale, shift, inverse, running_mean, running_variance, factors = op[
        FIRST : FIRST + 13
    ]
    slope = like.dtype.type(carray(doubles(factors), 1)[0])
    first, some, rows = first * places, some * places, rows * places
    epsilon, momentum = real
    mean, factor = own[:width], own[width : 2 * width]
    _together(moments, width, rows, env[SHARD] * places, mean, factor)
    if unit == 0:
        its_mean = carray(like_array(running_mean, like), width)
        its_variance = carray(like_array(running_variance, like), width)
        for j in range(width):
            its_mean[j] = (1.0 - momentum) * its_mean[j] + momentum * mean[j]
            its_variance[j] = (1.0 - momentum) * its_variance[j] + momentum * factor[j] / max(rows - 1, 1)
    for j in range(width):
        factor[j] = 1.0 / math.sqrt(factor[j] / rows + epsilon)
    if unit == 0:
        kept = carray(doubles(inverse), width)
        for j in range(width):
            kept[j] = factor[j]
    scales, shifts = carray(like_array(scale, like), width), carray(like_array(shift, like), width)
    for i in range(first, first + some):
        its_z = carray(like_array(z + i * row, like), width)
        out = carray(like_array(f + i * row, like), width)
        if z != x:
            values = carray(like_array(x + i * row, like), width)
            for j in range(width):
                its_z[j] = values[j]
        for j in range(width):
            its_z[j] = (its_z[j] - mean[j]) * factor[j]
            out[j] = bent(its_z[j] * scales[j] + shifts[j], slope)


@compiled
def batch_sums(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """A shard's Σ s z and Σ s, where s is the slope of scale · z + shift: that of its bent value, z, stride and number
    of places, width, (shards, 2, width) doubles for them, scale, shift, and where the bend is."""
    slope, z, row, places, width, sums, scale, shift, factors = op[FIRST : FIRST + 9]
    bend = like.dtype.type(carray(doubles(factors), 1)[0])
    scales, shifts = carray(like_array(scale, like), width), carray(like_array(shift, like), width)
    first, some = first * places, some * places
    along = carray(doubles(sums + unit * 2 * width * 8), width)
    about = carray(doubles(sums + (unit * 2 + 1) * width * 8), width)
    along[:] = 0.0
    about[:] = 0.0
    for i in range(first, first + some):
        s, its_z = (
            carray(like_array(slope + i * row, like), width),
            carray(like_array(z + i * row, like), width),
        )
        for j in range(width):
            its = passed(s[j], its_z[j] * scales[j] + shifts[j], bend)
            along[j] += its * its_z[j]
            about[j] += its


@compiled
def batch_back(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """∂J/∂x in place of ∂J/∂f, and by the first unit ∂J/∂scale and ∂J/∂shift: the slope, z, stride and number of
    places, width, sums, scale, shift, where the bend is, 1/√(variance + ε), the two targets."""
    slope, z, row, places, width, sums, scale, shift, factors, inverse, to_scale, to_shift = op[
        FIRST : FIRST + 12
    ]
    bend = like.dtype.type(carray(doubles(factors), 1)[0])
    first, some, rows = first * places, some * places, rows * places
    along, about = own[:width], own[width : 2 * width]
    along[:] = 0.0
    about[:] = 0.0
    for other in range(env[SHARDS]):
        its_along = carray(doubles(sums + other * 2 * width * 8), width)
        its_about = carray(doubles(sums + (other * 2 + 1) * width * 8), width)
        for j in range(width):
            along[j] += its_along[j]
            about[j] += its_about[j]
    if unit == 0:
        of_scale, of_shift = (
            carray(like_array(to_scale, like), width),
            carray(like_array(to_shift, like), width),
        )
        for j in range(width):
            of_scale[j], of_shift[j] = along[j], about[j]
    scales, shifts = carray(like_array(scale, like), width), carray(like_array(shift, like), width)
    kept = carray(doubles(inverse), width)
    for i in range(first, first + some):
        s, its_z = (
            carray(like_array(slope + i * row, like), width),
            carray(like_array(z + i * row, like), width),
        )
        for j in range(width):
            given = passed(s[j], its_z[j] * scales[j] + shifts[j], bend)
            s[j] = (given - (about[j] + its_z[j] * along[j]) / rows) * (scales[j] * kept[j])


@compiled
def batch_use(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """f, bent, of what was learnt: x, stride and number of places, width, f, scale, shift, the running statistics."""
    x, row, places, width, f, scale, shift, running_mean, running_variance = op[FIRST : FIRST + 9]
    first, some = first * places, some * places
    factor, slope = own[:width], like.dtype.type(real[1])
    means = carray(like_array(running_mean, like), width)
    variances = carray(like_array(running_variance, like), width)
    scales, shifts = carray(like_array(scale, like), width), carray(like_array(shift, like), width)
    for j in range(width):
        factor[j] = 1.0 / math.sqrt(variances[j] + real[0])
    for i in range(first, first + some):
        values, out = (
            carray(like_array(x + i * row, like), width),
            carray(like_array(f + i * row, like), width),
        )
        for j in range(width):
            out[j] = bent(like.dtype.type((values[j] - means[j]) * factor[j] * scales[j] + shifts[j]), slope)
