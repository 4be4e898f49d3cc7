"""When straight-line programs run compiled, and how.

Loading the compiler's library and the kernels takes about half a second, compiling them ten, and a small fit a few
milliseconds. So both wait until a process has worked on such functions for about as long (rent until the rent has come
to the price): then no process ever takes more than twice as long as it would have in hindsight. Work is counted in
evaluations and rows, not in seconds, so that a script that is run again has the same kernels at the same fits.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np

from betahat.kernels.program import MULTIPLY, Program, program

_AN_EVALUATION = 1_000  # what NumPy's calls cost in rows
_LOADING, _COMPILING = 5_000_000, 200_000_000  # rows that could have been worked on meanwhile

_HEAD, _VECTORS, _SQUARES = 6, 7, 4  # numbers, arrays (p,) and arrays (p, p) of `Assessed`
_FAR = 1e5  # length of an inverse triangle up to which no rank is in doubt


@final
class _Kernels:
    """The kernels of this process: not there, or loaded."""

    def __init__(self) -> None:
        self.work = 0
        self.modules: tuple[Any, Any, Any] | None = None
        self._asked = False

    def load(self, compiling: bool) -> None:
        """Read them from the cache; compile those that are not there only if `compiling`."""
        from betahat.kernels import assess_compiled, program_compiled, squares_compiled
        from betahat.kernels.compiled import is_at_hand

        modules = program_compiled, squares_compiled, assess_compiled
        every = _examples(*modules)
        if compiling or all(is_at_hand(kernel, arguments) for kernel, arguments in every):
            for kernel, arguments in every:
                kernel(*arguments)
            self.modules = modules

    def spend(self, evaluations: int, rows: int) -> None:
        """Take work into account, and load or compile once it is time."""
        self.work += evaluations * (_AN_EVALUATION + rows)
        if self.modules is None and self.work >= (_COMPILING if self._asked else _LOADING):
            self.load(self._asked)
            self._asked = True


_kernels = _Kernels()


def at_hand() -> bool:
    """Whether this process has the kernels."""
    return _kernels.modules is not None


def load() -> None:
    """Load the kernels now, and compile them if need be."""
    if not at_hand():
        _kernels.load(compiling=True)


def spend(evaluations: int, rows: int) -> None:
    """Tell of work done without kernels: so many evaluations of a function of so many rows."""
    _kernels.spend(evaluations, rows)


def _examples(programs: Any, squares: Any, ends: Any) -> list[tuple[Any, tuple[Any, ...]]]:
    """Every kernel with arguments of the types that it is called with."""
    p = program(1, np.zeros(0), np.ones((1, 2)), [(MULTIPLY, 0, 1)], 2)
    beta, rows, code = np.ones(1), np.ones(2), (p.constants, p.columns, p.operations, p.result)
    return [
        (programs.values, (beta, *code, rows.copy())),
        (programs.jacobian, (beta, *code, p.moves, rows.copy(), np.ones((1, 2)), np.zeros(0))),
        (programs.curvature, (beta, *code, p.moves, rows, np.ones((1, 1)))),
        (
            squares.advance,
            (
                *code,
                p.moves,
                rows,
                rows,
                rows,
                (1.0,) * 8,
                0,
                beta,
                beta,
                np.zeros(1),
                np.zeros(7),
                np.ones((0, 3)),
            ),
        ),
        (
            ends.assess,
            (*code, p.moves, beta, rows, rows, rows, 0.0, 0.0, 0.0, 0.0, 0.0, np.ones((1, 2)), np.empty(17)),
        ),
        (
            squares.newton,
            (
                *code,
                p.moves,
                rows,
                rows,
                0.0,
                0.0,
                beta,
                rows.copy(),
                np.ones((1, 2)),
                np.ones(1),
                np.ones(1),
            ),
        ),
    ]


@final
class Assessed:
    """What is known of the end of a fit of squares, as :func:`~betahat.kernels.assess_compiled.assess` writes it."""

    __slots__ = ("J", "_out", "_p")

    def __init__(self, J: np.ndarray, out: np.ndarray) -> None:
        self.J, self._p, self._out = J, J.shape[1], out
        """J : ∂f/∂x (n, p)."""

    def _vector(self, place: int) -> np.ndarray:
        begin = _HEAD + place * self._p
        return self._out[begin : begin + self._p]

    def _square(self, place: int) -> np.ndarray:
        p = self._p
        begin = _HEAD + (_VECTORS + place * p) * p
        return self._out[begin : begin + p * p].reshape(p, p)

    @property
    def loss(self) -> float:
        return float(self._out[0])

    @property
    def size(self) -> float:
        """Of what is left to win, negative where that is not known."""
        return float(self._out[1])

    @property
    def clean(self) -> bool:
        """Whether all is finite."""
        return self._out[2] != 0

    @property
    def agrees(self) -> bool:
        """Whether f is the program's."""
        return self._out[3] != 0

    @property
    def stationary(self) -> bool:
        return self._out[4] != 0

    @property
    def worst(self) -> int:
        return int(self._out[5])

    @property
    def gradient(self) -> np.ndarray:
        return self._vector(0)

    @property
    def magnitude(self) -> np.ndarray:
        return self._vector(1)

    @property
    def rounding(self) -> np.ndarray:
        return self._vector(2)

    @property
    def tolerances(self) -> np.ndarray:
        return self._vector(3)

    @property
    def bound(self) -> np.ndarray:
        return self._vector(4)

    @property
    def eigenvalues(self) -> np.ndarray:
        return self._vector(5)

    @property
    def scale(self) -> np.ndarray:
        return self._vector(6)

    @property
    def hessian(self) -> np.ndarray:
        return self._square(0)

    @property
    def bent(self) -> np.ndarray:
        return self._square(1)

    @property
    def vectors(self) -> np.ndarray:
        return self._square(2)

    @property
    def inverse(self) -> np.ndarray | None:
        """None where a rank is in doubt."""
        return self._square(3) if self._out[1] >= 0 else None


@final
class Running:
    """A program run by the kernels of this process. β : (p,) float64."""

    def __init__(self, program: Program) -> None:
        assert _kernels.modules is not None
        self.program = program
        self._programs, self._squares, self._ends = _kernels.modules
        self._code = program.constants, program.columns, program.operations, program.result

    def values(self, beta: np.ndarray) -> np.ndarray:
        """f (n,)."""
        out = np.empty(self.program.rows)
        self._programs.values(_numbers(beta), *self._code, out)
        return out

    def jacobian(self, beta: np.ndarray, reach: np.ndarray = np.empty(0)) -> tuple[np.ndarray, np.ndarray]:  # noqa: B008
        """f (n,), ∂f/∂β (n, p); in `reach` (n,), if given, what errors of one rounding unit in every operation can sum
        up to in f, in such units."""
        n = self.program.rows
        out, J = np.empty(n), np.empty((self.program.size, n))
        self._programs.jacobian(_numbers(beta), *self._code, self.program.moves, out, J, reach)
        return out, J.T

    def curvature(self, beta: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Σ weightᵢ ∂²fᵢ/∂β² (p, p)."""
        p = self.program.size
        H = np.empty((p, p))
        self._programs.curvature(_numbers(beta), *self._code, self.program.moves, _numbers(weight), H)
        return (H + H.T) / 2

    def advance(
        self, y: np.ndarray, root: np.ndarray, value: np.ndarray, settings: tuple[float, ...], most: int,
        x: np.ndarray, gradient: np.ndarray, unit: np.ndarray, numbers: np.ndarray,
    ) -> np.ndarray | None:  # fmt: skip
        """Iterations of Levenberg and Marquardt's from x, see :func:`~betahat.kernels.squares_compiled.advance`: the
        rows of the trace, as many as there were iterations; None where f's `value` is not the program's. x, gradient,
        unit (p,) and numbers (7,) are written to."""
        rows = np.empty((most, 3))
        done = self._squares.advance(
            *self._code,
            self.program.moves,
            y,
            root,
            _numbers(value),
            settings,
            most,
            x,
            gradient,
            unit,
            numbers,
            rows,
        )
        return rows[:done] if done >= 0 else None

    def newton(
        self, root: np.ndarray, r: np.ndarray, safe: float, eps: float, x: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What is left to win, the gradient, Newton's step, f and ∂f/∂β (n, p) at x, see
        :func:`~betahat.kernels.squares_compiled.newton`."""
        p, n = self.program.size, self.program.rows
        f, J, gradient, step = np.empty(n), np.empty((p, n)), np.empty(p), np.empty(p)
        size = self._squares.newton(
            *self._code, self.program.moves, root, r, safe, eps, _numbers(x), f, J, gradient, step
        )
        return size, gradient, step, f, J.T

    def assess(
        self, beta: np.ndarray, f: np.ndarray, residual: np.ndarray, share: np.ndarray, digits: float,
        vanishing: float, units: float, tolerance: float,
    ) -> Assessed:  # fmt: skip
        """All sums over rows at the end of a fit of squares."""
        p, n = self.program.size, self.program.rows
        J, out = np.empty((p, n)), np.empty(_HEAD + (_VECTORS + _SQUARES * p) * p)
        self._ends.assess(
            *self._code, self.program.moves, _numbers(beta), _numbers(f), _numbers(residual), _numbers(share),
            digits, vanishing, units, _FAR, tolerance, J, out,
        )  # fmt: skip
        return Assessed(J.T, out)


def _numbers(values: np.ndarray) -> np.ndarray:
    """As the kernels take numbers: float64, one beside the other, writable."""
    if values.flags.writeable and values.flags.c_contiguous and values.dtype == np.float64:
        return values
    return np.array(values, np.float64)
