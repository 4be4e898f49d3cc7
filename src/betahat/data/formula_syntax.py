"""What a formula may say. Everything is checked here before formulaic evaluates any of it.

formulaic evaluates parts of a formula as Python, some of it while parsing. A formula may come from a model
file, so each part is first parsed with `ast` and refused unless it is arithmetic on columns and calls of the
functions listed here.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, final
from unicodedata import normalize

from betahat.errors import FormulaError

_OF_ONE = (
    *("abs", "sign", "sqrt", "cbrt", "square", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p"),
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "deg2rad", "rad2deg"),
    *("sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "floor", "ceil", "trunc", "rint"),
)
ELEMENTWISE = {
    **dict.fromkeys(_OF_ONE, 1),
    **dict.fromkeys(("arctan2", "hypot", "power", "maximum", "minimum", "isin", "round"), 2),
    **dict.fromkeys(("clip", "where"), 3),
}
"""NumPy functions of each row by itself, with `np.` before them or without, and how many arguments they
take: the one after those would be an array to write into."""
STATEFUL = ("center", "scale", "standardize", "poly", "bs", "cr", "cs", "cc")
"""Functions that learn something from the training rows and must use it again in prediction."""
CONTRASTS = ("treatment", "sum", "helmert", "diff", "poly", "sas")
CONTRASTS_BY_NAME = ("Treatment", "Sum", "Helmert", "Diff", "Poly")
OFFSET = "offset"
"""`offset(...)` stands on the right side by itself: what is in it is added to the linear predictor as it is."""
FUNCTIONS = (*ELEMENTWISE, *STATEFUL, *CONTRASTS_BY_NAME, "C", "I", OFFSET)
_KEYWORDS = (
    *("contrasts", "levels", "spans_intercept", "base", "reference", "scores"),
    *("df", "knots", "degree", "include_intercept", "lower_bound", "upper_bound", "extrapolation"),
    *("raw", "center", "scale", "rescale", "ddof", "decimals"),
)
_NUMPY_CONSTANTS = ("pi", "e")

_LONGEST, _SHOWN, _DEEPEST, _HIGHEST_POWER, _HIGHEST_DEGREE = 10_000, 200, 50, 5, 100
_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`([^`]+)`""")
_ALIAS = re.compile(r"_column_((?:[0-9a-f]{2})+)_")
_OPERATORS = (
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.Mod, ast.FloorDiv, ast.BitAnd, ast.BitOr),
    *(ast.UAdd, ast.USub, ast.Invert, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq),
)


@final
@dataclass(frozen=True, slots=True)
class Parsed:
    """A formula that was read and found harmless.

    left, right : formulaic's terms of either side; the right side holds "1" where there is an intercept.
    offset : the terms `offset(...)` of the right side, which are not in `right`.
    left_inputs, right_inputs, offset_inputs : the columns of the table each needs, in order of appearance.
    coded : columns that are categories because they stand in `C(column)`.
    stateful : functions used that learn from the rows.
    coded_expressions : what else than a column stands in `C(...)`.
    """

    left: tuple[Any, ...]
    right: tuple[Any, ...]
    offset: tuple[Any, ...]
    left_inputs: tuple[str, ...]
    right_inputs: tuple[str, ...]
    offset_inputs: tuple[str, ...]
    coded: frozenset[str]
    coded_expressions: tuple[str, ...]
    stateful: tuple[str, ...]
    uses_dot: bool

    @property
    def has_intercept(self) -> bool:
        return any(not term.degree for term in self.right)

    @property
    def plain_target(self) -> bool:
        """Whether the left side is one column as it is."""
        return [unalias(str(term)) for term in self.left] == list(self.left_inputs[:1])


def alias(name: str) -> str:
    """A Python identifier for a column of any name; itself where it is one (formulaic mangles the rest)."""
    plain = name.isidentifier() and normalize("NFKC", name) == name and not keyword.iskeyword(name)
    return name if plain else f"_column_{name.encode().hex()}_"


def unalias(text: str) -> str:
    """Text with the columns' own names."""
    return _ALIAS.sub(lambda match: bytes.fromhex(match.group(1)).decode(), text)


def parse(formula: str, columns: Iterable[str], without: Iterable[str] = ()) -> Parsed:
    """Read a formula for a table with these columns; `.` does not stand for those of `without`.

    Raises FormulaError where it cannot be read, has no target or no right side, uses something that is
    neither a column nor a function of the list, or could do more than arithmetic.
    """
    from formulaic.errors import FormulaicError
    from formulaic.parser import DefaultFormulaParser
    from formulaic.parser.algos.tokenize import tokenize

    if not isinstance(formula, str):
        raise FormulaError(f"a formula is text such as 'y ~ x', and this is {type(formula).__name__}")
    if len(formula) > _LONGEST:
        raise FormulaError(f"the formula has {len(formula):,} characters; up to {_LONGEST:,} are read")
    shown = formula if len(formula) <= _SHOWN else formula[:_SHOWN] + " ..."
    text = _QUOTED.sub(lambda m: m.group(0) if m.group(1) is None else alias(m.group(1)), formula)
    if "`" in text:
        raise FormulaError(f"the formula {shown!r} has a backquote without its partner")
    sides = [side.strip() for side in text.split("~")]
    if len(sides) != 2 or not all(sides):
        raise FormulaError(
            f"the formula {shown!r} needs a target, one '~' and predictors: 'y ~ x1 + x2' ('y ~ 1' fits a "
            "mean)"
        )
    try:
        text = _plain_names(text, list(tokenize(text)))
        text = _squares(text, list(tokenize(text)))
        tokens = list(tokenize(text))
        _check_tokens(tokens)
        from formulaic import Formula

        uses_dot = any(token.token == "." for token in tokens)
        available = [name for name in columns if not (uses_dot and name in without)]
        read = Formula.from_spec(
            text,
            parser=DefaultFormulaParser(feature_flags=DefaultFormulaParser.FeatureFlags.TWOSIDED),
            context={"__formulaic_variables_available__": [alias(name) for name in available]},
        )
        left, right = tuple(read.lhs), tuple(read.rhs)  # pyright: ignore[reportAttributeAccessIssue]
    except FormulaError as error:
        raise FormulaError(f"the formula {shown!r}: {error}") from None
    except (FormulaicError, SyntaxError, AttributeError, TypeError, ValueError, RecursionError) as error:
        reason = unalias(str(error).splitlines()[0] if str(error) else type(error).__name__)
        raise FormulaError(f"the formula {shown!r} cannot be read: {reason}") from None
    return _examine(shown, left, right, available, uses_dot)


def _examine(
    formula: str, left: tuple[Any, ...], right: tuple[Any, ...], known: list[str], dot: bool
) -> Parsed:
    """The checks that need whole terms, and what the terms use."""
    offset = tuple(term for term in right if _is_offset(term))
    terms = tuple(term for term in right if term not in offset)
    if not terms:
        raise FormulaError(f"the formula {formula!r} has nothing on its right side; 'y ~ 1' fits a mean")
    try:
        for term in (*left, *terms):
            _refuse_offset(term)
        left_inputs, right_inputs, offset_inputs = (_inputs(part, known) for part in (left, terms, offset))
        for term in offset:
            if not _inputs((term,), known):
                raise FormulaError(
                    f"`{unalias(str(term))}` has no column; a number for all is the intercept's"
                )
    except FormulaError as error:
        raise FormulaError(f"the formula {formula!r}: {error}") from None
    if not left_inputs:
        raise FormulaError(f"the formula {formula!r} has no column on its left side, so nothing to predict")
    calls = [
        node for expr in _expressions(right) for node in ast.walk(_tree(expr)) if isinstance(node, ast.Call)
    ]
    coded = [call.args[0] for call in calls if _function(call) == "C" and call.args]
    return Parsed(
        left,
        terms,
        offset,
        left_inputs,
        right_inputs,
        offset_inputs,
        frozenset(unalias(node.id) for node in coded if isinstance(node, ast.Name)),
        tuple(unalias(ast.unparse(node)) for node in coded if not isinstance(node, ast.Name)),
        tuple(dict.fromkeys(name for call in calls if (name := _function(call)) in STATEFUL)),
        dot,
    )


def _plain_names(text: str, tokens: list[Any]) -> str:
    """The formula with an alias for every name formulaic stumbles over, such as Sepal.Length or class."""
    for token in reversed([token for token in tokens if token.kind.value == "name" and token.token != "."]):
        text = text[: token.source_start] + alias(token.token) + text[token.source_end + 1 :]
    return text


def _squares(text: str, tokens: list[Any]) -> str:
    """`x**2` on a column alone as I(x**2): as a set of interactions it would be x itself, silently."""
    for base, operator, power in reversed(list(zip(tokens, tokens[1:], tokens[2:], strict=False))):
        if base.kind.value == "name" and operator.token in ("**", "^") and power.token.isdigit():
            squared = f"I({base.token}**{power.token})"
            text = text[: base.source_start] + squared + text[power.source_end + 1 :]
    return text


def _check_tokens(tokens: list[Any]) -> None:
    for place, token in enumerate(tokens):
        if token.kind.value == "python":
            check_expression(token.token)
            if place and tokens[place - 1].token == "-" and token.token.startswith(f"{OFFSET}("):
                raise FormulaError(
                    f"`- {unalias(token.token)}` would take nothing away; write offset(-(...))"
                )
        if token.token in ("**", "^") and place + 1 < len(tokens):
            power = tokens[place + 1].token
            if not power.isdigit() or int(power) > _HIGHEST_POWER:
                raise FormulaError(
                    f"`( ... )**{power}` asks for all interactions up to that order, a whole number up to "
                    f"{_HIGHEST_POWER}; for a power of a column write I(x**{power})"
                )


def _factors(terms: Iterable[Any]) -> Iterator[Any]:
    return (factor for term in terms for factor in term.factors)


def _expressions(terms: Iterable[Any]) -> Iterator[str]:
    return (factor.expr for factor in _factors(terms) if factor.eval_method.value == "python")


def _inputs(terms: tuple[Any, ...], known: list[str]) -> tuple[str, ...]:
    from betahat.data.frame import near

    used: dict[str, None] = {}
    for factor in _factors(terms):
        if factor.eval_method.value == "lookup":
            used[unalias(factor.expr)] = None
        elif factor.eval_method.value == "python":
            used |= dict.fromkeys(unalias(name) for name in check_expression(factor.expr))
    for name in used:
        if name not in known:
            raise FormulaError(f"there is no column {name!r}; {near(name, known)}")
    return tuple(used)


def _is_offset(term: Any) -> bool:
    factors = tuple(term.factors)
    if len(factors) != 1 or factors[0].eval_method.value != "python":
        return False
    body = _tree(factors[0].expr).body
    return isinstance(body, ast.Call) and _function(body) == OFFSET


def _refuse_offset(term: Any) -> None:
    """A FormulaError for an offset on the left side or in an interaction."""
    if any(_is_offset(SimpleNamespace(factors=[factor])) for factor in term.factors):
        raise FormulaError(
            f"`{unalias(str(term))}`: offset(...) is added to the predictor as it is, and stands on the right side "
            "by itself: y ~ x + offset(log(n))"
        )


def _tree(expr: str) -> ast.Expression:
    return ast.parse(expr.strip(), mode="eval")


def _function(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def check_expression(expr: str) -> list[str]:
    """The columns (or their aliases) of a Python part of a formula; a FormulaError unless it is harmless."""
    try:
        tree = _tree(expr)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise FormulaError(f"`{unalias(expr)[:80]}` is no expression that can be read") from None
    names: list[str] = []
    _check(tree.body, names, 0)
    return names


def _check(node: ast.AST, names: list[str], depth: int, inside_c: bool = False) -> None:
    if depth > _DEEPEST:
        raise FormulaError(f"an expression is nested more than {_DEEPEST} deep")
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None):
            return
        case ast.Name(id=name):
            if not (inside_c and name in CONTRASTS_BY_NAME):
                names.append(name)
            return
        case ast.Attribute(value=ast.Name(id="np"), attr=name) if name in _NUMPY_CONSTANTS:
            return
        case ast.Attribute(value=ast.Name(id="contr"), attr=name) if inside_c and name in CONTRASTS:
            return
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _OPERATORS):
            parts: list[ast.AST] = [left, right]
            if isinstance(op, ast.Pow) and not any(isinstance(n, ast.Name) for n in ast.walk(node)):
                raise FormulaError(f"`{_show(node)}` is a power of numbers; write its value")
        case ast.UnaryOp(op=op, operand=operand) if isinstance(op, _OPERATORS):
            parts = [operand]
        case ast.Compare(left=left, ops=ops, comparators=right) if all(
            isinstance(o, _OPERATORS) for o in ops
        ):
            parts = [left, *right]
        case ast.List(elts=parts_) | ast.Tuple(elts=parts_):
            parts = list(parts_)
        case ast.Call(func=func, args=args, keywords=keywords):
            _check_call(node, func, args, keywords, inside_c)
            if isinstance(func, ast.Name) and func.id == OFFSET and (depth or len(args) != 1 or keywords):
                raise FormulaError(f"`{_show(node)}`: offset(...) stands by itself and takes one expression")
            inside_c = isinstance(func, ast.Name) and func.id == "C"
            parts = [*args, *(word.value for word in keywords)]
        case _:
            raise FormulaError(_refusal(node))
    for part in parts:
        _check(part, names, depth + 1, inside_c)


def _check_call(
    node: ast.AST, func: ast.AST, args: list[ast.expr], keywords: list[ast.keyword], inside_c: bool
) -> None:
    match func:
        case ast.Name(id=name) if name in FUNCTIONS:
            if name in CONTRASTS_BY_NAME and not inside_c:
                raise FormulaError(f"`{_show(node)}` is a coding of categories; it stands in C(column, ...)")
        case ast.Attribute(value=ast.Name(id="np"), attr=name) if name in ELEMENTWISE:
            pass
        case ast.Attribute(value=ast.Name(id="contr"), attr=name) if inside_c and name in CONTRASTS:
            pass
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="np"), attr=name):
            from betahat.data.frame import near

            if name == "Q":
                raise FormulaError(
                    f"`{_show(node)}`: a name that needs quotes stands in backquotes, `like this`"
                )
            raise FormulaError(
                f"`{_show(func)}` is not a function a formula can use (they work on each row by itself; what "
                f"must see all rows is center(), scale(), poly(), bs()); {near(name, FUNCTIONS)}"
            )
        case _:
            raise FormulaError(_refusal(node))
    if any(isinstance(arg, ast.Starred) for arg in args) or any(word.arg is None for word in keywords):
        raise FormulaError(f"`{_show(node)}` unpacks its arguments; write them out")
    for word in keywords:
        if word.arg not in _KEYWORDS:
            raise FormulaError(f"`{_show(node)}`: there is no argument `{word.arg}` a formula can use")
    if len(args) > ELEMENTWISE.get(name, len(args)):
        raise FormulaError(f"`{_show(node)}`: `{name}` takes {ELEMENTWISE[name]} arguments")
    for value in (n.value for n in (*args, *(w.value for w in keywords)) if isinstance(n, ast.Constant)):
        if name in STATEFUL and isinstance(value, int) and value > _HIGHEST_DEGREE:
            raise FormulaError(f"`{_show(node)}`: degrees up to {_HIGHEST_DEGREE} are computed")


def _show(node: ast.AST) -> str:
    return unalias(ast.unparse(node))[:80]


def _refusal(node: ast.AST) -> str:
    hint = (
        "; a column whose name has a dot is written in backquotes inside a function: `Sepal.Length`"
        if isinstance(node, ast.Attribute)
        else ""
    )
    return (
        f"`{_show(node)}` is not allowed: columns, numbers, arithmetic, comparisons and calls of the listed "
        f"functions are{hint}"
    )
