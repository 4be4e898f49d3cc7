"""What a trained network sees in images: the output of each layer, saliency and Grad-CAM."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from betahat.layers import (
    Activation,
    BatchNorm,
    Dropout,
    Dropout2d,
    GroupNorm,
    Image,
    LayerNorm,
    Pass,
    Reshape,
    Residual,
)
from betahat.layers.convolution import Convolution
from betahat.models.network import Network
from betahat.models.network_walk import Step, Walk

FOLLOWING = (Activation, BatchNorm, GroupNorm, LayerNorm, Dropout, Dropout2d)
"""Layers that finish what a convolution began."""


@final
@dataclass(frozen=True, eq=False)
class Inside:
    """A network with its parameters, laid open for some rows.

    network, beta, buffers : f and its numbers, float64. given : (n, *input_shape) rows as users have them. centre,
    scale : arrays of a row's shape; what enters the network is (given − centre) · scale. classes : labels by output,
    or None for a regressor.
    """

    network: Network
    beta: np.ndarray
    buffers: np.ndarray
    given: np.ndarray
    centre: Any = 0.0
    scale: Any = 1.0
    classes: np.ndarray | None = None

    @cached_property
    def walk(self) -> Walk:
        """Of all rows, layer by layer."""
        rows = (self.given.astype(np.float64) - self.centre) * self.scale
        return Walk(self.network, self.beta, self.buffers, rows)

    @cached_property
    def images(self) -> np.ndarray:
        """The rows as they were given, (n, height, width, channels): what leading `Image` and `Reshape` make of them.

        Raises ValueError where the network takes no images.
        """
        return self._as_images(self.given)

    def _as_images(self, rows: np.ndarray) -> np.ndarray:
        for layer in self.network.layers:
            if not isinstance(layer, (Image, Reshape)):
                break
            rows = layer.forward(rows, (), Pass())[0]
        if rows.ndim != 4:
            raise ValueError(
                f"the network takes rows of shape {self.network.input_shape}, which are no images; give X as "
                "(n, height, width, channels), or let the layers begin with Image(height, width, channels)"
            )
        return rows

    # --- scores -------------------------------------------------------------------------------------------------

    @property
    def outputs(self) -> np.ndarray:
        """f (n, outputs)."""
        f = self.walk.values[-1]
        return f.reshape(len(f), -1)

    def chosen(self, target: Any = None) -> np.ndarray:
        """(n,) whose score is asked for: the number of a class, or of an output of a regressor.

        target : a label, or one for each row; the number of an output for a regressor. None is the class that is
        predicted, or the first output.

        Raises ValueError for labels that are no class.
        """
        n, f = len(self.given), self.outputs
        if self.classes is None:
            known: list[Any] = list(range(f.shape[1]))
            if target is None:
                return np.zeros(n, np.intp)
        else:
            known = self.classes.tolist()
            if target is None:
                return (f[:, 0] > 0).astype(np.intp) if f.shape[1] == 1 else f.argmax(axis=1)
        each = [target] * n if np.ndim(target) == 0 else list(np.asarray(target).tolist())
        each = [item.item() if isinstance(item, np.generic) else item for item in each]
        if len(each) != n:
            raise ValueError(f"target has {len(each)} labels for {n} images; give one, or one for each")
        for item in each:
            if item not in known:
                raise ValueError(f"target (={item!r}) must be one of {known}")
        return np.array([known.index(item) for item in each], np.intp)

    def _toward(self, target: Any) -> np.ndarray:
        """∂s/∂f of the scores that are asked for, in f's shape. With one output for two classes the score of the first
        is −f."""
        which, f = self.chosen(target), self.walk.values[-1]
        u = np.zeros((len(f), f[0].size))
        if u.shape[1] == 1 and self.classes is not None:
            u[:, 0] = np.where(which == 1, 1.0, -1.0)
        else:
            u[np.arange(len(f)), which] = 1.0
        return u.reshape(f.shape)

    # --- what moves them ----------------------------------------------------------------------------------------

    def slope(self, target: Any = None) -> np.ndarray:
        """∂s/∂x (n, height, width, channels): how the score s moves with each number of an image as it was given."""
        return self._as_images(self.walk.slope(self._toward(target)) * self.scale)

    def saliency(self, target: Any = None) -> np.ndarray:
        """max over channels of |∂s/∂x|, (n, height, width) (Simonyan et al. 2014)."""
        return np.abs(self.slope(target)).max(axis=-1)

    def grad_cam(self, target: Any = None, layer: str | None = None) -> tuple[np.ndarray, Step]:
        """max(0, Σ_c α_c A_c) (n, height', width'), with A the output of a layer and α_c = the mean over places of
        ∂s/∂A_c (Selvaraju et al. 2017); and the layer's step.

        layer : its path; None takes the last convolution or residual block, with the normalisation and activation
        behind it.

        Raises ValueError where there is no such layer, or its output is no image.
        """
        place = self._last() if layer is None else self.walk.place(layer, "layer")
        step = self.walk.steps[place]
        if not step.is_image:
            raise ValueError(
                f"layer (={step.path!r}, {step.layer!r}) gives {step.output_shape}, which has no places to mark"
            )
        A, slope = self.walk.values[place], self.walk.slope(self._toward(target), after=place)
        alpha = slope.mean(axis=(1, 2), keepdims=True)
        return np.maximum((alpha * A).sum(axis=-1), 0.0), step

    def _last(self) -> int:
        steps = self.walk.steps
        found = [
            k for k, s in enumerate(steps) if s.is_image and isinstance(s.layer, (Convolution, Residual))
        ]
        if not found:
            raise ValueError("the network has no convolution over images; name a layer whose output is one")
        k = found[-1]
        while k + 1 < len(steps) and follows(steps[k + 1]):
            k += 1
        return k


def follows(step: Step) -> bool:
    """Whether the step finishes what the one before began: an activation, normalisation or dropout."""
    return isinstance(step.layer, FOLLOWING)
