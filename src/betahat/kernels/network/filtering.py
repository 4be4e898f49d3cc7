"""Minimal filtering, F(2 × 2, 3 × 3), F(4 × 4, 3 × 3) and F(2 × 2, 5 × 5) (Winograd 1980; Lavin & Gray 2016).

Places of f = Σ x W come a square tile at a time, n × n of them of windows of r × r, from n + r − 1 × n + r − 1 places
of x:

    f = Aᵀ [(G W Gᵀ) ⊙ (Bᵀ x B)] A

which is linear in W and in x, so that ∂J/∂W = Gᵀ [(Bᵀ x B) ⊙ (A ∂J/∂f Aᵀ)] G, and ∂J/∂x is the sum over tiles of
B [(G W Gᵀ) ⊙ (A ∂J/∂f Aᵀ)] Bᵀ. That is evaluation at n + r − 2 points and at infinity, products there, and
interpolation. F(2 × 2, 3 × 3) has points 0 and ±1: 16 products instead of 36. The others have points 0, ±¾ and ±3⁄2:
36 products instead of 144 and of 100. Of these the rounding errors, relative to the root mean square of f, are about as
large as those of sums over windows; with the usual points 0, ±1, ±2 they are four times as large (see Barabasz et al.
2020 for the choice of points). B depends on the points alone; G and A take the values of polynomials there.

`v` computes with registers, or with `Numbers`: it supplies add, sub, mul, multiply_add and constant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import isqrt
from typing import Any, final

Line = list[Any]
_A, _B = 0.75, 1.5
_AA, _BB = _A * _A, _B * _B


@final
@dataclass(frozen=True)
class Scheme:
    """Transforms along one axis: take is Bᵀ x, take_back B m, weigh G w, weigh_back Gᵀ m, give Aᵀ m, give_back A s.

    taps : of a window along an axis; out : places of f of a tile along an axis.
    """

    taps: int
    out: int
    take: Callable[[Any, Line], Line]
    take_back: Callable[[Any, Line], Line]
    weigh: Callable[[Any, Line], Line]
    weigh_back: Callable[[Any, Line], Line]
    give: Callable[[Any, Line], Line]
    give_back: Callable[[Any, Line], Line]

    @property
    def number(self) -> int:
        """By which compiled code knows it: 34 is F(4 × 4, 3 × 3)."""
        return 10 * self.taps + self.out

    @property
    def side(self) -> int:
        """Places of a tile of x along an axis."""
        return self.out + self.taps - 1

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


def _take_six(v: Any, x: Line) -> Line:
    first, last = (_plus(v, _plus(v, x[k + 4], -(_AA + _BB), x[k + 2]), _AA * _BB, x[k]) for k in (0, 1))
    near = _parts(v, _plus(v, x[4], -_BB, x[2]), _plus(v, x[3], -_BB, x[1]), _A)
    far = _parts(v, _plus(v, x[4], -_AA, x[2]), _plus(v, x[3], -_AA, x[1]), _B)
    return [first, *near, *far, last]


def _take_back_six(v: Any, m: Line) -> Line:
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


def _polynomial(terms: Line, then: Callable[[Any, Any], Any]) -> Any:
    """Of coefficients in ascending order; then(total, term) is total · argument + term."""
    total = terms[-1]
    for term in reversed(terms[:-1]):
        total = then(total, term)
    return total


def _weigh_six(v: Any, w: Line) -> Line:
    # without multiply_add, which arrays do not round as registers do
    found = [v.mul(w[0], v.constant(_BY_ZERO))]
    for square, point, by in ((_AA, _A, _BY_NEAR), (_BB, _B, _BY_FAR)):

        def then(total: Any, term: Any, square: float = square) -> Any:
            return v.add(term, v.mul(total, v.constant(square)))

        even = v.mul(_polynomial(w[::2], then), v.constant(by))
        odd = v.mul(_polynomial(w[1::2], then), v.constant(point * by))
        found += [v.add(even, odd), v.sub(even, odd)]
    return [*found, w[-1]]


def _give_back_six(v: Any, s: Line) -> Line:
    found = [s[0]]
    for square, point in ((_AA, _A), (_BB, _B)):

        def then(total: Any, term: Any, square: float = square) -> Any:
            return _plus(v, term, square, total)

        found += _parts(v, _polynomial(s[::2], then), _polynomial(s[1::2], then), point)
    return [*found, s[-1]]


def _opposite(v: Any, m: Line) -> tuple[Line, Line]:
    """Sums and differences at opposite points, near and far."""
    return [v.add(m[1], m[2]), v.sub(m[1], m[2])], [v.add(m[3], m[4]), v.sub(m[3], m[4])]


def _powers(v: Any, zero: Any, near: Line, far: Line, infinity: Any, count: int) -> Line:
    """Σ pᵏ m over points p, for each k below count: what is transposed to the values of a polynomial."""
    found = [v.add(v.add(zero, near[0]), far[0])]
    for k in range(1, count):
        here, there = near[k % 2], far[k % 2]
        last = k == count - 1
        total = _plus(v, infinity, _A**k, here) if last else v.mul(here, v.constant(_A**k))
        found.append(_plus(v, total, _B**k, there))
    return found


def _weigh_back_six(taps: int, v: Any, m: Line) -> Line:
    near, far = (
        [v.mul(part, v.constant(by)) for part in parts]
        for parts, by in zip(_opposite(v, m), (_BY_NEAR, _BY_FAR), strict=True)
    )
    return _powers(v, v.mul(m[0], v.constant(_BY_ZERO)), near, far, m[-1], taps)


def _give_six(out: int, v: Any, m: Line) -> Line:
    return _powers(v, m[0], *_opposite(v, m), m[-1], out)


def _six(taps: int, out: int) -> Scheme:
    weigh_back, give = partial(_weigh_back_six, taps), partial(_give_six, out)
    return Scheme(taps, out, _take_six, _take_back_six, _weigh_six, weigh_back, give, _give_back_six)


_TWO = Scheme(3, 2, _take_two, _take_back_two, _weigh_two, _weigh_back_two, _give_two, _give_back_two)
SCHEMES = {scheme.number: scheme for scheme in (_TWO, _six(3, 4), _six(5, 2))}
"""By their numbers."""
