"""Polynomials in one or several inputs, in a basis that is nearly orthogonal on the data.

Raw powers of x lose a digit for each factor ten in their condition number (1e15 at degree 10 in places). Polynomials
orthogonal on the data do not. Their recurrence has double coefficients and is evaluated in two doubles, so that the
way back to raw powers is an exact matter of rational numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import Any, final

import numpy as np

from betahat.kernels.reference import power_of_two, two_product, two_sum

_VANISHES = 1e-24  # squared norm beside the squared norm before it: the input has no more distinct values


def _multiply(a: Any, a_low: Any, b: Any, b_low: Any) -> tuple[Any, Any]:
    p, e = two_product(a, b)
    return two_sum(p, e + (a * b_low + a_low * b))


def _add(a: Any, a_low: Any, b: Any, b_low: Any) -> tuple[Any, Any]:
    s, e = two_sum(a, b)
    return two_sum(s, e + (a_low + b_low))


@final
@dataclass(frozen=True, slots=True)
class Recurrence:
    """Qₖ₊₁(x) = sₖ ((u − aₖ) Qₖ − bₖ Qₖ₋₁) with u = (x − m)/h, Q₀ = 1 (Stieltjes 1884; Forsythe 1957).

    h and sₖ are powers of two. A zero sₖ says that the data cannot tell Qₖ₊₁ from lower ones.
    """

    middle: float
    half: float
    a: tuple[float, ...]
    b: tuple[float, ...]
    s: tuple[float, ...]

    @classmethod
    def learn(cls, x: np.ndarray, w: np.ndarray, degree: int, through_origin: bool = False) -> Recurrence:
        """Coefficients for `degree` steps, orthogonal on the values x (n,) with weights w (n,).

        `through_origin` makes every Qₖ but Q₀ vanish at x = 0, for models without an intercept.
        """
        seen = x[w > 0]
        low, high = float(seen.min()), float(seen.max())
        middle = 0.0 if through_origin else low / 2 + high / 2
        half = float(power_of_two(np.asarray(max(high - middle, middle - low))))
        u = (x - middle) / half
        before, now = np.zeros_like(u), np.ones_like(u)
        norm, link = float(w.sum()), 0.0  # ⟨Qₖ, Qₖ⟩ and ⟨u Qₖ₋₁, Qₖ⟩ / ⟨Qₖ₋₁, Qₖ₋₁⟩
        a, b, s = [], [], []
        for k in range(degree):
            a.append(0.0 if through_origin and k == 0 else float((w * u * now) @ now / norm))
            b.append(0.0 if through_origin and k == 1 else link)
            raw = (u - a[-1]) * now - b[-1] * before
            size = float((w * raw) @ raw)
            if not size > _VANISHES * norm:
                rest = degree - k
                return cls(
                    middle, half, (*a, *[0.0] * (rest - 1)), (*b, *[0.0] * (rest - 1)), (*s, *[0.0] * rest)
                )
            scale = float(1 / power_of_two(np.asarray(np.sqrt(size / w.sum()))))
            s.append(scale)
            before, now = now, raw * scale
            link, norm = size * scale / norm, size * scale**2
        return cls(middle, half, tuple(a), tuple(b), tuple(s))

    def evaluate(self, x: np.ndarray) -> list[np.ndarray]:
        """Q₀ … Q_d at x, in double precision."""
        u = (x - self.middle) / self.half
        values = [np.ones_like(u)]
        for k, (a, b, s) in enumerate(zip(self.a, self.b, self.s, strict=True)):
            values.append(s * ((u - a) * values[k] - (b * values[k - 1] if k else 0.0)))
        return values

    def evaluate_twice(self, x: np.ndarray) -> list[tuple[Any, Any]]:
        """Q₀ … Q_d at x, each in two doubles."""
        u, u_low = two_sum(x, -self.middle)
        u, u_low = u / self.half, u_low / self.half
        values = [(np.ones_like(u), np.zeros_like(u))]
        for k, (a, b, s) in enumerate(zip(self.a, self.b, self.s, strict=True)):
            high, low = _multiply(*_add(u, u_low, -a, 0.0), *values[k])
            if k:
                high, low = _add(high, low, *_multiply(-b, 0.0, *values[k - 1]))
            values.append((high * s, low * s))
        return values

    def powers(self) -> list[list[Fraction]]:
        """Exact coefficients of Q₀ … Q_d in 1, x, x², …; those that vanish on the data are told unscaled."""
        middle, half = Fraction(self.middle), Fraction(self.half)
        rows = [[Fraction(1)]]
        for k in range(len(self.a)):
            a, b, s = Fraction(self.a[k]), Fraction(self.b[k]), Fraction(self.s[k] or 1.0)
            row = [Fraction(0)] * (k + 2)
            for j, c in enumerate(rows[k]):
                row[j + 1] += s * c / half
                row[j] -= s * c * (middle / half + a)
            if k:
                for j, c in enumerate(rows[k - 1]):
                    row[j] -= s * b * c
            rows.append(row)
        return rows


def exponents(n_inputs: int, degree: int, interaction_only: bool = False) -> list[tuple[int, ...]]:
    """Exponents of all monomials of total degree 1 … `degree`, in scikit-learn's order.

    >>> exponents(2, 2)
    [(1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
    """
    found = []
    for total in range(1, degree + 1):
        for chosen in combinations_with_replacement(range(n_inputs), total):
            if not interaction_only or len(set(chosen)) == total:
                found.append(tuple(chosen.count(i) for i in range(n_inputs)))
    return found


@final
@dataclass(frozen=True, slots=True)
class PolynomialBasis:
    """Products of one-input polynomials, one for each monomial."""

    recurrences: tuple[Recurrence, ...]
    exponents: tuple[tuple[int, ...], ...]

    @classmethod
    def learn(
        cls, X: np.ndarray, w: np.ndarray, degree: int, interaction_only: bool = False, intercept: bool = True
    ) -> PolynomialBasis:
        """The basis for inputs X (n, inputs) with weights w (n,)."""
        inputs = X.shape[1]
        highest = 1 if interaction_only else degree
        recurrences = tuple(
            Recurrence.learn(X[:, i], w, highest, through_origin=not intercept) for i in range(inputs)
        )
        return cls(recurrences, tuple(exponents(inputs, degree, interaction_only)))

    def evaluate(self, X: np.ndarray) -> np.ndarray:
        """The (n, p) basis at the rows of X (n, inputs), in double precision."""
        values = [r.evaluate(X[:, i]) for i, r in enumerate(self.recurrences)]
        result = np.ones((len(X), len(self.exponents)), order="F")
        for j, powers in enumerate(self.exponents):
            for i, e in enumerate(powers):
                if e:
                    result[:, j] *= values[i][e]
        return result

    def evaluate_twice(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same in two doubles."""
        values = [r.evaluate_twice(X[:, i]) for i, r in enumerate(self.recurrences)]
        high, low = np.empty((len(X), len(self.exponents))), np.empty((len(X), len(self.exponents)))
        for j, powers in enumerate(self.exponents):
            product: tuple[Any, Any] | None = None
            for i, e in enumerate(powers):
                if e:
                    product = values[i][e] if product is None else _multiply(*product, *values[i][e])
            assert product is not None
            high[:, j], low[:, j] = product
        return high, low

    def to_powers(self) -> list[dict[int, Fraction]]:
        """Exact coefficients of the constant and each basis function on the constant (0) and the monomials (1 …)."""
        place = {powers: j + 1 for j, powers in enumerate(self.exponents)}
        place[(0,) * len(self.recurrences)] = 0
        single = [r.powers() for r in self.recurrences]
        rows: list[dict[int, Fraction]] = [{0: Fraction(1)}]
        for powers in self.exponents:
            terms: dict[tuple[int, ...], Fraction] = {(): Fraction(1)}
            for i, e in enumerate(powers):
                terms = {
                    (*head, j): c * factor
                    for head, c in terms.items()
                    for j, factor in enumerate(single[i][e])
                    if factor
                }
            rows.append({place[head]: c for head, c in terms.items()})
        return rows

    def to_dict(self) -> dict[str, Any]:
        return {
            "recurrences": [
                {"middle": r.middle, "half": r.half, "a": list(r.a), "b": list(r.b), "s": list(r.s)}
                for r in self.recurrences
            ],
            "exponents": [list(powers) for powers in self.exponents],
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> PolynomialBasis:
        recurrences = tuple(
            Recurrence(float(r["middle"]), float(r["half"]), *(tuple(map(float, r[key])) for key in "abs"))
            for r in stored["recurrences"]
        )
        return cls(recurrences, tuple(tuple(int(e) for e in powers) for powers in stored["exponents"]))


def monomial_names(inputs: tuple[str, ...], powers: tuple[tuple[int, ...], ...]) -> tuple[str, ...]:
    """'x1', 'x1^2', 'x1 x2', … as scikit-learn writes them.

    >>> monomial_names(("a", "b"), ((1, 0), (2, 1)))
    ('a', 'a^2 b')
    """
    return tuple(
        " ".join(name if e == 1 else f"{name}^{e}" for name, e in zip(inputs, row, strict=True) if e)
        for row in powers
    )
