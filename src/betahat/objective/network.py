"""J of a network over all rows, in double precision: value, gradient, Hessian times a vector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, final

import numpy as np

from betahat.layers import Dense
from betahat.losses.base import Loss
from betahat.losses.multinomial import Multinomial
from betahat.losses.smoothed import SmoothedMultinomial
from betahat.losses.vector import VectorLoss
from betahat.models.network import Network
from betahat.models.network_layout import covered

_TERMS = 256  # parts that the size of a derivative's terms is judged by


def losses_of(loss: Loss | VectorLoss, y: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """L of each row (n,), and ∂L/∂f of f's shape, in float64; f (n, K) for a VectorLoss, (n, t) for a Loss."""
    f = f.reshape(len(f), -1).astype(np.float64)
    if isinstance(loss, VectorLoss):
        codes = y.astype(np.intp)
        return loss.value(codes, f), loss.first_derivative(codes, f)
    y = y.reshape(f.shape)
    return loss.value(y, f).sum(axis=1), loss.first_derivative(y, f)


def bent(loss: Loss | VectorLoss, y: np.ndarray, f: np.ndarray, change: np.ndarray) -> np.ndarray:
    """∂²L/∂f² · change, for f and change (n, K) float64."""
    if isinstance(loss, VectorLoss):
        return loss.second_derivative_product(y.astype(np.intp), f, change)
    return loss.second_derivative(y.reshape(f.shape), f) * change


class Batch(NamedTuple):
    """Rows as they enter the network, float64, with their targets, and their weights (b,) or None for ones."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None


@final
class NetworkObjective:
    """J(β) = (1/Σw) Σᵢ wᵢ L(yᵢ, f(xᵢ, β)) + ½ strength Σ βⱼ² over the weights, without biases.

    f is the network as it is used, not trained: nothing is dropped, and normalisation goes by the running statistics.

    batches : gives all rows, `rows` of them at a time; what it yields may be read as often as is asked.

    >>> import numpy as np
    >>> from betahat.layers import Dense
    >>> from betahat.losses import SquaredError
    >>> X, y = np.array([[1.0], [2.0]]), np.array([[2.0], [6.0]])
    >>> J = NetworkObjective(Network([Dense(1)], 1), SquaredError(), lambda rows: iter([Batch(X, y, None)]), 0.1)
    >>> value, gradient = J.both(np.zeros(J.network.size))
    >>> value, gradient[0], gradient[16]
    (10.0, np.float64(-7.0), np.float64(-4.0))
    """

    def __init__(
        self,
        network: Network,
        loss: Loss | VectorLoss,
        batches: Callable[[int], Iterator[Batch]],
        strength: float,
        buffers: np.ndarray | None = None,
    ) -> None:
        self.network, self.loss, self.strength = network, loss, strength
        self._batches = batches
        self._buffers = network.initial_buffers() if buffers is None else buffers.astype(np.float64)
        self._rows = network.rows_at_once
        self.real = covered(network.layout, network.size)
        """Which places of the flat array hold parameters."""

    def both(self, beta: np.ndarray) -> tuple[float, np.ndarray]:
        """J and ∂J/∂β (size,)."""
        total = mass = 0.0
        gradient = np.zeros(self.network.size)
        for batch in self._batches(self._rows):
            value, slope, weight = self._sums(beta, batch)
            total, gradient, mass = total + value, gradient + slope, mass + weight
        pull = self.strength * self.network.penalised * beta
        return total / mass + 0.5 * float(pull @ beta), gradient / mass + pull

    def product(self, beta: np.ndarray, v: np.ndarray) -> np.ndarray:
        """∂²J/∂β² · v (size,)."""
        mass, found = 0.0, np.zeros(self.network.size)
        for X, y, weight in self._batches(self._rows):
            w = np.ones((len(X), 1)) if weight is None else weight[:, None]
            f, change = self.network.jvp(beta, X, v, buffers=self._buffers)
            flat, moved = f.reshape(len(f), -1), change.reshape(len(f), -1)
            slope = (w * losses_of(self.loss, y, flat)[1]).reshape(f.shape)
            bend = (w * bent(self.loss, y, flat, moved)).reshape(f.shape)
            found += self.network.vjp_change(beta, X, v, slope, bend, buffers=self._buffers)[1]
            mass += float(w.sum())
        return found / mass + self.strength * self.network.penalised * v

    def unseen(self, v: np.ndarray) -> np.ndarray:
        """The part of v (size,) along which J is the same everywhere, by the form of the loss: adding one number to all
        scores of a softmax. It is a shift of the last biases, and of the last weights where nothing penalises them."""
        found, last = np.zeros_like(v), self.network.leaves[-1]
        if not (isinstance(self.loss, (Multinomial, SmoothedMultinomial)) and isinstance(last.layer, Dense)):
            return found
        for slot in self.network.layout:
            if slot.layer == last.path and not (slot.penalised and self.strength):
                slot.view(found)[...] = slot.view(v).mean(axis=-1, keepdims=True)
        return found

    def magnitude(self, beta: np.ndarray) -> np.ndarray:
        """What each ∂J/∂βⱼ is small beside: the mean over parts of the rows of its size in them, and the penalty's.

        With as many parts as rows it is mean |wᵢ ∂L/∂βⱼ|, and less with fewer, so that judging by it is on the safe
        side.
        """
        n = sum(len(batch.X) for batch in self._batches(self._rows))
        mass, found = 0.0, np.zeros(self.network.size)
        for batch in self._batches(max(1, min(self._rows, n // _TERMS))):
            _, slope, weight = self._sums(beta, batch)
            found, mass = found + np.abs(slope), mass + weight
        return found / mass + np.abs(self.strength * self.network.penalised * beta)

    def _sums(self, beta: np.ndarray, batch: Batch) -> tuple[float, np.ndarray, float]:
        """Σ w L, its derivative and Σ w."""
        f, saved, _ = self.network.forward(beta, batch.X, buffers=self._buffers)
        value, slope = losses_of(self.loss, batch.y, f)
        w = np.ones(len(f)) if batch.weight is None else batch.weight
        gradient, _ = self.network.backward(beta, saved, (w[:, None] * slope).reshape(f.shape))
        return float(w @ value), gradient, float(w.sum())
