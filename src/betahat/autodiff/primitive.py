"""A user's own rule, and functions of ours that have one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from betahat.autodiff.table import RULES, Elementwise
from betahat.autodiff.trace import Variable, call


def rule(function: Callable[..., Any]) -> Callable[[Callable[..., tuple[Any, ...]]], Callable[..., Any]]:
    """Decorator: give an elementwise function of arrays its derivatives.

    function : of one or several arrays, with a value of their broadcast shape; a NumPy ufunc, or any Python function,
    compiled ones included. What is decorated takes the value y and the arguments, and returns the tuple of partial
    derivatives ∂y/∂a, ∂y/∂b, …, written in NumPy. The result of decorating is the function to use: for a ufunc the
    ufunc itself, else one that knows its derivative.

    >>> import math, numpy as np, betahat as bh
    >>> slow = np.vectorize(math.erf)
    >>> @bh.autodiff.rule(slow)
    ... def erf(y, x):
    ...     return (2 / np.sqrt(np.pi) * np.exp(-(x**2)),)
    >>> bh.grad(lambda x: np.sum(erf(x)))(np.array([0.0])).round(4)
    array([1.1284])
    """

    def enter(partials: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
        def scale(place: int) -> Callable[..., Any]:
            return lambda g, y, *args, **kwargs: g * partials(y, *args, **kwargs)[place]

        RULES[function] = Elementwise(tuple(scale(place) for place in range(_MOST)))

        @wraps(partials)
        def known(*args: Any, **kwargs: Any) -> Any:
            if any(type(a) is Variable for a in args):
                return call(function_or_known, args, kwargs)
            return function(*args, **kwargs)

        function_or_known = function if isinstance(function, np.ufunc) else known
        RULES[known] = RULES[function]
        return known

    return enter


def dispatched(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: a function of arrays that the table of rules knows, so that it can be called with traced values, those
    of outer derivatives too."""

    @wraps(function)
    def known(*args: Any) -> Any:
        if any(type(a) is Variable for a in args):
            return call(known, args, {})
        return function(*args)

    return known


_MOST = 16  # arguments of such a function
