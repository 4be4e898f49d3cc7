"""What estimators of images share: rows as images, layers of convolutions, folders of files."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_is_fitted

from betahat.data.image_folder import ImageFolder
from betahat.data.image_rows import ImageRows
from betahat.data.missing import unmasked
from betahat.data.source import Source
from betahat.errors import StorageError
from betahat.estimators.inputs import is_frame, numbers
from betahat.estimators.network.augmenting import AugmentedNetwork
from betahat.estimators.network.convolutions import check_convolutions, convolutions
from betahat.estimators.network.given import Given
from betahat.estimators.network.images import Form, check_image_parameters, form_of, times
from betahat.estimators.network.rows import coded, levels_of, read_rows
from betahat.estimators.network.stream import Stream
from betahat.layers import Layer, Shape
from betahat.layers.base import size_of
from betahat.storage import Fields


class ConvolutionalNetwork(AugmentedNetwork):
    """Abstract: rows are images, and layers those that `channels` or an architecture say."""

    image_shape: Any
    image_order: str
    channels: Any
    kernel_size: Any
    pool: str | None
    hidden: Any
    activation: Any
    batch_norm: bool
    residual: bool
    dropout: Any
    architecture: str | None

    _form: Form
    _given: Shape
    _resized: bool

    shuffle_buffer = None  # what 256 MB hold
    _images = True
    _batch = staticmethod(lambda rows: min(rows, 128, max(32, rows // 32)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.three_d_array = True
        return tags

    @property
    def image_shape_(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images it was fitted to."""
        check_is_fitted(self, "_form")
        return self._form.shape

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_image_parameters(self)
        check_convolutions(self)

    def _layers(self, outputs: int) -> list[Layer]:
        return convolutions(self, self._form, outputs)

    def _width(self, shape: Shape, wanted: tuple[int, ...], why: str) -> int:
        return wanted[-1]

    # --- rows ---------------------------------------------------------------------------------------------------

    def _read(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        reset: bool,
        classes: np.ndarray | None = None,
        aside: bool = False,
    ) -> Given | Stream:
        _refuse_names(X)
        if isinstance(X, ImageFolder):
            if y is None:
                y = self._labels_of(X)
            X = self._pixels(X, reset)
        elif reset and not isinstance(X, Source):  # whose columns tell
            self._resized = False
        return super()._read(X, y, sample_weight, reset, classes, aside)

    @abstractmethod
    def _labels_of(self, folder: ImageFolder) -> Any:
        """y of a folder, where none is given."""

    def _pixels(self, folder: ImageFolder, reset: bool) -> np.ndarray | ImageRows:
        if reset:
            if self.image_order != "NHWC":
                raise ValueError(
                    f"image_order (={self.image_order!r}) is for arrays; images of files have their channels last"
                )
            self._resized = folder.size is not None
        return folder.rows()

    def _rows_of(self, X: Any, reset: bool, finite: bool = True) -> Any:
        if isinstance(X, ImageFolder):
            return self._form.laid(X.array(), "NHWC")
        if isinstance(X, ImageRows):
            return self._files(X, reset)
        rows = self._numbers(X, reset, finite)
        given = tuple(rows.shape[1:])
        if reset:
            self._given, self._form = given, form_of(self, given)
        return self._laid(rows)

    def _files(self, X: ImageRows, reset: bool) -> ImageRows:
        """They themselves, where they are images of the right shape."""
        if reset:
            self.design_, self.n_features_in_ = None, X.shape[1]
            vars(self).pop("feature_names_in_", None)
            self._given = X.shape[1:]
            self._form = form_of(self, self._given)
        self._form.laid(np.empty((0, *X.shape[1:]), X.dtype), "NHWC")
        return X

    def _numbers(self, X: Any, reset: bool, finite: bool) -> np.ndarray:
        """X as numbers, in the shape that it has."""
        _refuse_sparse(X)
        if reset:
            rows = read_rows(self, X, True, True)
            self._refuse_levels()
            return rows
        if is_frame(X) or np.asarray(X).ndim == 2 == len(self._given) + 1:
            return coded(self, X, True, finite)
        finite = finite or not (isinstance(X, np.ndarray) and X.dtype in (np.float64, np.float32))
        found = check_array(
            unmasked(X),
            dtype="numeric",
            allow_nd=True,
            ensure_all_finite=finite,
            input_name="X",
            estimator=self,
        )
        return numbers(found, "X")

    def _laid(self, rows: Any) -> np.ndarray:
        _refuse_sparse(rows)
        return self._form.laid(rows)

    def _settle_columns(self, p: int) -> None:
        self._refuse_levels()
        self._resized, self._given = False, (p,)
        self._form = form_of(self, self._given)

    def _takes_columns(self, p: int) -> bool:
        return p == size_of(self._form.shape)

    def _refuse_levels(self) -> None:
        if self.design_ is not None and levels_of(self.design_):
            raise TypeError(
                "X is a table with columns of text or categories, "
                f"{[self.design_.input_names[j] for j in levels_of(self.design_)]}; the pixels of images are numbers"
            )

    def _outputs(self, X: Any, probabilities: bool = False) -> np.ndarray:
        _refuse_names(X)
        if not isinstance(X, ImageFolder):
            return super()._outputs(X, probabilities)
        check_is_fitted(self, "_state")
        with closing(X.blocks()) as blocks:
            found = [self._of_rows(self._form.laid(block, "NHWC"), probabilities) for block in blocks]
        return np.concatenate(found)

    @property
    def _rows_are(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        shape, order = self._form.shape, self._form.order
        words = f"Each row of x is an image of {times(shape)}, height × width × channels"
        if order == "NCHW" and shape[2] > 1:
            words += ", its channels first in the numbers given"
        if self._form.small and shape[0] == 1 < shape[1]:
            words += (
                f": a line of {shape[1]} pixels, since a table of {shape[1]} columns is no square and image_shape is "
                "not given"
            )
        elif len(self._given) == 1 and self.image_shape is None:
            words += ": a square, since image_shape is not given"
        return words + "."

    def predictor(self) -> Callable[[Any], np.ndarray]:
        """A bare function of images, for one at a time: on the caller's thread, and on others too where an image takes
        more than 2²⁶ operations, with parameters as they now are.

        It takes an image (height, width, channels) or several (n, height, width, channels), or in any other form that
        `predict` takes: with channels first by `image_order`, without the axis of one channel, or flat. It gives what
        the model gives: probabilities of a classifier, (K,) or (n, K), and a regressor's answers, () or (n,), or with t
        targets (t,) or (n, t).

        Raises DataError where images have another shape, or hold NaN or infinity.
        """
        inner, form = super().predictor(), self._form
        alone = {form.shape, (form.shape[2], *form.shape[:2])}  # an image in any order
        straight, plain = form.order == "NHWC", form.shape

        def predict(x: Any) -> np.ndarray:
            x = np.asarray(x)
            if straight and x.shape[-3:] == plain:
                return inner(x)
            single = x.ndim == 1 or x.shape in alone or (plain[2] == 1 and x.shape == plain[:2])
            return inner(form.laid(x[None])[0]) if single else inner(form.laid(x))

        return predict

    # --- storage ------------------------------------------------------------------------------------------------

    def _rows_to_dict(self) -> dict[str, Any]:
        return {"given_shape": list(self._given), "resized": self._resized}

    def _restore_rows(self, model: Fields, shape: Shape, columns: int) -> None:
        given = model.raw("given_shape")
        if not isinstance(given, list) or not all(type(each) is int and each > 0 for each in given):
            raise StorageError(f"`model.given_shape` is {given!r}; whole numbers are expected")
        self._given, self._resized = tuple(given), model.flag("resized")
        self._form = form_of(self, self._given)
        if self._form.shape != shape or self._given[0] != columns:
            raise StorageError(
                f"`model.input_shape` is {shape}, and rows of shape {self._given} are images of {self._form.shape}"
            )


def _refuse_sparse(X: Any) -> None:
    if hasattr(X, "tocsr"):
        raise TypeError(f"X is sparse data ({type(X).__name__}); images are dense arrays: pass X.toarray()")


def _refuse_names(X: Any) -> None:
    first = X[0] if isinstance(X, (list, tuple)) and X else X
    if isinstance(first, (str, os.PathLike)):
        raise TypeError(
            f"X names files ({first!r}{', …' if first is not X else ''}), whose images are read by "
            "betahat.data.images(...): pass what it gives"
        )
