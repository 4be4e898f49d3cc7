"""Formulas against matrices made by hand, and what they remember for prediction."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from betahat.data import design_from_dict, read_formula
from betahat.errors import (
    DataError,
    FormulaError,
    MissingRowsWarning,
    MissingValueError,
    StorageError,
    UnseenLevelError,
)

DATA = {
    "y": [1.0, 2.0, 4.0, 3.0, 5.0, 7.0],
    "x": [1.0, 2.0, 3.0, 4.0, 5.0, 9.0],
    "kind": list("abcabc"),
    "cyl": [4, 6, 8, 4, 6, 8],
    "my col": [1.0, 2.0, 1.0, 3.0, 1.0, 5.0],
    "Sepal.Length": [5.0, 4.0, 3.0, 2.0, 1.0, 0.5],
    "class": [1.0, 0.0, 1.0, 1.0, 0.0, 0.0],
    "flag": [True, False, True, True, False, False],
}
y, x, w = (np.array(DATA[name]) for name in ("y", "x", "my col"))
a, b, c = (np.array([float(value == level) for value in DATA["kind"]]) for level in "abc")
c4, c6, c8 = (np.array([float(value == level) for value in DATA["cyl"]]) for level in (4, 6, 8))
sepal = np.array(DATA["Sepal.Length"])


def orthogonal(values: np.ndarray, degree: int) -> np.ndarray:
    """R's poly(): QR of the powers of the centred variable, signs of increasing polynomials."""
    q, r = np.linalg.qr(np.vander(values - values.mean(), degree + 1, increasing=True))
    return (q * np.sign(np.diag(r)))[:, 1:]


CASES = {
    "y ~ x": (("x",), True, [x]),
    "y ~ x - 1": (("x",), False, [x]),
    "y ~ 0 + kind": (("kind[a]", "kind[b]", "kind[c]"), False, [a, b, c]),
    "y ~ x + kind": (("x", "kind[b]", "kind[c]"), True, [x, b, c]),
    "y ~ C(kind)": (("C(kind)[b]", "C(kind)[c]"), True, [b, c]),
    "y ~ C(cyl)": (("C(cyl)[6]", "C(cyl)[8]"), True, [c6, c8]),
    "y ~ C(kind, contr.treatment('b'))": (None, True, [a, c]),
    "y ~ C(kind, Treatment('c'))": (None, True, [a, b]),
    "y ~ C(kind, contr.sum)": (None, True, [a - c, b - c]),
    "y ~ C(cyl, levels=[8, 6, 4])": (None, True, [c6, c4]),
    "y ~ kind:x": (("kind[a]:x", "kind[b]:x", "kind[c]:x"), True, [a * x, b * x, c * x]),
    "y ~ kind*x": (("kind[b]", "kind[c]", "x", "kind[b]:x", "kind[c]:x"), True, [b, c, x, b * x, c * x]),
    "y ~ (x + `my col`)**2": (("x", "my col", "x:my col"), True, [x, w, x * w]),
    "y ~ np.log(x)": (("np.log(x)",), True, [np.log(x)]),
    "y ~ log1p(x) + sqrt(x)": (("log1p(x)", "sqrt(x)"), True, [np.log1p(x), np.sqrt(x)]),
    "y ~ x + x**2": (("x", "I(x ** 2)"), True, [x, x**2]),
    "y ~ I(x**2)": (("I(x ** 2)",), True, [x**2]),
    "y ~ {x**2 + 1}": (("x ** 2 + 1",), True, [x**2 + 1]),
    "y ~ I(x > 3)": (("I(x > 3)",), True, [x > 3]),
    "y ~ I(kind == 'b')": (("I(kind == 'b')",), True, [b]),
    "y ~ np.where(x > 3, x, 0)": (None, True, [np.where(x > 3, x, 0)]),
    "y ~ poly(x, 2)": (("poly(x, 2)[1]", "poly(x, 2)[2]"), True, list(orthogonal(x, 2).T)),
    "y ~ center(x)": (("center(x)",), True, [x - x.mean()]),
    "y ~ scale(x)": (("scale(x)",), True, [(x - x.mean()) / x.std(ddof=1)]),
    "y ~ standardize(x)": (("standardize(x)",), True, [(x - x.mean()) / x.std()]),
    "y ~ center(`my col`) + log(`my col`)": (
        ("center(my col)", "log(my col)"),
        True,
        [w - w.mean(), np.log(w)],
    ),
    "y ~ Sepal.Length + log(`Sepal.Length`)": (
        ("Sepal.Length", "log(Sepal.Length)"),
        True,
        [sepal, np.log(sepal)],
    ),
    "y ~ `class` + flag": (("class", "flag"), True, [DATA["class"], DATA["flag"]]),
    "y ~ `x`": (("x",), True, [x]),
    "y ~ exp(`x`)": (("exp(x)",), True, [np.exp(x)]),
    "y ~ 1": ((), True, []),
    "y ~ . - Sepal.Length - `class` - flag - `my col`": (
        ("x", "kind[b]", "kind[c]", "cyl"),
        True,
        [x, b, c, DATA["cyl"]],
    ),
}


@pytest.mark.parametrize("formula", CASES)
def test_matrices(make, formula):
    names, intercept, columns = CASES[formula]
    expected = np.column_stack(columns).astype(float) if columns else np.empty((6, 0))
    table = make(DATA)
    design, source = read_formula(formula, table)
    block = next(source.blocks())
    np.testing.assert_allclose(block.X, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(block.y, y.reshape(-1, 1))
    assert design.has_intercept is intercept
    assert names is None or design.names == names
    stored = design_from_dict(json.loads(json.dumps(design.to_dict())))
    some = make({name: values[3:5] for name, values in DATA.items()})
    np.testing.assert_allclose(stored.matrix(some), expected[3:5], rtol=1e-12, atol=1e-14)
    assert stored.matrix(make({name: values[:0] for name, values in DATA.items()})).shape == (
        0,
        len(design.names),
    )


def test_splines_sum_to_one_and_are_remembered(make):
    design, source = read_formula("y ~ bs(x, df=5, include_intercept=True) - 1", make(DATA))
    matrix = next(source.blocks()).X
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=1e-12)
    stored = design_from_dict(json.loads(json.dumps(design.to_dict())))
    middle = make({name: values[2:4] for name, values in DATA.items()})
    np.testing.assert_allclose(stored.matrix(middle), matrix[2:4], rtol=1e-12)
    with pytest.raises(DataError, match="does not go beyond"):
        stored.matrix(make({**DATA, "x": [0.0, *DATA["x"][1:]]}))


@pytest.mark.parametrize(
    ("formula", "names", "columns"),
    [
        ("np.log(y) ~ x", ("np.log(y)",), [np.log(y)]),
        ("y + x ~ kind", ("y", "x"), [y, x]),
        ("I(y / 2) ~ x", ("I(y / 2)",), [y / 2]),
        ("`my col` ~ x", ("my col",), [w]),
    ],
)
def test_left_sides(make, formula, names, columns):
    design, source = read_formula(formula, make(DATA))
    assert source.target_names == names
    np.testing.assert_allclose(next(source.blocks()).y, np.column_stack(columns), rtol=1e-15)
    np.testing.assert_allclose(design.targets(make(DATA)), np.column_stack(columns), rtol=1e-15)


def test_labels_as_target(make):
    with pytest.raises(TypeError, match="'kind'"):
        read_formula("kind ~ x", make(DATA))
    design, source = read_formula("kind ~ x", make(DATA), labels=True)
    assert design.classes == ("a", "b", "c")
    assert design_from_dict(design.to_dict()).classes == ("a", "b", "c")
    np.testing.assert_array_equal(next(source.blocks()).y[:, 0], b + 2 * c)
    with pytest.raises(TypeError, match="whole left side"):
        read_formula("kind + y ~ x", make(DATA), labels=True)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ kindd", ["no column 'kindd'", "'kind'"]),
        ("y ~ X", ["no column 'X'", "'x'"]),
        ("y ~ lgo(x)", ["`lgo`", "'log'"]),
        ("y ~ np.mean(x)", ["`np.mean`", "center()"]),
        ("y ~ ", ["needs a target"]),
        ("~ x", ["needs a target"]),
        ("x + kind", ["needs a target"]),
        ("y ~ x ~ kind", ["needs a target"]),
        ("", ["needs a target"]),
        ("y ~ 0", ["nothing on its right side"]),
        ("1 ~ x", ["no column on its left side"]),
        ("y ~ log(x", ["cannot be read"]),
        ("y ~ x + + ", ["cannot be read"]),
        ("y ~ `x", ["backquote"]),
        ("y ~ log(kind)", ["cannot be computed", "log(kind)"]),
        ("y ~ (x + kind)**99", ["up to 5"]),
        ("y ~ log(Sepal.Length)", ["`Sepal.Length`", "backquotes"]),
        ("y ~ x | kind", ["cannot be read"]),
        ("y ~ Q('x')", ["backquotes"]),
    ],
)
def test_refusals_name_what_is_wrong(make, formula, words):
    with pytest.raises(FormulaError) as caught:
        read_formula(formula, make(DATA))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "formula", ["y ~ log(x - 1)", "y ~ I(1 / (x - 1))", "y ~ sqrt(x - 2)", "log(y - 1) ~ x"]
)
def test_functions_that_leave_their_domain_are_refused(make, formula):
    with pytest.raises(DataError, match=r"1 rows|null values"):
        read_formula(formula, make(DATA))


@pytest.mark.parametrize("formula", ["y ~ kind", "y ~ C(kind)", "y ~ C(cyl)", "y ~ C(cyl):x"])
def test_new_levels_are_refused(make, formula):
    design, _ = read_formula(formula, make(DATA))
    new = make({**DATA, "kind": list("abzabc"), "cyl": [4, 6, 5, 4, 6, 8]})
    with pytest.raises(UnseenLevelError, match=r"'kind' has 'z'|'cyl' has '5'"):
        design.matrix(new)


@pytest.mark.parametrize("missing", ["error", "drop", "mean"])
def test_missing_values(make, missing):
    table = make({**DATA, "x": [None, *DATA["x"][1:]], "flag": [True] * 6})
    if missing == "error":
        with pytest.raises(MissingValueError, match=r"'x' \(1\)"):
            read_formula("y ~ np.log(x) + kind", table)
        return
    if missing == "drop":
        with pytest.warns(MissingRowsWarning, match="1 of 6"):
            design, source = read_formula("y ~ np.log(x) + kind", table, missing="drop")
        expected = np.column_stack([np.log(x), b, c])[1:]
    else:
        design, source = read_formula("y ~ np.log(x) + kind", table, missing="mean")
        expected = np.column_stack([np.log([x[1:].mean(), *x[1:]]), b, c])
        np.testing.assert_allclose(design.matrix(table), expected, rtol=1e-15)
    np.testing.assert_allclose(next(source.blocks()).X, expected, rtol=1e-15)


def test_missing_values_of_unused_columns_do_not_matter(make):
    _, source = read_formula("y ~ x", make({**DATA, "my col": [None, *DATA["my col"][1:]]}))
    assert next(source.blocks()).X.shape == (6, 1)


HOSTILE = [
    "__import__('os').system('touch {flag}')",
    "{{__import__('os').system('touch {flag}')}}",
    "{{__import__('os').system('touch {flag}')}}(x)",
    "__import__('os').system('touch {flag}')()",
    "I(__import__('os').system('touch {flag}'))",
    "center(__import__('os').system('touch {flag}'))",
    "{{(lambda: __import__('os').system('touch {flag}'))()}}",
    "{{[__import__('os').system('touch {flag}') for i in (1,)]}}",
    "log(x.__class__.__base__.__subclasses__())",
    "{{x.to_csv('{flag}')}}",
    "I(x.to_csv('{flag}'))",
    "np.save('{flag}', x)",
    "np.lib.format.open_memmap('{flag}', mode='w+', shape=(1,))",
    '{{f\'{{__import__("os").system("touch {flag}")}}\'}}',
    "Q('x')",
    "eval(x)",
    "{{open('{flag}', 'w')}}",
    "{{(y := 1)}}",
    "{{x if x else x}}",
    "{{x[0]}}",
    "{{{{'a': x}}}}",
    "log(*x)",
    "log(**x)",
    "log(x, out=x)",
    "log(x, x)",
    "center(x, _state=x)",
    "I(9**9**9)",
    "I(" + "-" * 3000 + "x)",
    "I(" + "(" * 300 + "x" + ")" * 300 + ")",
    "poly(x, 1000000000)",
    "{{x.real}}",
    "contr.treatment(x)",
]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("expression", HOSTILE, ids=lambda text: text[:40])
def test_nothing_but_arithmetic_is_evaluated(tmp_path, expression, side):
    flag = tmp_path / "flag"
    expression = expression.format(flag=flag)
    formula = f"y ~ {expression}" if side == "right" else f"{expression} ~ x"
    with pytest.raises(FormulaError):
        read_formula(formula, pd.DataFrame(DATA))
    stored = read_formula("y ~ x", pd.DataFrame(DATA))[0].to_dict()
    with pytest.raises(StorageError):
        design_from_dict({**stored, "formula": formula})
    assert not flag.exists()


def test_a_formula_never_writes_into_the_table():
    table = pd.DataFrame(DATA)
    before = table.copy(deep=True)
    for formula in CASES:
        read_formula(formula, table)
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize(
    "damage",
    [
        {"state": None},
        {"state": {"names": ["x"]}},
        {"available": None},
        {"formula": "y ~ z"},
        {"formula": "y ~ x + `my col`"},
        {"target_columns": []},
        {"state": {"names": [1], "transforms": {"pairs": []}, "encoders": {}}},
        {"state": {"names": ["x"], "transforms": {"call": 1}, "encoders": {}}},
    ],
    ids=str,
)
def test_damaged_formulas_are_refused(damage):
    stored = read_formula("y ~ x", pl.DataFrame(DATA))[0].to_dict()
    with pytest.raises(StorageError):
        design_from_dict({**stored, **damage})


def test_a_column_named_like_a_level_keeps_its_name():
    table = pd.DataFrame({"y": [1.0, 2.0], "k": ["a", "b"], "k[b]": [1.0, 2.0]})
    assert read_formula("y ~ k + `k[b]`", table)[0].names == ("k[T.b]", "k[b]")


@pytest.mark.parametrize(
    "name", ["größe", "µ", "体重", "a b", "it's", "1st", "lambda", "x:z", "a+b", "x[T.b]"]
)
@pytest.mark.parametrize(
    "formula", ["y ~ `{}`", "y ~ log(`{}`)", "y ~ .", "`{}` ~ y", "y ~ center(`{}`) + center(y)"]
)
def test_columns_of_any_name(make, name, formula):
    values = [1.0, 2.0, 5.0]
    design, source = read_formula(formula.format(name), make({"y": [3.0, 4.0, 6.0], name: values}))
    block = next(source.blocks())
    first = block.y[:, 0] if formula.endswith("~ y") else block.X[:, 0]
    expected = np.log(values) if "log" in formula else np.array(values)
    np.testing.assert_allclose(first, expected - np.mean(expected) if "center" in formula else expected)
    assert any(name in known for known in (*design.names, *design.target_names))


def test_names_of_other_scripts_need_no_quotes():
    _, source = read_formula(
        "y ~ log(größe) + größe**2", pd.DataFrame({"y": [1.0, 2.0], "größe": [3.0, 4.0]})
    )
    np.testing.assert_allclose(next(source.blocks()).X, [[np.log(3), 9], [np.log(4), 16]])


def test_a_column_named_like_a_function_is_a_column():
    table = pd.DataFrame({"y": [1.0, 2.0], "log": [3.0, 4.0], "Intercept": [1.0, 5.0], "C": [0.0, 1.0]})
    design, source = read_formula("y ~ log + Intercept + C", table)
    assert design.names == ("log", "Intercept", "C")
    np.testing.assert_array_equal(next(source.blocks()).X, table[["log", "Intercept", "C"]])
