"""What is written behind the options of `betahat curve`, as Python's values."""

from __future__ import annotations

from typing import Any

Start = dict[str, float] | list[float]


def starts_in(texts: list[str] | None) -> Start | list[Start] | None:
    """``a=1,b=0.1`` or ``1,0.1``; a list where there are several.

    >>> starts_in(["a=1,b=0.1"]), starts_in(["1, 0.1", "2, 0.2"]), starts_in(None)
    ({'a': 1.0, 'b': 0.1}, [[1.0, 0.1], [2.0, 0.2]], None)
    """
    if not texts:
        return None
    starts = [_start(text) for text in texts]
    return starts[0] if len(starts) == 1 else starts


def _start(text: str) -> Start:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    named = [part.partition("=") for part in parts]
    hint = "write a=1,b=0.1, or all values in order: 1,0.1"
    if not parts or len({bool(sign) for _, sign, _ in named}) > 1:
        raise ValueError(f"--start (={text!r}): {hint}")
    if not named[0][1]:
        return [_number("--start", text, part, hint) for part in parts]
    return _by_name(
        "--start", text, {}, ((name, _number("--start", text, value, hint)) for name, _, value in named)
    )


def bounds_in(texts: list[str] | None) -> dict[str, tuple[float | None, float | None]] | None:
    """``b=0:,c=-1:10,d=:5``: low and high, either left out where there is none.

    >>> bounds_in(["b=0:, c=-1:10", "d=:5"])
    {'b': (0.0, None), 'c': (-1.0, 10.0), 'd': (None, 5.0)}
    """
    if not texts:
        return None
    found: dict[str, tuple[float | None, float | None]] = {}
    hint = "write low:high, either left out where there is none, such as b=0:,c=-1:10,d=:5"
    for text in texts:
        for part in filter(None, map(str.strip, text.split(","))):
            name, _, pair = part.partition("=")
            low, sign, high = pair.partition(":")
            if not name.strip() or not sign or not (low.strip() or high.strip()):
                raise ValueError(f"--bounds (={text!r}): {hint}")
            ends = tuple(_number("--bounds", text, end, hint) if end.strip() else None for end in (low, high))
            _by_name("--bounds", text, found, [(name, ends)])
    return found


def loss_in(text: str) -> Any:
    """A loss's name, or with the size at which it turns: ``huber:2.5``.

    >>> loss_in("huber:2.5")
    Huber(delta=2.5)
    """
    name, sign, size = text.partition(":")
    if not sign:
        return text
    from betahat.losses import as_loss

    kind = type(as_loss(name))
    if not hasattr(kind, "delta"):
        raise ValueError(f"--loss (={text!r}): {name} has no size at which it turns; write --loss {name}")
    delta = _number(
        "--loss", text, size, "write the size at which it turns, in units of y, such as huber:2.5"
    )
    return kind(delta=delta)  # pyright: ignore[reportCallIssue]


def _number(option: str, text: str, value: str, hint: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{option} (={text!r}): {value.strip()!r} is not a number; {hint}") from None


def _by_name(option: str, text: str, found: dict[str, Any], pairs: Any) -> dict[str, Any]:
    for name, value in pairs:
        if name.strip() in found:
            raise ValueError(f"{option} (={text!r}) gives {name.strip()!r} twice")
        found[name.strip()] = value
    return found
