"""Arguments that hold several arrays: dicts, lists, tuples and named tuples, to any depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from betahat.autodiff.trace import Variable
from betahat.errors import DerivativeError

Path = tuple[Any, ...]


def leaves(tree: Any, path: Path = ()) -> list[tuple[Path, Any]]:
    """The arrays and numbers in it, in order, with the keys that lead to each.

    >>> [path for path, _ in leaves({"w": [1.0, 2.0], "b": 3.0})]
    [('w', 0), ('w', 1), ('b',)]
    """
    if isinstance(tree, dict):
        return [leaf for key, value in tree.items() for leaf in leaves(value, (*path, key))]
    if isinstance(tree, (list, tuple)):
        return [leaf for key, value in enumerate(tree) for leaf in leaves(value, (*path, key))]
    return [(path, tree)]


def rebuild(tree: Any, values: list[Any]) -> Any:
    """The same container with other leaves, in order.

    >>> rebuild({"w": [1.0, 2.0], "b": 3.0}, [10, 20, 30])
    {'w': [10, 20], 'b': 30}
    """
    if not isinstance(tree, (dict, list, tuple)):
        return values[0]
    rest = iter(values)

    def again(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: again(value) for key, value in part.items()}
        if isinstance(part, tuple) and hasattr(part, "_fields"):
            return type(part)(*map(again, part))
        if isinstance(part, (list, tuple)):
            return type(part)(map(again, part))
        return next(rest)

    return again(tree)


def mapped(function: Callable[..., Any], tree: Any) -> Any:
    """`function` of every leaf."""
    return rebuild(tree, [function(value) for _, value in leaves(tree)])


def as_floats(value: Any, path: Path, what: str) -> Any:
    """A leaf as something that has derivatives: floats as they are, and nothing else."""
    if type(value) is Variable or (type(value) is np.ndarray and value.dtype.kind == "f"):
        return value
    where = what + "".join(f"[{key!r}]" for key in path)
    if isinstance(value, (bool, np.bool_)) or value is None or isinstance(value, (str, bytes)):
        raise DerivativeError(f"{where} (={value!r}) has no derivative; expected floats")
    array = np.asarray(value)
    if array.dtype.kind in "iub":
        raise DerivativeError(
            f"{where} holds whole numbers ({array.dtype}), which cannot change a little, so that nothing can be "
            "differentiated; give floats: 2.0 for 2, x.astype(float) for an array"
        )
    if array.dtype.kind == "c":
        raise DerivativeError(
            f"{where} is complex; derivatives are taken of real numbers: give real and imaginary parts"
        )
    if array.dtype.kind != "f":
        raise DerivativeError(
            f"{where} is {type(value).__name__} ({array.dtype}); expected an array of floats"
        )
    return array if isinstance(value, np.ndarray) else array[()]
