"""The outcome of one test of several hypotheses at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

from betahat.inference.distributions import f_tail
from betahat.inference.layout import json_number
from betahat.inference.text import cell, number, p_text
from betahat.inference.wald import joint_name


@final
@dataclass(frozen=True)
class JointTest:
    """A likelihood-ratio, score or F test. χ² with df_num degrees of freedom where df_denom is infinite, else F.

    kind : what was done. statistic, df_num, df_denom, p_value : numbers. hypothesis : what was tested, as text.

    >>> print(JointTest("Likelihood-ratio test", 5.0, 2, float("inf"), ("x1 = 0", "x2 = 0")))
    Likelihood-ratio test of x1 = 0, x2 = 0: χ²(2) = 5, p = 0.0821
    """

    kind: str
    statistic: float
    df_num: int
    df_denom: float
    hypothesis: tuple[str, ...]
    p_value: float = field(init=False)

    def __post_init__(self) -> None:
        F = self.statistic / self.df_num if self.df_denom == float("inf") else self.statistic
        object.__setattr__(self, "p_value", float(f_tail(F, self.df_num, self.df_denom)))

    def to_dict(self) -> dict[str, Any]:
        """The test as JSON can hold it; None where a number is undefined or infinite."""
        return {
            "kind": self.kind,
            "hypothesis": list(self.hypothesis),
            **{key: json_number(getattr(self, key)) for key in ("statistic", "df_denom", "p_value")},
            "df_num": self.df_num,
        }

    def __str__(self) -> str:
        tested = ", ".join(cell(text, 60) for text in self.hypothesis)
        return f"{self.kind} of {tested}: {self.result}"

    @property
    def result(self) -> str:
        """The statistic and its p-value in words."""
        return (
            f"{joint_name(self.df_num, self.df_denom)} = {number(self.statistic)}, p = {p_text(self.p_value)}"
        )
