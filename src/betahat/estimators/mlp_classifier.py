"""A multilayer perceptron that classifies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from betahat.estimators.network.classifier import NetworkClassification
from betahat.estimators.network.parameters import keep
from betahat.estimators.network.stack import check_stack, stack
from betahat.layers import Layer, Shape


@final
class MLPClassifier(NetworkClassification):
    """A multilayer perceptron for labels: scikit-learn's `MLPClassifier` by name and meaning, and what it lacks.

    J(β) = (1/Σw) Σ w L(y, f(x, β)) + α/2Σw Σ β² over the weights, biases free. L is log(1 + eᶠ) − y f on one output f
    for two classes (`out_activation_` "logistic"), log Σ eᶠᵏ − f_y on K outputs for more ("softmax"), and the sum of
    the first over K outputs where y (n, K) says of each of K labels whether a row has it. A step takes the gradient
    over a mini-batch of b rows, with α/2b in the place of α/2Σw.

    As in scikit-learn: hidden_layer_sizes : units of each hidden layer. activation : "identity", "logistic", "tanh",
    "relu", and "leaky_relu", "elu", "gelu", "silu", "softplus", a layer of `betahat.layers` or a function of an array.
    solver : "adam", "sgd" (with `momentum`, `nesterovs_momentum`), "lbfgs" (all rows at every step, in double
    precision), and "momentum", "nesterov", "rmsprop", "adagrad", "adamw", or a solver of `betahat.solvers` with its own
    learning rate. alpha : α. batch_size : "auto" is min(200, n). learning_rate : "constant", or for "sgd", "momentum"
    and "nesterov" "invscaling" (η/(t + 1)^power_t, t rows seen, changed after every epoch) or "adaptive" (divided by 5
    when the loss falls no more); or for all "one_cycle", a rise to η and a fall to almost nothing over max_iter epochs
    (`betahat.solvers.OneCycle`), or a schedule of the step, such as `betahat.solvers.Cosine(1e-3, 2000)`.
    learning_rate_init : η; "auto" finds it by a range test before the first epoch (:meth:`find_learning_rate`; for
    solvers by name and without a schedule) and leaves it in `learning_rate_init_`. max_iter : epochs at most. shuffle,
    random_state : the order of an epoch depends on the seed and its number. tol, n_iter_no_change : the training ends
    when the loss ("converged"), or with early_stopping the score of a `validation_fraction` of the rows ("early
    stopping"), was not better by `tol` for more than so many epochs. warm_start : `fit` goes on from where the last one
    ended, with what the solver remembers. beta_1, beta_2, epsilon : of Adam, with ε added to √v̂ (scikit-learn adds it
    before the correction of the start). max_fun : of "lbfgs". verbose : a progress bar on a terminal, else a line an
    epoch, on standard error.

    Beyond it: dropout : the rate after every hidden layer, or one for each. batch_norm, layer_norm : before every
    activation. class_weight : None, "balanced" or a dict by label. clip_norm : the longest gradient. average : of the
    iterates, such as `betahat.solvers.ExponentialAverage(0.999)`; it is what predicts. standardize : columns are
    centred and divided by their standard deviation on their way in (sparse ones only divided), so that `coefs_` speak
    of standardised columns. dtype : "auto" is float64 for small input that is not float32 already, and else float32.
    scoring : of early stopping, any scorer of scikit-learn; None is accuracy. callbacks : functions that are called
    after every epoch with an :class:`~betahat.estimators.network.history.Epoch`; one that returns something true ends
    the training. Columns of text and categories of a table are embedded, in min(50, ⌈k/2⌉) numbers for k categories.

    checkpoint : a folder that all of the training is written to, every `checkpoint_every` epochs and when it ends. The
    process may be killed at any moment: `fit` with the same parameters, rows and folder goes on where the newest
    checkpoint stands, and ends with the same bits as without the break. max_iter, verbose and callbacks may be others,
    and a seed that was drawn is taken from it. One training at a time can have the folder; another is refused,
    and a lock of the operating system lets go of it however a process ends. Not for "lbfgs", and `partial_fit` writes
    none.

    shuffle_buffer : rows that are held of a source that is larger than that (:meth:`fit`), by default as many as
    256 MB hold, and two mini-batches at least. When it is full, an eighth of it at most, drawn at random, leaves for
    the mini-batches, and the rows that follow take their places.

    The hidden weights begin as suits the activation (He, Glorot), biases at 0. No warning is given when the epochs are
    spent: `stop_reason_` says so. A loss that overflows ends the training, puts back the parameters of the epoch
    before, and warns.

    Attributes: as in scikit-learn `classes_`, `loss_`, `best_loss_`, `loss_curve_`, `validation_scores_`,
    `best_validation_score_`, `coefs_`, `intercepts_`, `n_features_in_`, `feature_names_in_`, `n_iter_`, `n_layers_`,
    `n_outputs_`, `out_activation_`, `t_`; and `stop_reason_`, `trace_`, `parameters_` (every array by layer and name),
    `network_`, `learning_rate_init_` (the η it began with), `certificate_` ("not assessed" until :meth:`certify`).

    >>> import numpy as np, betahat as bh
    >>> X, y = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), ["even", "odd", "odd", "even"]
    >>> model = bh.MLPClassifier((8,), "tanh", solver="lbfgs", random_state=1).fit(X, y)
    >>> model.predict(X).tolist(), model.stop_reason_
    (['even', 'odd', 'odd', 'even'], 'converged')

    Rumelhart, Hinton & Williams (1986); Kingma & Ba (2015).
    """

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float | Sequence[float] = 0.0,
        batch_norm: bool = False,
        layer_norm: bool = False,
        class_weight: Any = None,
        clip_norm: float | None = None,
        average: Any = None,
        standardize: bool = True,
        dtype: Any = "auto",
        scoring: Any = None,
        callbacks: Any = None,
        checkpoint: Any = None,
        checkpoint_every: int = 1,
        shuffle_buffer: int | None = None,
    ) -> None:
        keep(self, locals())

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_stack(self)

    def _width(self, shape: Shape, wanted: tuple[int, ...], why: str) -> int:
        return wanted[-1]

    def _layers(self, outputs: int) -> list[Layer]:
        return stack(self, outputs)
