"""Parameters of estimators in a file: plain values as they are, objects by class and arguments, functions by name.

A function cannot be stored without storing code, so its qualified name is, and `bh.load` is given the function again.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from betahat.autodiff.naming import qualified_name
from betahat.errors import StorageError
from betahat.layers import Function
from betahat.layers.initialisation import Values
from betahat.storage import Fields

_MODULES = ("losses", "penalties", "solvers", "solvers.schedules", "layers", "data.augmentation")
"""Their public classes may be named by a file; nothing else is ever looked up."""
_BY_LABEL = ("class_weight",)
"""Parameters that are dicts by the labels of classes."""


def split_parameters(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Plain parameters, and descriptions of those that are objects or functions.

    >>> import math
    >>> split_parameters({"alpha": 0.5, "loss": math.exp})
    ({'alpha': 0.5}, {'loss': {'function': 'math.exp'}})
    """
    plain, objects = {}, {}
    for name, value in parameters.items():
        described = (
            _by_label(value) if name in _BY_LABEL and isinstance(value, Mapping) else _described(value)
        )
        if "value" in described:
            plain[name] = value
        else:
            objects[name] = described
    return plain, objects


def check_functions(path: str, objects: Any, functions: Mapping[str, Any]) -> None:
    """That the functions given to `bh.load`, by parameter, are those that a model's `objects` ask for.

    Raises StorageError where one is missing, TypeError where one is not asked for or no function.
    """
    described = objects.items() if isinstance(objects, Mapping) else ()
    asked = {name: found for name, description in described if (found := _function(description))}
    for name, function in asked.items():
        if name not in functions:
            raise StorageError(
                f"{path!r} cannot be loaded as it is: the model was fitted with {name}={function}, a Python function, "
                f"and files hold no code. Give the function again: betahat.load(path, {name}=…)"
            )
    for name, given in functions.items():
        if name not in asked:
            known = f"it asks for {', '.join(sorted(asked))}" if asked else "it asks for none"
            raise TypeError(
                f"{name} (={given!r}) is not a function that the model in {path!r} asks for; {known}"
            )
        if not callable(given) or isinstance(given, type):
            raise TypeError(
                f"{name} (={given!r}) must be the function {asked[name]} that the model was fitted with"
            )


def join_parameters(model: Fields, functions: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a stored model; `functions` are those that it asks for."""
    plain, objects = model.inner("parameters"), model.inner("objects")
    both = set(plain.values) & set(objects.values)
    if both:
        raise StorageError(f"`{objects.where}` repeats {sorted(both)}")
    made = {name: _made(objects.inner(name), functions.get(name)) for name in objects.values}
    return {**plain.values, **made}


def _described(value: Any) -> dict[str, Any]:
    """{"value": …}, {"class": …, "arguments": …} or {"function": …}."""
    where = _where(type(value))
    if where is not None:
        names = inspect.signature(type(value)).parameters
        arguments = {name: _described(getattr(value, _KEPT_AS.get((where, name), name))) for name in names}
        return {"class": type(value).__name__, "arguments": arguments}
    if isinstance(value, Values):
        return {"array": value.array}
    if isinstance(value, (list, tuple)):
        items = [_described(each) for each in value]
        return {"value": value} if all("value" in each for each in items) else {"items": items}
    if callable(value) and not isinstance(value, type):
        return {"function": qualified_name(value)}
    return {"value": value}


_KEPT_AS = {("layers", "parameters"): "parameter_starts", ("layers", "output_shape"): "given_shape"}
"""Arguments that objects of a module keep under another name."""


def _by_label(value: Mapping[Any, Any]) -> dict[str, Any]:
    """{"keys": …, "values": …} of a dict whose keys may be no text, as those of JSON are."""
    return {"keys": [_plain(key) for key in value], "values": [_plain(each) for each in value.values()]}


def _plain(value: Any) -> Any:
    """A scalar of numpy as one of Python."""
    return value.item() if isinstance(value, np.generic) else value


def _where(kind: type) -> str | None:
    """The module of ours that lists this very class."""
    for name in _MODULES:
        if not kind.__module__.startswith(f"betahat.{name}"):
            continue
        module = import_module(f"betahat.{name}")
        if kind.__name__ in _listed(module) and getattr(module, kind.__name__) is kind:
            return name
    return None


def _listed(module: Any) -> list[str]:
    """The names in `__all__`, or where there is none the classes of the module's own."""
    own = [n for n, v in vars(module).items() if isinstance(v, type) and v.__module__ == module.__name__]
    return getattr(module, "__all__", own)


def _class(name: str) -> type:
    for each in _MODULES:
        module = import_module(f"betahat.{each}")
        if name in _listed(module):
            found = getattr(module, name)
            if isinstance(found, type) and not inspect.isabstract(found):
                return found
    raise StorageError(f"the file names the class {name!r}, which betahat does not have")


def _made(stored: Fields, function: Any) -> Any:
    if "value" in stored.values:
        return stored.raw("value")
    if "function" in stored.values:
        return function
    if "keys" in stored.values:
        return _mapping(stored)
    if "array" in stored.values:
        return np.asarray(stored.raw("array"))
    if "items" in stored.values:
        items = stored.raw("items")
        if not isinstance(items, list):
            raise StorageError(f"`{stored.where}.items` are no list")
        return [_made(Fields(each, f"{stored.where}.items"), function) for each in items]
    arguments = stored.inner("arguments")
    kind = _class(stored.text("class"))
    if set(arguments.values) != set(inspect.signature(kind).parameters):
        raise StorageError(
            f"`{arguments.where}` are {sorted(arguments.values)}, which {kind.__name__} does not take"
        )
    made = {name: _made(arguments.inner(name), function) for name in arguments.values}
    if kind is Function:
        made["parameters"] = {key: tuple(s) if isinstance(s, list) else s for key, s in made["parameters"]}
    several = [p.name for p in inspect.signature(kind).parameters.values() if p.kind is p.VAR_POSITIONAL]
    listed = [each for name in several for each in made.pop(name)]
    return kind(*listed, **made)


def _mapping(stored: Fields) -> dict[Any, Any]:
    keys, values = stored.raw("keys"), stored.raw("values")
    plain = all(isinstance(each, list) for each in (keys, values)) and len(keys) == len(values)
    if not plain or not all(isinstance(each, (str, bool, int, float)) for each in (*keys, *values)):
        raise StorageError(f"`{stored.where}` are no labels with their numbers")
    return dict(zip(keys, values, strict=True))


def _function(description: Any) -> str | None:
    """The name of the function that a description asks for, if it does."""
    if not isinstance(description, Mapping):
        return None
    if "function" in description:
        return str(description["function"])
    arguments, items = description.get("arguments"), description.get("items")
    inside = (
        arguments.values() if isinstance(arguments, Mapping) else items if isinstance(items, list) else ()
    )
    return next((name for name in map(_function, inside) if name), None)
