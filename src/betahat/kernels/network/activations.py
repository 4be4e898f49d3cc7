"""Activations and their derivatives, number by number in registers.

`m` supplies exp, expm1, log1p, where and hazard_excess, for doubles or floats; q is the layer's own number (the slope
of a leaky ReLU, ELU's α).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import types

from betahat.kernels import register_math
from betahat.kernels.network import float_math
from betahat.kernels.register_math import Number
from betahat.kernels.tile import SHAPE
from betahat.kernels.vector import counted_loop, intrinsic, switch, vectors_like

LEAKY, TANH, SIGMOID, SOFTPLUS, ELU, SILU, GELU, GELU_TANH = range(8)
_TANH_SCALE, _TANH_CUBE = math.sqrt(2 / math.pi), 0.044715


def _sigmoid(m: Any, x: Any) -> Any:
    t = m.exp(-abs(x))
    near = 1.0 / (1.0 + t)
    return m.where(x > 0.0, near, t * near)


def _tanh(m: Any, x: Any) -> Any:
    e = m.expm1(-2.0 * abs(x))
    t = -e / (2.0 + e)
    return m.where(x < 0.0, -t, t)


def _normal(m: Any, x: Any) -> tuple[Any, Any]:
    """Φ(x) and φ(x)."""
    a = abs(x)
    density = m.exp(-0.5 * a * a) * (1.0 / math.sqrt(2.0 * math.pi))
    tail = density / (a + m.hazard_excess(a))
    return m.where(x > 0.0, 1.0 - tail, tail), density


def _bend(m: Any, x: Any) -> Any:
    return _tanh(m, (x + x * x * x * _TANH_CUBE) * _TANH_SCALE)


def _gelu_tanh_slope(m: Any, x: Any) -> Any:
    t = _bend(m, x)
    inner = (1.0 + x * x * (3 * _TANH_CUBE)) * _TANH_SCALE
    return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner


def _silu_slope(m: Any, x: Any) -> Any:
    s = _sigmoid(m, x)
    return s * (1.0 + x * (1.0 - s))


def _gelu_slope(m: Any, x: Any) -> Any:
    share, density = _normal(m, x)
    return share + m.where(abs(x) < 40.0, x * density, 0.0 * x)


def _elu_slope(m: Any, x: Any, q: Any) -> Any:
    return m.where(x > 0.0, 1.0 + 0.0 * x, q * m.exp(x))


VALUES: tuple[Any, ...] = (
    lambda m, x, q: m.where(x > 0.0, x, q * x),
    lambda m, x, q: _tanh(m, x),
    lambda m, x, q: _sigmoid(m, x),
    lambda m, x, q: m.maximum(x, 0.0) + m.log1p(m.exp(-abs(x))),
    lambda m, x, q: m.where(x > 0.0, x, q * m.expm1(x)),
    lambda m, x, q: x * _sigmoid(m, x),
    lambda m, x, q: m.where(x > -40.0, x * _normal(m, x)[0], 0.0 * x),
    lambda m, x, q: 0.5 * x * (1.0 + _bend(m, x)),
)
"""a(x), by number."""

DERIVATIVES: tuple[Any, ...] = (
    lambda m, x, f, q: m.where(x > 0.0, 1.0 + 0.0 * x, q + 0.0 * x),
    lambda m, x, f, q: 1.0 - f * f,
    lambda m, x, f, q: f * (1.0 - f),
    lambda m, x, f, q: _sigmoid(m, x),
    lambda m, x, f, q: _elu_slope(m, x, q),
    lambda m, x, f, q: _silu_slope(m, x),
    lambda m, x, f, q: _gelu_slope(m, x),
    lambda m, x, f, q: _gelu_tanh_slope(m, x),
)
"""a'(x) with f = a(x), by number."""


def _module(v: Any) -> Any:
    return register_math if v.size == 8 else float_math


def _over_registers(rules: tuple[Any, ...], do: Callable[[Any, Any, list[Any], Number], None]) -> Any:
    """Code that does something with the rule of a number, register by register of the arrays at some addresses: of an
    intrinsic that takes the number, q, the addresses, how many registers there are, and the type."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = vectors_like(builder, signature.args[-1], SHAPE)
        size, spread = v.lanes * v.size, Number(v, v.splat(args[1]))

        def run(number: int) -> None:
            def body(step: Any, _: list[Any]) -> list[Any]:
                place = builder.mul(step, step.type(size))
                do(v, rules[number], [v.at(address, place) for address in args[2:-2]], spread)
                return []

            counted_loop(builder, args[-2], [], body)

        switch(builder, args[0], range(len(rules)), run)
        return context.get_dummy_value()

    return codegen


def _store_value(v: Any, rule: Any, at: list[Any], q: Number) -> None:
    x, f = at
    v.store(rule(_module(v), Number(v, v.load(x)), q).value, f)


def _store_slope(v: Any, rule: Any, at: list[Any], q: Number) -> None:
    x, f, slope = at
    factor = rule(_module(v), Number(v, v.load(x)), Number(v, v.load(f)), q)
    v.store(v.mul(v.load(slope), factor.value), slope)


@intrinsic
def activate(typingctx: Any, kind: Any, q: Any, x: Any, f: Any, vectors: Any, like: Any):
    """f ← a(x) for `vectors` registers from two addresses on, which may be the same."""
    signature = types.void(types.int64, like.dtype, *([types.int64] * 3), like)
    return signature, _over_registers(VALUES, _store_value)


@intrinsic
def bend_back(typingctx: Any, kind: Any, q: Any, x: Any, f: Any, slope: Any, vectors: Any, like: Any):
    """slope ← slope · a'(x), with f = a(x)."""
    signature = types.void(types.int64, like.dtype, *([types.int64] * 4), like)
    return signature, _over_registers(DERIVATIVES, _store_slope)
