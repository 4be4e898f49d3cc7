"""The same functions differentiated by JAX: gradients of the whole table, Hessians and products with vectors."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from autodiff_table import CASES, cases

import betahat as bh

pytestmark = pytest.mark.peers
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((20, 4)), RNG.random(20)
S = RNG.standard_normal((4, 4)) @ np.eye(4) + 5 * np.eye(4)

FUNCTIONS = {
    "logistic": lambda xp, b: xp.mean(xp.logaddexp(0.0, X @ b) - Y * (X @ b)),
    "poisson": lambda xp, b: xp.sum(xp.exp(0.3 * (X @ b)) - Y * (X @ b)),
    "softmax": lambda xp, b: xp.sum(xp.exp(b - xp.max(b)) / xp.sum(xp.exp(b - xp.max(b))) * xp.arange(4.0)),
    "rosenbrock": lambda xp, b: xp.sum(100 * (b[1:] - b[:-1] ** 2) ** 2 + (1 - b[:-1]) ** 2),
    "gaussian process": lambda xp, b: (
        0.5 * b @ xp.linalg.solve(S @ S.T + xp.outer(b, b), b)
        + xp.linalg.slogdet(S @ S.T + xp.outer(b, b))[1]
    ),
    "cholesky": lambda xp, b: xp.sum(xp.linalg.cholesky(S @ S.T + xp.outer(b, b)) * S),
    "inverse": lambda xp, b: xp.sum(xp.linalg.inv(S + xp.outer(b, b**2)) * S),
    "determinant": lambda xp, b: xp.linalg.det(S + xp.outer(b, xp.sin(b))),
    "eigenvalues": lambda xp, b: xp.sum(xp.linalg.eigvalsh(S + S.T + xp.outer(b, b)) * xp.arange(4.0)),
    "norms": lambda xp, b: xp.linalg.norm(b) + xp.linalg.norm(xp.outer(b, b)) + xp.linalg.norm(b, 1),
    "einsum": lambda xp, b: xp.einsum("ij,j,ik,k->", X, b, X, xp.tanh(b)),
    "tensordot": lambda xp, b: xp.sum(xp.tensordot(xp.outer(b, b), S, axes=([1], [0])) ** 2),
    "variance": lambda xp, b: xp.var(X @ b) + xp.std(X @ b**2) + xp.prod(b + 3),
    "sorting": lambda xp, b: xp.sum(xp.sort(b) * xp.arange(4.0)) + xp.median(X @ b),
    "running": lambda xp, b: xp.sum(xp.cumsum(b) ** 2) + xp.sum(xp.cumprod(b + 2)) + xp.sum(xp.diff(b) ** 3),
    "choices": lambda xp, b: xp.sum(
        xp.where(b > 0, b**3, xp.sinh(b)) + xp.maximum(b, 0.3) + xp.clip(b, -0.2, 0.9)
    ),
    "joining": lambda xp, b: (
        xp.sum(xp.concatenate([b, b[::-1] ** 2]) * xp.arange(8.0)) + xp.stack([b, b * b])[1, 2]
    ),
    "gathering": lambda xp, b: (
        xp.sum(b[np.array([0, 0, 3, 1])] ** 2 * xp.arange(4.0)) + xp.sum(xp.roll(b, 1) * b)
    ),
    "trigonometry": lambda xp, b: xp.sum(
        xp.arctan2(b, 2 + b**2) + xp.hypot(b, 1.5) + xp.arcsinh(b) * xp.sinc(b)
    ),
    "powers": lambda xp, b: xp.sum((b**2 + 1) ** b + 2.0**b + xp.sqrt(b * b + 1) + xp.log1p(b**2)),
    "network": lambda xp, b: xp.sum(xp.tanh(xp.tanh(X @ xp.reshape(xp.tile(b, 4), (4, 4))) @ b) ** 2),
    "padding": lambda xp, b: (
        xp.sum(xp.pad(b, 2) * xp.arange(8.0) ** 2) + xp.sum(xp.kron(b, b) * xp.arange(16.0))
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_jax(name):
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    f = FUNCTIONS[name]
    b, v = np.array([0.5, -1.2, 0.8, 0.25]), np.array([1.0, -0.5, 0.3, 2.0])
    ours, theirs = (lambda b: f(np, b)), (lambda b: f(jnp, b))
    size = np.abs(jax.grad(theirs)(b)).max()
    np.testing.assert_allclose(bh.grad(ours)(b), jax.grad(theirs)(b), rtol=1e-9, atol=1e-11 * size)
    np.testing.assert_allclose(
        bh.jvp(ours, b, v)[1], jax.jvp(theirs, (b,), (v,))[1], rtol=1e-9, atol=1e-11 * size
    )
    H = jax.hessian(theirs)(b)
    size = np.abs(H).max()
    np.testing.assert_allclose(bh.hessian(ours)(b), H, rtol=1e-8, atol=1e-10 * size)
    np.testing.assert_allclose(bh.hvp(ours, b, v), H @ v, rtol=1e-8, atol=1e-9 * size)


NOT_IN_JAX = {
    "lists",  # refused
    "in place",  # binds the name anew instead
    # not when compiled: their shapes depend on numbers
    *("mask", "mask of two axes", "mask and number", "compress", "extract", "unique", "bincount", "repeat"),
    *(f"special.{name}" for name in (
        "log_expit", "j0", "j1", "cosm1", "expm1", "exp2", "exp10", "psi", "rgamma", "log1p", "cbrt", "k0", "k1", "k0e",
        "k1e", "y0", "y1", "iv", "jv", "kv", "yv", "ive", "kve", "stdtr", "pseudo_huber", "huber", "inv_boxcox",
    )),
}  # fmt: skip
SHARED = [name for name in CASES if name not in NOT_IN_JAX]


class Offered:
    """A module with None for what it lacks."""

    def __init__(self, module):
        self.module = module

    def __getattr__(self, name):
        return getattr(self.module, name, None)


@cache
def their_cases():
    import jax

    jax.config.update("jax_enable_x64", True)
    return cases(Offered(jax.numpy), Offered(jax.scipy.special))


def test_jax_shares_most_of_the_table():
    assert len(SHARED) >= 350


@pytest.mark.parametrize("name", SHARED)
def test_jax_differentiates_the_table_alike(name):
    import jax

    f, shapes, (low, high) = CASES[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    args = [rng.uniform(low, high, shape)[()] for shape in shapes]
    weights = rng.standard_normal(np.shape(f(*args)))
    g = their_cases()[name][0]
    ours = bh.grad(lambda a: np.sum(weights * f(*a)))(args)
    theirs = jax.jit(jax.grad(lambda a: jax.numpy.sum(weights * g(*a))))(args)
    for one, two in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-10 * (1 + np.max(np.abs(two), initial=0)))
