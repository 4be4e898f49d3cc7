"""Compiled straight-line programs: values, Jacobian by one walk back, second derivatives by tangents along it.

Rows are taken a block at a time, so that every operation is a loop over numbers in cache, and reading the program costs
next to nothing. Slots that depend on no parameter take no part in derivatives.
"""

from __future__ import annotations

import numpy as np

from betahat.kernels.block_math import exp_of_block, log_of_block
from betahat.kernels.compiled import compiled
from betahat.kernels.memory import address
from betahat.kernels.operations_compiled import bend_of_one, one, slope_of_one
from betahat.kernels.program import ADD, DIVIDE, EXP, LOG, MULTIPLY, NEGATIVE, POWER, SQUARE, SUBTRACT

BLOCK = 128
"""Rows, a multiple of the lanes of any register."""
KEPT = 100_000  # numbers in slots up to which those of all rows are kept between calls


@compiled
def width(n):
    """Rows that there must be room for in a block: of few rows whole registers are enough."""
    return min(BLOCK, (n + 15) // 16 * 16)


@compiled
def fill(constants, columns, slots, p, start, count):
    """Constants, and columns of the rows from `start`, in the slots behind those of p parameters."""
    k = len(constants)
    for j in range(k):
        slots[p + j, :] = constants[j]
    for j in range(len(columns)):
        for i in range(count):
            slots[p + k + j, i] = columns[j, start + i]


@compiled
def run(operations, slots, first, count):
    """Every operation in order; `first` is the slot of the first one's result."""
    for k in range(len(operations)):
        code = operations[k, 0]
        a, b, u = slots[operations[k, 1]], slots[operations[k, 2]], slots[first + k]
        if code == ADD:
            for i in range(count):
                u[i] = a[i] + b[i]
        elif code == SUBTRACT:
            for i in range(count):
                u[i] = a[i] - b[i]
        elif code == MULTIPLY:
            for i in range(count):
                u[i] = a[i] * b[i]
        elif code == DIVIDE:
            for i in range(count):
                u[i] = a[i] / b[i]
        elif code == NEGATIVE:
            for i in range(count):
                u[i] = -a[i]
        elif code == SQUARE:
            for i in range(count):
                u[i] = a[i] * a[i]
        elif code == EXP:
            exp_of_block(address(a), address(u), count)
        elif code == LOG:
            log_of_block(address(a), address(u), count)
        elif code == POWER:
            for i in range(count):
                u[i] = a[i] ** b[i]
        else:
            for i in range(count):
                u[i] = one(code, a[i])


@compiled
def slopes(operations, moves, slots, first, count, da, db):
    """The derivatives of every operation by what it takes: (m, block) each, where that moves."""
    for k in range(len(operations)):
        code, at, bt = operations[k, 0], operations[k, 1], operations[k, 2]
        if not moves[first + k]:
            continue
        a, b, u, s, t = slots[at], slots[bt], slots[first + k], da[k], db[k]
        if code == ADD:
            s[:count] = 1.0
            t[:count] = 1.0
        elif code == SUBTRACT:
            s[:count] = 1.0
            t[:count] = -1.0
        elif code == MULTIPLY:
            for i in range(count):
                s[i] = b[i]
                t[i] = a[i]
        elif code == DIVIDE:
            for i in range(count):
                s[i] = 1.0 / b[i]
                t[i] = -u[i] / b[i]
        elif code == NEGATIVE:
            s[:count] = -1.0
        elif code == SQUARE:
            for i in range(count):
                s[i] = 2.0 * a[i]
        elif code == EXP:
            for i in range(count):
                s[i] = u[i]
        elif code == POWER:
            if moves[at]:
                for i in range(count):
                    s[i] = b[i] * a[i] ** (b[i] - 1.0) if b[i] != 0.0 else 0.0
            if moves[bt]:
                for i in range(count):
                    t[i] = u[i] * np.log(a[i]) if a[i] != 0.0 else 0.0
        else:
            for i in range(count):
                s[i] = slope_of_one(code, a[i], u[i])


@compiled
def bends(operations, moves, slots, first, count, da, db, daa, dab, dbb):
    """The second derivatives of every operation: (m, block) each; those that are zero whatever the numbers are left."""
    for k in range(len(operations)):
        code, at, bt = operations[k, 0], operations[k, 1], operations[k, 2]
        if not moves[first + k] or code in (ADD, SUBTRACT, NEGATIVE):
            continue
        a, b, u, s, t = slots[at], slots[bt], slots[first + k], da[k], db[k]
        if code == MULTIPLY:
            daa[k, :count] = 0.0
            dab[k, :count] = 1.0
            dbb[k, :count] = 0.0
        elif code == DIVIDE:
            for i in range(count):
                daa[k, i] = 0.0
                dab[k, i] = -s[i] * s[i]
                dbb[k, i] = -2.0 * t[i] / b[i]
        elif code == SQUARE:
            daa[k, :count] = 2.0
        elif code == POWER:
            for i in range(count):
                e = b[i]
                daa[k, i] = e * (e - 1.0) * a[i] ** (e - 2.0) if e != 0.0 and e != 1.0 else 0.0
                if moves[bt]:
                    log = np.log(a[i]) if a[i] != 0.0 else 0.0
                    dab[k, i] = a[i] ** (e - 1.0) * (1.0 + e * log)
                    dbb[k, i] = t[i] * log
        else:
            for i in range(count):
                daa[k, i] = bend_of_one(code, a[i], u[i], s[i])


@compiled
def walk_back(operations, moves, first, count, da, db, flow):
    """Cotangents from every operation's result to what it takes, the last first; `flow` (slots, block) holds them."""
    for k in range(len(operations) - 1, -1, -1):
        if not moves[first + k]:
            continue
        at, bt = operations[k, 1], operations[k, 2]
        g, s = flow[first + k], da[k]
        if moves[at]:
            f = flow[at]
            for i in range(count):
                f[i] += g[i] * s[i]
        if moves[bt] and operations[k, 0] in (ADD, SUBTRACT, MULTIPLY, DIVIDE, POWER):
            f, t = flow[bt], db[k]
            for i in range(count):
                f[i] += g[i] * t[i]


@compiled
def workspace(p, constants, columns, operations, kept):
    """Slots for a block, (1, slots, width), or for all of them if they are to be `kept` and there is room; then they
    hold constants and columns from the first."""
    n, height = columns.shape[1], p + len(constants) + len(columns) + len(operations)
    blocks = (n + BLOCK - 1) // BLOCK
    if not kept or n * height > KEPT:
        return np.empty((1, height, width(n)))
    slots = np.empty((blocks, height, width(n)))
    for b in range(blocks):
        fill(constants, columns, slots[b], p, b * BLOCK, min(BLOCK, n - b * BLOCK))
    return slots


@compiled
def evaluate(beta, constants, columns, operations, slots, filled, b):
    """Every operation for the rows of block b, and their slots; `filled` : whether these hold constants and columns."""
    p, n = len(beta), columns.shape[1]
    start = b * BLOCK
    count = min(BLOCK, n - start)
    block = slots[b if b < len(slots) else 0]
    for j in range(p):
        block[j, :] = beta[j]
    if not filled:
        fill(constants, columns, block, p, start, count)
    run(operations, block, p + len(constants) + len(columns), count)
    return block


@compiled
def values(beta, constants, columns, operations, result, out):
    """f of every row."""
    slots = workspace(len(beta), constants, columns, operations, False)
    values_in(beta, constants, columns, operations, result, out, slots, False)


@compiled
def values_in(beta, constants, columns, operations, result, out, slots, kept):
    """The same in slots that are there, and `kept` for the next call."""
    n = columns.shape[1]
    filled = kept and len(slots) * BLOCK >= n
    for b in range((n + BLOCK - 1) // BLOCK):
        block = evaluate(beta, constants, columns, operations, slots, filled, b)
        for i in range(min(BLOCK, n - b * BLOCK)):
            out[b * BLOCK + i] = block[result, i]


@compiled
def jacobian(beta, constants, columns, operations, result, moves, out, J, reach):
    """f (n,), ∂f/∂β (p, n), and, if `reach` (n,) is as long, Σ |∂f/∂u · u| over all results u on the way: times the
    rounding unit that is what rounding each of them once can change in f."""
    slots = workspace(len(beta), constants, columns, operations, False)
    jacobian_in(beta, constants, columns, operations, result, moves, out, J, reach, slots, False, False)


@compiled
def jacobian_in(beta, constants, columns, operations, result, moves, out, J, reach, slots, kept, known):
    """The same in slots that are there, and `kept` for the next call; `known` : whether they hold all results at β."""
    p, n, m = len(beta), columns.shape[1], len(operations)
    first = p + len(constants) + len(columns)
    w = width(n)
    flow, da, db = np.empty((first + m, w)), np.empty((m, w)), np.empty((m, w))
    filled = kept and len(slots) * BLOCK >= n
    for b in range((n + BLOCK - 1) // BLOCK):
        start = b * BLOCK
        count = min(BLOCK, n - start)
        if known and filled:
            block = slots[b]
        else:
            block = evaluate(beta, constants, columns, operations, slots, filled, b)
        slopes(operations, moves, block, first, count, da, db)
        for j in range(first + m):
            flow[j, :count] = 0.0
        flow[result, :count] = 1.0
        walk_back(operations, moves, first, count, da, db, flow)
        for i in range(count):
            out[start + i] = block[result, i]
        for j in range(p):
            for i in range(count):
                J[j, start + i] = flow[j, i]
        if len(reach) == n:
            for i in range(count):
                reach[start + i] = abs(block[result, i])
            for j in range(first + m):
                if moves[j]:
                    for i in range(count):
                        part = abs(flow[j, i] * block[j, i])
                        reach[start + i] += part if part >= 0.0 else 0.0  # 0 · ∞ where f is saturated


@compiled
def curvature(beta, constants, columns, operations, result, moves, weight, H):
    """Σ weightᵢ ∂²fᵢ/∂β² (p, p), a column for each parameter's tangent."""
    p, n, m = len(beta), columns.shape[1], len(operations)
    first = p + len(constants) + len(columns)
    w = width(n)
    work, flow = workspace(p, constants, columns, operations, False), np.empty((first + m, w))
    da, db, daa = np.empty((m, w)), np.empty((m, w)), np.empty((m, w))
    dab, dbb = np.empty((m, w)), np.empty((m, w))
    along, turning = np.empty((first + m, w)), np.empty((first + m, w))
    going, turned = np.empty(first + m, np.bool_), np.empty(first + m, np.bool_)
    H[:] = 0.0
    for start in range(0, n, BLOCK):
        count = min(BLOCK, n - start)
        slots = evaluate(beta, constants, columns, operations, work, False, start // BLOCK)
        slopes(operations, moves, slots, first, count, da, db)
        bends(operations, moves, slots, first, count, da, db, daa, dab, dbb)
        for j in range(first + m):
            flow[j, :count] = 0.0
        for i in range(count):
            flow[result, i] = weight[start + i]
        walk_back(operations, moves, first, count, da, db, flow)
        for j in range(p):
            going[:first] = False
            going[j] = True
            along[j, :count] = 1.0
            carry(operations, first, count, da, db, along, going)
            if going[result]:
                turned[:] = False
                turn(
                    operations, moves, first, count, da, db, daa, dab, dbb, flow, along, going, turning, turned
                )  # fmt: skip
                for c in range(p):
                    if turned[c]:
                        for i in range(count):
                            H[c, j] += turning[c, i]


@compiled
def carry(operations, first, count, da, db, along, going):
    """Tangents of all results from those of the parameters; `going` says which are not zero."""
    for k in range(len(operations)):
        code, at, bt = operations[k, 0], operations[k, 1], operations[k, 2]
        two = going[bt] and code in (ADD, SUBTRACT, MULTIPLY, DIVIDE, POWER)
        going[first + k] = going[at] or two
        v = along[first + k]
        if going[at]:
            w, s = along[at], da[k]
            for i in range(count):
                v[i] = w[i] * s[i]
            if two:
                w, s = along[bt], db[k]
                for i in range(count):
                    v[i] += w[i] * s[i]
        elif two:
            w, s = along[bt], db[k]
            for i in range(count):
                v[i] = w[i] * s[i]


@compiled
def add_product(to, told, at, x, y, count):
    """to[at] += x y, or = where nothing was told to it yet."""
    f = to[at]
    if told[at]:
        for i in range(count):
            f[i] += x[i] * y[i]
    else:
        told[at] = True
        for i in range(count):
            f[i] = x[i] * y[i]


@compiled
def add_product_of_three(to, told, at, x, y, z, count):
    """to[at] += x y z."""
    f = to[at]
    if told[at]:
        for i in range(count):
            f[i] += x[i] * y[i] * z[i]
    else:
        told[at] = True
        for i in range(count):
            f[i] = x[i] * y[i] * z[i]


@compiled
def turn(operations, moves, first, count, da, db, daa, dab, dbb, flow, along, going, turning, turned):
    """How cotangents change along the tangent, from the last result to the parameters; `turned` says which do."""
    for k in range(len(operations) - 1, -1, -1):
        code, at, bt = operations[k, 0], operations[k, 1], operations[k, 2]
        if not going[first + k] and not turned[first + k]:
            continue
        left, two = moves[at], moves[bt] and code in (ADD, SUBTRACT, MULTIPLY, DIVIDE, POWER)
        g, h = flow[first + k], turning[first + k]
        if turned[first + k]:
            if left:
                add_product(turning, turned, at, h, da[k], count)
            if two:
                add_product(turning, turned, bt, h, db[k], count)
        if code in (ADD, SUBTRACT, NEGATIVE):
            continue
        if going[at]:
            if code not in (MULTIPLY, DIVIDE):
                add_product_of_three(turning, turned, at, g, daa[k], along[at], count)
            if two:
                add_product_of_three(turning, turned, bt, g, dab[k], along[at], count)
        if two and going[bt]:
            if left:
                add_product_of_three(turning, turned, at, g, dab[k], along[bt], count)
            if code != MULTIPLY:
                add_product_of_three(turning, turned, bt, g, dbb[k], along[bt], count)
