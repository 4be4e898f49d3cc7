"""The part of every summary that shows coefficients: their numbers, rows of text, frame and JSON."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Generic, TypeVar

import numpy as np

from betahat.inference.base import BaseInference
from betahat.inference.distributions import check_level
from betahat.inference.layout import Page, json_number, statistic_heads
from betahat.inference.text import cell, number, p_text
from betahat.inference.wald import single_name

I = TypeVar("I", bound=BaseInference[Any])  # noqa: E741


class CoefficientPage(Page, Generic[I]):
    """Coefficients with standard errors, t or z, p and intervals of all targets; what the whole fit is like is the
    subclass's."""

    def __init__(self, inference: I, title: str, level: float) -> None:
        self.inference: I = inference
        self.title, self.level = title, check_level(level)

    @property
    @abstractmethod
    def _bare(self) -> bool:
        """Whether the estimates alone can be told."""

    def _estimates(self) -> np.ndarray:
        """(t, m) coefficients as they are shown."""
        return self.inference.statistics.estimate

    def _columns(self) -> dict[str, np.ndarray]:
        """(t, m) arrays by column; the estimates alone for a penalised or refused fit."""
        inference, estimate = self.inference, self._estimates()
        columns = {"coefficient": estimate}
        if self._bare:
            parts = [np.full(estimate.shape, np.nan)] * 5
        else:
            interval = inference.conf_int(self.level)
            parts = [
                *(inference.std_err, inference.statistic, inference.p_value),
                *(interval[..., 0], interval[..., 1]),
            ]
        names = ("std_err", "statistic", "p_value", "conf_low", "conf_high")
        return columns | {name: part.reshape(estimate.shape) for name, part in zip(names, parts, strict=True)}

    def _notes(self) -> list[str]:
        lines = [self.inference.statistics.certificate_line, *self.inference.notes]
        return [line for line in lines if line]

    def _data(self) -> dict[str, Any]:
        names, targets = self.inference.names, self.inference.target_names
        data: dict[str, Any] = {}
        if len(targets) > 1:
            data["target"] = [target for target in targets for _ in names]
        data["name"] = list(names) * len(targets)
        return {**data, **{name: column.ravel() for name, column in self._columns().items()}}

    def _common(self) -> dict[str, Any]:
        """What `to_dict` tells of any fit."""
        inference, s = self.inference, self.inference.statistics
        df = ("df_model", "df_resid", "df_inference")
        return {
            "title": self.title,
            "level": self.level,
            "n_obs": inference.n_obs,
            "rank": inference.rank,
            **({} if self._bare else {key: _counted(getattr(inference, key)) for key in df}),
            "cov_type": s.cov_type,
            "cov_options": {k: list(v) if isinstance(v, tuple) else v for k, v in s.cov_options.items()},
            "penalised": s.penalised,
            "method": s.method,
            "condition_number": json_number(s.condition_number),
            "certificate": s.certificate_line,
            "notes": [line for line in self._notes() if line != s.certificate_line],
        }

    def _coefficients(self, k: int) -> list[dict[str, Any]]:
        """The rows of target k for JSON."""
        columns = self._columns()
        return [
            {"name": name, **{key: json_number(values[k, j]) for key, values in columns.items()}}
            for j, name in enumerate(self.inference.names)
        ]

    def _table(self, k: int, shorten: bool) -> dict[str, Any]:
        """The table of target k: "columns" heads and "rows" of texts."""
        heads = ["name", "coefficient"]
        columns = self._columns()
        if self._bare:
            columns = {"coefficient": columns["coefficient"]}
        else:
            heads += statistic_heads(single_name(float(self.inference.df_inference)), self.level).values()
        rows = [
            [
                (cell if shorten else str)(name),
                *(_TEXTS.get(key, number)(c[k, j]) for key, c in columns.items()),
            ]
            for j, name in enumerate(self.inference.names)
        ]
        return {"columns": heads, "rows": rows}


def infinity(value: float) -> str:
    """How an infinite estimate is shown, with its sign.

    >>> infinity(-31.5)
    '−∞'
    """
    return "−∞" if value < 0 else "∞"


def _coefficient(value: Any) -> str:
    return infinity(float(value)) if np.isinf(value) else number(value)


def _counted(df: float) -> float | None:
    """Degrees of freedom as JSON can hold them: None for infinitely many."""
    return df if np.isfinite(df) else None


_TEXTS = {"coefficient": _coefficient, "p_value": p_text}
