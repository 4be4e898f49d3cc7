"""Layer and group normalisation, forwards and backwards.

What has mean 0 and variance 1 is a set of places, cut into groups of channels: an image with all its places, or each
place by itself. Channels are summed beside each other, in doubles, before those of a group are added.
"""

from __future__ import annotations

import math

from betahat.kernels.compiled import compiled
from betahat.kernels.memory import carray, doubles, like_array
from betahat.kernels.network.convolve import is_later
from betahat.kernels.network.operations import FIRST


@compiled
def _shared(sums, groups, each, count):
    """Σ/count over a group in the place of each of its channels' sums."""
    for g in range(groups):
        total = 0.0
        for j in range(g * each, (g + 1) * each):
            total += sums[j]
        total /= count
        for j in range(g * each, (g + 1) * each):
            sums[j] = total


@compiled
def group_normalise(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """f = scale · z + shift: x, z (0 where it is not kept) and f, bytes from set to set, sets of a row, places of a
    set, bytes from place to place, channels, groups; scale, shift, (sets, groups) doubles for 1/√(variance + ε)."""
    x, z, f, apart, sets, places, place, width, groups, scale, shift, inverse = op[FIRST : FIRST + 12]
    first, some = first * sets, some * sets
    each = width // groups
    mean, factor = own[:width], own[width : 2 * width]
    scales, shifts = carray(like_array(scale, like), width), carray(like_array(shift, like), width)
    kept = carray(doubles(inverse), (first + some) * groups)
    for i in range(first, first + some):
        mean[:] = 0.0
        factor[:] = 0.0
        for p in range(places):
            values = carray(like_array(x + i * apart + p * place, like), width)
            for j in range(width):
                mean[j] += values[j]
        _shared(mean, groups, each, places * each)
        for p in range(places):
            values = carray(like_array(x + i * apart + p * place, like), width)
            for j in range(width):
                away = values[j] - mean[j]
                factor[j] += away * away
        _shared(factor, groups, each, places * each)
        for j in range(width):
            factor[j] = 1.0 / math.sqrt(factor[j] + real[0])
        for g in range(groups):
            kept[i * groups + g] = factor[g * each]
        for p in range(places):
            at = i * apart + p * place
            values, out = carray(like_array(x + at, like), width), carray(like_array(f + at, like), width)
            for j in range(width):
                out[j] = (values[j] - mean[j]) * factor[j] * scales[j] + shifts[j]
            if z != 0:
                its_z = carray(like_array(z + at, like), width)
                for j in range(width):
                    its_z[j] = (values[j] - mean[j]) * factor[j]


@compiled
def group_back(op, real, env, unit, first, some, rows, start, step, key, own, like):
    """∂J/∂x in place of ∂J/∂f, and a shard's ∂J/∂scale and ∂J/∂shift, added to what its earlier rows gave: the slope
    and z, bytes from set to set, sets of a row, places of a set, bytes from place to place, channels, groups; scale,
    1/√(…), the two targets and bytes between shards."""
    slope, z, apart, sets, places, place, width, groups, scale, inverse, to_scale, to_shift, between = op[
        FIRST : FIRST + 13
    ]
    later = is_later(env, unit, first)
    first, some = first * sets, some * sets
    each = width // groups
    along, about, factor = own[:width], own[width : 2 * width], own[2 * width : 3 * width]
    of_scale, of_shift = own[3 * width : 4 * width], own[4 * width : 5 * width]
    of_scale[:] = 0.0
    of_shift[:] = 0.0
    scales = carray(like_array(scale, like), width)
    kept = carray(doubles(inverse), (first + some) * groups)
    for i in range(first, first + some):
        along[:] = 0.0
        about[:] = 0.0
        for p in range(places):
            at = i * apart + p * place
            s, its_z = carray(like_array(slope + at, like), width), carray(like_array(z + at, like), width)
            for j in range(width):
                along[j] += s[j] * its_z[j]
                about[j] += s[j]
        for j in range(width):
            of_scale[j] += along[j]
            of_shift[j] += about[j]
            along[j] *= scales[j]
            about[j] *= scales[j]
            factor[j] = kept[i * groups + j // each]
        _shared(along, groups, each, places * each)
        _shared(about, groups, each, places * each)
        for p in range(places):
            at = i * apart + p * place
            s, its_z = carray(like_array(slope + at, like), width), carray(like_array(z + at, like), width)
            for j in range(width):
                s[j] = (s[j] * scales[j] - about[j] - its_z[j] * along[j]) * factor[j]
    out_scale = carray(like_array(to_scale + unit * between, like), width)
    out_shift = carray(like_array(to_shift + unit * between, like), width)
    for j in range(width):
        out_scale[j] = of_scale[j] + (out_scale[j] if later else 0.0)
        out_shift[j] = of_shift[j] + (out_shift[j] if later else 0.0)
