"""How functions of users are called in messages and in stored models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def qualified_name(function: Callable[..., Any]) -> str:
    """module.name of a function, by which a stored model asks for it.

    >>> import math
    >>> qualified_name(math.exp)
    'math.exp'
    """
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{getattr(function, '__module__', None) or type(function).__module__}.{name}"
