"""A model written as text, such as "a * exp(-b * x) + c": read by Python's own parser, and nothing but arithmetic."""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
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
"""What an expression may call; of scipy.special erf, erfc, gamma, gammaln and expit come when asked for."""
_SPECIAL = ("erf", "erfc", "gamma", "gammaln", "expit")
_RESERVED = {"e": "Euler's number", "inf": "infinity", "nan": "no number"}
_TWO = (
    "arctan2",
    "atan2",
    "hypot",
    "minimum",
    "maximum",
)  # functions of two numbers; where takes three, the rest one
_MODULES = ("np", "numpy", "math")
_CONSTANTS = {"pi": np.pi}
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.USub, ast.UAdd)
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_LONGEST = 10_000
_QUOTED = re.compile(r"`([^`]+)`")
_STAND_IN = "_quoted_{}_"  # what a name in backquotes is called while Python's parser reads it


@final
class Expression:
    """A function of columns and parameters, read from text.

    text : arithmetic (+ − * / **), comparisons (for where), numbers, `pi`, the functions in FUNCTIONS, and names. Those
        of columns that are not plain words stand in backquotes: ``"a * `dose (mg)`"``.
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
        tree, quoted = _read(text)
        told = _told(text)
        found, called = _names(tree)
        # Python reads names in their compatible form (NFKC), in which columns need not be.
        alike = {unicodedata.normalize("NFKC", name): name for name in self.columns}
        meant = {n: quoted.get(n, n if n in self.columns else alike.get(n, n)) for n in found}
        names = list(dict.fromkeys(meant.values()))
        strange = [name for name in quoted.values() if name not in self.columns]
        if strange:
            raise FormulaError(
                f"{told}: there is no column `{strange[0]}`; the columns are {', '.join(self.columns)}"
            )
        plain = [name for name in found if name not in quoted]
        clash = [name for name in plain if name in called]
        if clash:
            raise FormulaError(f"{told} has {clash[0]!r} as a function and as a number; rename one")
        clash = [name for name in _constants(tree) if name in self.columns]
        if clash:
            raise FormulaError(
                f"{told}: {clash[0]} is a number and a column; write `{clash[0]}` in backquotes for the column"
            )
        self.used = tuple(name for name in self.columns if name in names)
        self.parameters = tuple(name for name in names if name not in self.columns)
        for name in self.parameters:
            if name in _RESERVED or name in FUNCTIONS:
                raise FormulaError(
                    f"{told}: {name} is not a parameter's name, since it is {_RESERVED.get(name, 'a function')}: "
                    f"{'write exp(…)' if name == 'e' else 'rename it'}"
                )
        if not self.parameters:
            raise FormulaError(
                f"{told} has no parameters: its names are columns ({', '.join(self.columns)}), functions and constants"
            )
        self._called = {name: _function(name) for name in called}
        self._places = [(name, self.columns.index(c)) for name, c in meant.items() if c in self.used]
        self._code = compile(ast.fix_missing_locations(tree), "<model>", "eval")
        self.__name__ = text

    def __call__(self, X: Any, *parameters: Any) -> Any:
        single = np.ndim(X) == 1
        if single and len(self.columns) > 1:
            raise ValueError(
                f"X has one dimension, and the columns are {', '.join(self.columns)}; pass X (n, d)"
            )
        values = {name: X if single else X[:, place] for name, place in self._places}
        scope = {"__builtins__": {}, **_CONSTANTS, **self._called, **values}
        scope.update(zip(self.parameters, parameters, strict=True))
        try:
            return eval(self._code, scope)
        except (OverflowError, ZeroDivisionError) as error:
            raise FormulaError(f"{_told(self.text)} cannot be computed: {error}") from None

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
    tree, quoted = _read(text)
    return tuple(dict.fromkeys(quoted.get(name, name) for name in _names(tree)[0]))


def _function(name: str) -> Any:
    if name in _SPECIAL:
        import scipy.special

        return getattr(scipy.special, name)
    return FUNCTIONS[name]


def _read(text: str) -> tuple[ast.Expression, dict[str, str]]:
    """The checked tree, its numbers made floats, so that no whole number grows beyond bounds; and what the stand-ins in
    it are called."""
    if not isinstance(text, str):
        raise TypeError(f"model (={text!r}) must be text, such as 'a * exp(-b * x) + c'")
    if len(text) > _LONGEST:
        raise FormulaError(f"model has {len(text)} characters; at most {_LONGEST} are read")
    quoted: dict[str, str] = {}

    def stand_in(match: re.Match[str]) -> str:
        name = next((name for name, stands in quoted.items() if stands == match[1]), None)
        name = name or _STAND_IN.format(len(quoted))
        quoted[name] = match[1]
        return name

    plain, told = _QUOTED.sub(stand_in, text), _told(text)
    if "^" in plain:
        raise FormulaError(f"{told}: powers are written **, not ^")
    if "~" in plain:
        raise FormulaError(f"{told}: give the right side only; the target is named beside it (y=, --y)")
    if "#" not in plain:
        plain = " ".join(plain.splitlines())
    try:
        tree = ast.parse(plain.strip(), mode="eval")
        return _Checked(told).visit(tree), quoted
    except SyntaxError as error:
        raise FormulaError(f"{told} cannot be read: {error.msg}{_hint(plain)}") from None
    except OverflowError:
        raise FormulaError(f"{told} holds a number beyond the largest double, 1.8e308") from None
    except (RecursionError, MemoryError, ValueError) as error:
        if isinstance(error, FormulaError):
            raise
        raise FormulaError(f"{told} cannot be read: it is nested too deeply") from None


def _told(text: str) -> str:
    """The model as messages show it."""
    return f"model {text!r}" if len(text) <= 120 else f"model {text[:100]!r}…"


def _hint(plain: str) -> str:
    """What was probably meant by text that Python's parser refuses."""
    words = [word for word in re.findall(r"[^\W\d]\w*", plain) if keyword.iskeyword(word)]
    if words:
        return f"; {words[0]} is one of Python's own words: rename it, or put a column's name in backquotes"
    if "=" in plain:
        return "; give the right side only"
    return "; backquotes stand around the name of a column" if "`" in plain else ""


@final
class _Checked(ast.NodeTransformer):
    """Lets arithmetic through and refuses everything else by name."""

    def __init__(self, told: str) -> None:
        self._told = told

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, (ast.Expression, ast.BinOp, ast.UnaryOp, *_OPERATORS, *_COMPARISONS, ast.Load)):
            return self.generic_visit(node)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return self.generic_visit(node)
        if isinstance(node, ast.Name):
            return node
        if isinstance(node, ast.Attribute) and node.attr in _CONSTANTS and _is_module(node.value):
            return ast.copy_location(ast.Name(node.attr, ast.Load()), node)
        if isinstance(node, ast.Constant):
            value = node.value
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                number = float(value)
                if number == float("inf"):
                    raise OverflowError
                return ast.copy_location(ast.Constant(number), node)
        if isinstance(node, ast.Call) and not node.keywords:
            called = node.func
            if isinstance(called, ast.Attribute) and _is_module(called.value):
                node.func = ast.copy_location(ast.Name(called.attr, ast.Load()), called)
            if isinstance(node.func, ast.Name):
                self._check_call(node.func.id, len(node.args))
                return self.generic_visit(node)
        written = ast.unparse(node)
        raise FormulaError(
            f"{self._told}: {f'{written!r} ({type(node).__name__})' if written else type(node).__name__} has no place "
            "in an expression of columns, parameters, numbers and functions"
        )

    def _check_call(self, name: str, given: int) -> None:
        """A function it may call, with as many arguments as it has: a ufunc's further one would be written into."""
        if name not in FUNCTIONS and name not in _SPECIAL:
            raise FormulaError(
                f"{self._told}: {name}(…) is not a function it may call; there are "
                f"{', '.join([*FUNCTIONS, *_SPECIAL])}"
            )
        takes = 3 if name == "where" else 2 if name in _TWO else 1
        if given != takes:
            raise FormulaError(
                f"{self._told}: {name}(…) takes {takes} argument{'s'[: takes - 1]}, not {given}"
            )


def _is_module(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in _MODULES


def _constants(tree: ast.AST) -> list[str]:
    """The constants that it names."""
    return [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id in _CONSTANTS]


def _names(tree: ast.AST) -> tuple[list[str], list[str]]:
    """Names that stand for numbers, and those that are called, in the order in which a reader meets them."""
    called = {id(n.func): n.func for n in ast.walk(tree) if isinstance(n, ast.Call)}
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called]
    found.sort(key=lambda n: (n.lineno, n.col_offset))
    numbers = [n.id for n in found if n.id not in _CONSTANTS]
    functions = [n.id for n in called.values() if isinstance(n, ast.Name)]
    return list(dict.fromkeys(numbers)), list(dict.fromkeys(functions))
