"""A network taken step by step: what each layer makes of rows, and what a score's derivative is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from betahat.layers.base import Child, Layer, Pass, Shape
from betahat.layers.receptive import ReceptiveField, beginning, through
from betahat.layers.sequential import Sequential, chained
from betahat.models.network import Network


@final
@dataclass(frozen=True)
class Step:
    """A layer on the way: its path in the network, the shape of a row of its output, and what of the image its places
    see (None where it has no places)."""

    path: str
    layer: Layer
    output_shape: Shape
    field: ReceptiveField | None

    @property
    def is_image(self) -> bool:
        """Whether its output is (height, width, channels)."""
        return len(self.output_shape) == 3


@final
class Walk:
    """f(x, β) of rows X as the network predicts, with every layer's output kept; `Sequential` is opened, a `Residual`
    is one step.

    >>> import numpy as np
    >>> from betahat.layers import Dense, ReLU
    >>> net = Network([Dense(3), ReLU(), Dense(1)], input_shape=2)
    >>> walk = Walk(net, net.initial(seed=0), net.initial_buffers(), np.ones((5, 2)))
    >>> [step.path for step in walk.steps], walk.values[1].shape
    (['0', '1', '2'], (5, 3))
    >>> walk.slope(np.ones((5, 1)), after=0).shape  # ∂f/∂z of the first layer
    (5, 3)
    """

    def __init__(self, network: Network, beta: Any, buffers: Any, X: Any) -> None:
        beta, buffers = np.asarray(beta), np.asarray(buffers)
        self.steps: list[Step] = []
        self.values: list[np.ndarray] = []
        """Of each step, (n, *output_shape)."""
        self.rows = x = np.asarray(X, beta.dtype)
        self._saved: list[Any] = []
        self._parameters: list[tuple[Any, ...]] = []
        parameters, at = tuple(network.views(beta).values()), 0
        context = Pass(False, 0, 0, network.buffer_views(buffers))
        field = beginning(network.input_shape)
        for path, child, within in _opened(chained(network.layers, network.input_shape), context, ""):
            own = parameters[at : at + len(child.layer.parameters(child.shape))]
            at += len(own)
            x, saved = child.layer.forward(x, own, within)
            field = through(child, field)
            self.steps.append(Step(path, child.layer, child.layer.output_shape(child.shape), field))
            self.values.append(x)
            self._saved.append(saved)
            self._parameters.append(own)

    def slope(self, u: np.ndarray, after: int = -1) -> np.ndarray:
        """∂⟨u, f⟩/∂h of the output h of step `after`, of the rows themselves where it is −1."""
        for k in range(len(self.steps) - 1, after, -1):
            u, _ = self.steps[k].layer.backward(u, self._saved[k], self._parameters[k])
        return u

    def place(self, path: str, what: str) -> int:
        """The number of a step by its path.

        Raises ValueError where there is none.
        """
        for number, step in enumerate(self.steps):
            if step.path == path:
                return number
        known = ", ".join(repr(step.path) for step in self.steps)
        raise ValueError(f"{what} (={path!r}) must be the path of a layer, one of {known}")


def _opened(children: Iterable[Child], context: Pass, path: str) -> Iterator[tuple[str, Child, Pass]]:
    for child in children:
        here, within = path + child.name, context.within(child.name, child.number)
        if isinstance(child.layer, Sequential):
            yield from _opened(child.layer.children(child.shape), within, f"{here}.")
        else:
            yield here, child, within
