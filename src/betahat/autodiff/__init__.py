"""Partial derivatives of plain NumPy code, by the chain rule.

`trace` runs a function on traced values and writes its steps down; `table` and `rules` say what each step does to a
derivative; `functions` puts them together (grad, jacobian, hessian, …); `check` compares with finite differences.
"""

from __future__ import annotations

from betahat.autodiff import rules  # enters the rules
from betahat.autodiff.check import GradientCheck, check_gradient
from betahat.autodiff.functions import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from betahat.autodiff.primitive import rule

__all__ = [
    "GradientCheck", "check_gradient", "grad", "hessian", "hvp", "jacobian", "jvp", "rule", "rules", "value_and_grad",
    "vjp",
]  # fmt: skip
