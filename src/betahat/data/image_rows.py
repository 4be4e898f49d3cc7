"""Pixels of image files, decoded when they are asked for and not kept."""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, final

import numpy as np

from betahat.data.far_rows import FarRows
from betahat.data.image_file import decode
from betahat.errors import DataError
from betahat.kernels.team import number_of_threads

_UNKNOWN = -1
_FILES = 8  # that a thread decodes at a time


@final
class ImageRows(FarRows):
    """Pixels (n, height, width, channels) uint8 of files, decoded on threads whenever rows are asked for.

    files, mode, size : as `betahat.data.images` has them; pixels : (height, width, channels) of each; memory_limit :
    bytes of pixels that `taken` may decode and keep.

    The pixels of each file are known again by a checksum: DataError, naming the file, where it cannot be decoded, or
    changed since it was first.
    """

    def __init__(
        self,
        files: tuple[str, ...],
        mode: str,
        size: tuple[int, int] | None,
        pixels: tuple[int, ...],
        memory_limit: int = 0,
    ) -> None:
        self.files, self.mode, self.resized, self.memory_limit = files, mode, size, memory_limit
        self.shape, self.dtype = (len(files), *pixels), np.dtype(np.uint8)
        self._sums = np.full(len(files), _UNKNOWN, np.int64)

    def parts(self, spans: Iterable[np.ndarray]) -> Generator[np.ndarray]:
        with ThreadPoolExecutor(number_of_threads(), "betahat-decode") as pool:
            for span in spans:
                found = np.empty((len(span), *self.shape[1:]), np.uint8)
                starts = range(0, len(span), _FILES)
                try:
                    for _ in pool.map(
                        lambda a, s=span, f=found: self._decode(s[a : a + _FILES], f[a:]), starts
                    ):
                        pass
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
                yield found

    def taken(self, which: np.ndarray) -> Any:
        files = tuple(self.files[k] for k in which.tolist())
        found = ImageRows(files, self.mode, self.resized, self.shape[1:], self.memory_limit)
        found._sums = self._sums[which]
        return found[:] if found.nbytes <= self.memory_limit else found

    def _decode(self, span: np.ndarray, places: np.ndarray) -> None:
        for k, place in zip(span.tolist(), places, strict=False):
            self._decode_one(k, place)

    def _decode_one(self, k: int, place: np.ndarray) -> None:
        name = self.files[k]
        pixels = decode(name, self.mode, self.resized)
        if pixels.shape != place.shape:
            raise DataError(f"{name!r} changed while it was used: its pixels are now {pixels.shape}")
        place[...] = pixels
        found = zlib.crc32(place)  # pyright: ignore[reportArgumentType]
        if self._sums[k] not in (_UNKNOWN, found):
            raise DataError(f"{name!r} changed while it was used: its pixels are others than at first")
        self._sums[k] = found
