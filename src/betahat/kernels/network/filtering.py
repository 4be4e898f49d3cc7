"""Minimal filtering of 3 × 3 windows, F(2 × 2, 3 × 3) and F(4 × 4, 3 × 3) (Winograd 1980; Lavin & Gray 2016).

Places of f = Σ x W come a square tile at a time, n × n of them from n + 2 × n + 2 places of x:

    f = Aᵀ [(G W Gᵀ) ⊙ (Bᵀ x B)] A

which is linear in W and in x, so that ∂J/∂W = Gᵀ [(Bᵀ x B) ⊙ (A ∂J/∂f Aᵀ)] G, and ∂J/∂x is the sum over tiles of
B [(G W Gᵀ) ⊙ (A ∂J/∂f Aᵀ)] Bᵀ. That is evaluation at n + 1 points and
at infinity, products there, and interpolation: 16 products instead of 36 for n = 2, with points 0 and ±1; 36 instead
of 144 for n = 4, with points 0, ±¾ and ±3⁄2. Of these the rounding errors, relative to the root mean square of f, are
about as large as those of sums over windows; with the usual points 0, ±1, ±2 they are four times as large (see Barabasz
et al. 2020 for the choice of points).

`v` computes with registers, or with `Numbers`: it supplies add, sub, mul, multiply_add and constant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt
from typing import Any, final

TAPS = 3
"""Along each axis of a window."""

Line = list[Any]
_A, _B = 0.75, 1.5
_AA, _BB = _A * _A, _B * _B


@final
@dataclass(frozen=True)
class Scheme:
    """Transforms along one axis: take is Bᵀ x, take_back B m, weigh G w, weigh_back Gᵀ m, give Aᵀ m, give_back A s."""

    out: int
    take: Callable[[Any, Line], Line]
    take_back: Callable[[Any, Line], Line]
    weigh: Callable[[Any, Line], Line]
    weigh_back: Callable[[Any, Line], Line]
    give: Callable[[Any, Line], Line]
    give_back: Callable[[Any, Line], Line]

    @property
    def side(self) -> int:
        """Places of a tile of x along an axis."""
        return self.out + TAPS - 1

    @property
    def points(self) -> int:
        """Products of a channel."""
        return self.side**2


@final
class Numbers:
    """Arrays, or whatever has + − ×, in the place of registers; constant makes a number of it from a double. Without
    multiply_add the bits are those of registers."""

    def __init__(self, constant: Callable[[float], Any]) -> None:
        self.constant = constant

    def add(self, x: Any, y: Any) -> Any:
        return x + y

    def sub(self, x: Any, y: Any) -> Any:
        return x - y

    def mul(self, x: Any, y: Any) -> Any:
        return x * y

    def multiply_add(self, x: Any, y: Any, total: Any) -> Any:
        return x * y + total


def both(v: Any, along: Callable[[Any, Line], Line], numbers: Line) -> Line:
    """T X Tᵀ of a square X, line by line."""
    side = isqrt(len(numbers))
    columns = [along(v, numbers[j::side]) for j in range(side)]  # of T X
    return [value for row in zip(*columns, strict=True) for value in along(v, list(row))]


def _plus(v: Any, x: Any, factor: float, y: Any) -> Any:
    """x + factor · y."""
    return v.multiply_add(v.constant(factor), y, x)


def _parts(v: Any, even: Any, odd: Any, factor: float) -> Line:
    """even ± factor · odd, as polynomials are at opposite points."""
    return [_plus(v, even, factor, odd), _plus(v, even, -factor, odd)]


def _take_two(v: Any, x: Line) -> Line:
    return [v.sub(x[0], x[2]), v.add(x[1], x[2]), v.sub(x[2], x[1]), v.sub(x[1], x[3])]


def _take_back_two(v: Any, m: Line) -> Line:
    apart = v.sub(m[1], m[2])
    return [m[0], v.add(apart, m[3]), v.sub(v.add(m[1], m[2]), m[0]), v.sub(v.constant(0.0), m[3])]


def _weigh_two(v: Any, w: Line) -> Line:
    half = v.constant(0.5)
    outer, inner = v.mul(v.add(w[0], w[2]), half), v.mul(w[1], half)
    return [w[0], v.add(outer, inner), v.sub(outer, inner), w[2]]


def _weigh_back_two(v: Any, m: Line) -> Line:
    half = v.constant(0.5)
    total, apart = v.mul(v.add(m[1], m[2]), half), v.mul(v.sub(m[1], m[2]), half)
    return [v.add(m[0], total), apart, v.add(total, m[3])]


def _give_two(v: Any, m: Line) -> Line:
    return [v.add(v.add(m[0], m[1]), m[2]), v.sub(v.sub(m[1], m[2]), m[3])]


def _give_back_two(v: Any, s: Line) -> Line:
    return [s[0], v.add(s[0], s[1]), v.sub(s[0], s[1]), v.sub(v.constant(0.0), s[1])]


def _take_four(v: Any, x: Line) -> Line:
    first, last = (_plus(v, _plus(v, x[k + 4], -(_AA + _BB), x[k + 2]), _AA * _BB, x[k]) for k in (0, 1))
    near = _parts(v, _plus(v, x[4], -_BB, x[2]), _plus(v, x[3], -_BB, x[1]), _A)
    far = _parts(v, _plus(v, x[4], -_AA, x[2]), _plus(v, x[3], -_AA, x[1]), _B)
    return [first, *near, *far, last]


def _take_back_four(v: Any, m: Line) -> Line:
    even, even_far = v.add(m[1], m[2]), v.add(m[3], m[4])
    odd, odd_far = v.mul(v.sub(m[1], m[2]), v.constant(_A)), v.mul(v.sub(m[3], m[4]), v.constant(_B))
    return [
        v.mul(m[0], v.constant(_AA * _BB)),
        _plus(v, _plus(v, v.mul(m[5], v.constant(_AA * _BB)), -_BB, odd), -_AA, odd_far),
        _plus(v, _plus(v, v.mul(m[0], v.constant(-(_AA + _BB))), -_BB, even), -_AA, even_far),
        _plus(v, v.add(odd, odd_far), -(_AA + _BB), m[5]),
        v.add(v.add(m[0], even), even_far),
        m[5],
    ]


_BY_NEAR, _BY_FAR, _BY_ZERO = 1 / (2 * _AA * (_AA - _BB)), 1 / (2 * _BB * (_BB - _AA)), 1 / (_AA * _BB)


def _weigh_four(v: Any, w: Line) -> Line:
    # without multiply_add, which arrays do not round as registers do
    found = [v.mul(w[0], v.constant(_BY_ZERO))]
    for square, point, by in ((_AA, _A, _BY_NEAR), (_BB, _B, _BY_FAR)):
        even = v.mul(v.add(w[0], v.mul(w[2], v.constant(square))), v.constant(by))
        odd = v.mul(w[1], v.constant(point * by))
        found += [v.add(even, odd), v.sub(even, odd)]
    return [*found, w[2]]


def _weigh_back_four(v: Any, m: Line) -> Line:
    near, far = v.constant(_BY_NEAR), v.constant(_BY_FAR)
    even, odd = v.mul(v.add(m[1], m[2]), near), v.mul(v.sub(m[1], m[2]), near)
    even_far, odd_far = v.mul(v.add(m[3], m[4]), far), v.mul(v.sub(m[3], m[4]), far)
    return [
        _plus(v, v.add(even, even_far), _BY_ZERO, m[0]),
        _plus(v, v.mul(odd, v.constant(_A)), _B, odd_far),
        _plus(v, _plus(v, m[5], _AA, even), _BB, even_far),
    ]


def _give_four(v: Any, m: Line) -> Line:
    even, odd, even_far, odd_far = v.add(m[1], m[2]), v.sub(m[1], m[2]), v.add(m[3], m[4]), v.sub(m[3], m[4])
    return [
        v.add(v.add(m[0], even), even_far),
        _plus(v, v.mul(odd, v.constant(_A)), _B, odd_far),
        _plus(v, v.mul(even, v.constant(_AA)), _BB, even_far),
        _plus(v, _plus(v, m[5], _A**3, odd), _B**3, odd_far),
    ]


def _give_back_four(v: Any, s: Line) -> Line:
    near = _parts(v, _plus(v, s[0], _AA, s[2]), _plus(v, s[1], _AA, s[3]), _A)
    far = _parts(v, _plus(v, s[0], _BB, s[2]), _plus(v, s[1], _BB, s[3]), _B)
    return [s[0], *near, *far, s[3]]


SCHEMES = {
    2: Scheme(2, _take_two, _take_back_two, _weigh_two, _weigh_back_two, _give_two, _give_back_two),
    4: Scheme(4, _take_four, _take_back_four, _weigh_four, _weigh_back_four, _give_four, _give_back_four),
}
"""By places of f along an axis of a tile."""
