"""A model written as text, such as "a * exp(-b * x) + c": read by Python's own parser, and nothing but arithmetic."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, final

import numpy as np

from betahat.errors import FormulaError

FUNCTIONS: dict[str, Any] = {
    **{name: getattr(np, name) for name in (
        "exp", "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt", "abs", "sign", "sin", "cos", "tan", "arcsin",
        "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "minimum", "maximum",
        "where", "floor", "ceil", "hypot",
    )},
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "ln": np.log,
}  # fmt: skip
"""What an expression may call; of scipy.special erf, erfc, gamma and gammaln come when asked for."""
_SPECIAL = ("erf", "erfc", "gamma", "gammaln", "expit")
_CONSTANTS = {"pi": np.pi}
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.USub, ast.UAdd)
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_LONGEST = 10_000


@final
class Expression:
    """A function of columns and parameters, read from text.

    text : arithmetic (+ − * / **), comparisons (for where), numbers, `pi`, the functions in FUNCTIONS, and names.
    columns : which names are columns of X, in order; every other name is a parameter.

    Called as f(X, *parameters) with X (n,) or (n, d). Raises FormulaError for text that is not such an expression.

    >>> import numpy as np
    >>> f = Expression("a * exp(-b * x) + c", ["x"])
    >>> f.parameters, f.used
    (('a', 'b', 'c'), ('x',))
    >>> f(np.array([0.0, 1.0]), 2.0, 1.0, 1.0).round(4)
    array([3.    , 1.7358])
    """

    def __init__(self, text: str, columns: Sequence[str]) -> None:
        self.text, self.columns = text, tuple(columns)
        tree = _read(text)
        names, called = _names(tree)
        clash = [name for name in names if name in called]
        if clash:
            raise FormulaError(f"model {text!r} has {clash[0]!r} as a function and as a number; rename one")
        self.used = tuple(name for name in self.columns if name in names)
        self.parameters = tuple(name for name in names if name not in self.columns)
        if "e" in self.parameters:
            raise FormulaError(
                f"model {text!r}: e is not a parameter's name, since it is Euler's number: write exp(…)"
            )
        if not self.parameters:
            raise FormulaError(
                f"model {text!r} has no parameters: its names are columns ({', '.join(self.columns)}), functions and "
                "constants"
            )
        self._called = {name: _function(name) for name in called}
        self._code = compile(ast.fix_missing_locations(tree), "<model>", "eval")
        self.__name__ = text

    def __call__(self, X: Any, *parameters: Any) -> Any:
        if np.ndim(X) == 1:
            values = {self.columns[0]: X} if len(self.columns) == 1 else {}
        else:
            values = {name: X[:, j] for j, name in enumerate(self.columns) if name in self.used}
        scope = {"__builtins__": {}, **_CONSTANTS, **self._called, **values}
        scope.update(zip(self.parameters, parameters, strict=True))
        try:
            return eval(self._code, scope)
        except (OverflowError, ZeroDivisionError) as error:
            raise FormulaError(f"model {self.text!r} cannot be computed: {error}") from None

    def __repr__(self) -> str:
        return f"Expression({self.text!r}, {list(self.columns)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Expression, (self.text, self.columns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and (self.text, self.columns) == (other.text, other.columns)

    def __hash__(self) -> int:
        return hash((self.text, self.columns))


def names_in(text: str) -> tuple[str, ...]:
    """The names of an expression that are neither functions nor constants, in order of first appearance."""
    return tuple(_names(_read(text))[0])


def _function(name: str) -> Any:
    if name in _SPECIAL:
        import scipy.special

        return getattr(scipy.special, name)
    return FUNCTIONS[name]


def _read(text: str) -> ast.Expression:
    """The checked tree, its numbers made floats, so that no whole number grows beyond bounds."""
    if not isinstance(text, str):
        raise TypeError(f"model (={text!r}) must be text, such as 'a * exp(-b * x) + c'")
    if len(text) > _LONGEST:
        raise FormulaError(f"model has {len(text)} characters; at most {_LONGEST} are read")
    if "^" in text:
        raise FormulaError(f"model {text!r}: powers are written **, not ^")
    if "~" in text:
        raise FormulaError(
            f"model {text!r}: give the right side only; the target is named beside it (y=, --y)"
        )
    try:
        tree = ast.parse(text.strip(), mode="eval")
        checked = _Checked(text).visit(tree)
    except SyntaxError as error:
        hint = "; give the right side only" if "=" in text else ""
        raise FormulaError(f"model {text!r} cannot be read: {error.msg}{hint}") from None
    except (RecursionError, MemoryError, ValueError) as error:
        if isinstance(error, FormulaError):
            raise
        raise FormulaError(f"model {text[:50]!r}… cannot be read: it is nested too deeply") from None
    return checked


class _Checked(ast.NodeTransformer):
    """Lets arithmetic through and refuses everything else by name."""

    def __init__(self, text: str) -> None:
        self._text = text

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, (ast.Expression, ast.BinOp, ast.UnaryOp, *_OPERATORS, *_COMPARISONS, ast.Load)):
            return self.generic_visit(node)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return self.generic_visit(node)
        if isinstance(node, ast.Name):
            return node
        if isinstance(node, ast.Constant):
            value = node.value
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return ast.copy_location(ast.Constant(float(value)), node)
        if isinstance(node, ast.Call) and not node.keywords:
            called = node.func
            if isinstance(called, ast.Attribute) and ast.unparse(called.value) in ("np", "numpy", "math"):
                node.func = ast.copy_location(ast.Name(called.attr, ast.Load()), called)
            if isinstance(node.func, ast.Name):
                if node.func.id not in FUNCTIONS and node.func.id not in _SPECIAL:
                    raise FormulaError(
                        f"model {self._text!r}: {node.func.id}(…) is not a function it may call; there are "
                        f"{', '.join([*FUNCTIONS, *_SPECIAL])}"
                    )
                return self.generic_visit(node)
        raise FormulaError(
            f"model {self._text!r}: {ast.unparse(node)!r} ({type(node).__name__}) has no place in an expression of "
            "columns, parameters, numbers and functions"
        )


def _names(tree: ast.AST) -> tuple[list[str], list[str]]:
    """Names that stand for numbers, and those that are called, in the order in which a reader meets them."""
    called = {id(n.func): n.func for n in ast.walk(tree) if isinstance(n, ast.Call)}
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called]
    found.sort(key=lambda n: (n.lineno, n.col_offset))
    numbers = [n.id for n in found if n.id not in _CONSTANTS]
    functions = [n.id for n in called.values() if isinstance(n, ast.Name)]
    return list(dict.fromkeys(numbers)), list(dict.fromkeys(functions))
