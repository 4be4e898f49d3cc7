"""What a trained network is asked beyond predictions: proof, words, a bare function, columns for a file, a file."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from betahat.certificate import Certificate
from betahat.certificate.network import ExtremeCurvature
from betahat.data.source import Block
from betahat.engines import TrainingState
from betahat.errors import DataError, InferenceError
from betahat.estimators.network.base import NetworkEstimator
from betahat.estimators.network.parameters import LARGEST, SMALLEST, STEPS, check_flag, growing
from betahat.layers import Dense
from betahat.models.network import Network
from betahat.report.inside import Inside
from betahat.report.range_test import RangeTest
from betahat.solvers.checks import check_positive


class AskedNetwork(NetworkEstimator):
    """Abstract: subclasses say what outputs mean."""

    curvature_: ExtremeCurvature

    @property
    def network_(self) -> Network:
        """The layers and where their parameters lie."""
        check_is_fitted(self, "_state")
        return self._network

    @property
    def parameters_(self) -> dict[str, np.ndarray]:
        """All parameters by layer and name, views of one flat array: changing them changes the model."""
        check_is_fitted(self, "_state")
        return self._network.views(self._state.chain.point)

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The weights (inputs, outputs) of the dense layers, views: of standardised inputs where `standardize`."""
        return self._dense("weight")

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The biases (outputs,) of the dense layers, views."""
        return self._dense("bias")

    def _dense(self, name: str) -> list[np.ndarray]:
        found = self.parameters_
        layers = {leaf.path for leaf in self._network.leaves if isinstance(leaf.layer, Dense)}
        return [
            found[s.name] for s in self._network.layout if s.layer in layers and s.name.endswith(f".{name}")
        ]

    def certify(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        curvature: bool = False,
        tolerance: float = 1e-6,
    ) -> Certificate:
        """Whether β̂ is a minimum of J over these rows, those of the training, or of their source; it becomes
        `certificate_`.

        J(β) = (1/Σw) Σ w L(y, f(x, β)) + α/(2b) Σ β² over the weights, with b the rows of a mini-batch (all rows for
        "lbfgs"), and f as it predicts: nothing dropped, normalised by running statistics. Its gradient is summed over
        all rows in double precision, whatever precision the training had. It vanishes where each |∂J/∂βⱼ| is at most
        `tolerance` times its mean size in parts of the rows.

        curvature : also find the extreme eigenvalues of ∂²J/∂β² by Lanczos' method on Hessian-vector products
            (`curvature_`), which tell a "local minimum" from a "saddle" and from what is "flat"; without it a vanishing
            gradient is "stationary". Costs some dozens of readings.

        Raises NotFittedError before `fit`, and what `fit` raises for X and y.
        """
        from betahat.estimators.network.full_batch import certified

        check_is_fitted(self, "_state")
        check_flag("curvature", curvature)
        check_positive("tolerance", tolerance)
        given = self._read(X, y, sample_weight, reset=False)
        self.certificate_, bend = certified(self, given, bool(curvature), tolerance)
        if bend is not None:
            self.curvature_ = bend
        return self.certificate_

    def explain(self) -> str:
        """What was minimised, the network as formulas and in a table of shapes, parameters and operations, how it was
        trained and why it ended, with this fit's numbers."""
        from betahat.estimators.network.told import told
        from betahat.report.explain_network import explain_network

        check_is_fitted(self, "_state")
        return explain_network(told(self))

    def predictor(self) -> Callable[[Any], np.ndarray]:
        """A bare function of rows, for one row at a time: on the caller's thread (a single image that takes more than
        2²⁶ operations on others too), with parameters as they now are, and nothing of X's table but numbers.

        It takes an array (p,) or (n, p) of numbers (codes where columns were embedded), and gives what the model gives
        for rows: probabilities of a classifier, (K,) or (n, K), and a regressor's answers, () or (n,), or with t
        targets (t,) or (n, t). It computes in the precision of the training, to the same bits as the model, and several
        threads may call it at once.

        Raises DataError where rows have another shape, or hold NaN or infinity.
        """
        from betahat.estimators.network.predictor import bare

        check_is_fitted(self, "_state")
        return bare(self, self._gives_probabilities)

    def inside(self, X: Any) -> Inside:
        """The network laid open for rows X: the output of each of its layers (`walk`), and for images `saliency`,
        `grad_cam` and `images`, in double precision. The pictures of `betahat.plots` are drawn from it.

        Raises NotFittedError before `fit`, and what `predict` raises for X.
        """
        check_is_fitted(self, "_state")
        rows = self._rows_of(X, reset=False)
        rows = rows.toarray() if hasattr(rows, "tocsr") else rows
        point, buffers = (a.astype(np.float64) for a in (self._state.chain.point, self._state.buffers))
        classes = getattr(self, "classes_", None)
        return Inside(self._network, point, buffers, rows, *(self._units or (0.0, 1.0)), classes)

    @property
    @abstractmethod
    def _gives_probabilities(self) -> bool:
        """Whether a predictor gives probabilities of classes, of which one is true."""

    def find_learning_rate(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, smallest: float = SMALLEST, largest: float = LARGEST,
        steps: int = STEPS,
    ) -> RangeTest:  # fmt: skip
        """A range test (Smith 2017): a copy of this estimator is trained for `steps` mini-batches, with a learning rate
        that grows from `smallest` to `largest` by the same factor at every step, until its loss is lost. This estimator
        stays as it is.

        The copy begins at the weights of the seed, or with warm_start=True where the fit before ended, takes
        mini-batches in the order of a training, and leaves out rows that early_stopping would set aside. Its learning
        rates stand in the place of `learning_rate`, `learning_rate_init` and those within `solver`.

        The suggestion is the rate at which the loss falls steepest; whoever lets the rate fall later, as
        `betahat.solvers.OneCycle` does, can begin at up to three times as much, below the divergence.
        ``learning_rate_init="auto"`` does this within `fit`.

        Raises ValueError for solver="lbfgs", whose line search needs no rate, for fewer steps than 10, and what `fit`
        raises.

        >>> import numpy as np, betahat as bh
        >>> X = np.random.default_rng(0).normal(size=(500, 3))
        >>> found = bh.MLPRegressor(random_state=0).find_learning_rate(X, X[:, 0] * X[:, 1])
        >>> 1e-4 < found.suggestion < 0.1
        True
        """
        from betahat.estimators.network.finding import find

        return find(self, X, y, sample_weight, growing(smallest, largest, steps))

    @abstractmethod
    def _answer(self, f: np.ndarray) -> np.ndarray:
        """What a predictor gives of outputs (n, outputs)."""

    @abstractmethod
    def _columns(self, f: np.ndarray, name: str) -> dict[str, np.ndarray]:
        """What `betahat predict` writes of outputs (n, outputs)."""

    def _written(self, block: Block, name: str, level: float | None) -> dict[str, np.ndarray]:
        if level is not None:
            raise InferenceError(
                f"{type(self).__name__} has no intervals: a network's parameters have no covariance"
            )
        if block.offset is not None:
            raise DataError("these rows were given an offset or exposure, and networks take none")
        return self._columns(self._of_rows(self._laid(np.asarray(block.X))), name)

    @property
    def _result(self) -> TrainingState:
        """What was fitted, where other estimators have it."""
        return self._state

    def _stored_parameters(self) -> dict[str, Any]:
        """The parameters that a file is to hold: not functions that watch the training, nor generators."""
        given = self.get_params(deep=False)
        watching = {
            "callbacks": None,
            "checkpoint": None,
            "scoring": given["scoring"] if isinstance(given["scoring"], str) else None,
        }
        if not isinstance(given["random_state"], (int, np.integer)):
            watching["random_state"] = None
        return given | watching

    def save(self, path: Any) -> None:
        """Write the fitted model to one file (safetensors with JSON metadata): no rows, no pickle."""
        from betahat.estimators.storing import save

        save(self, path)
