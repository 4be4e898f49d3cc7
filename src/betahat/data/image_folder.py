"""Folders of image files as arrays of pixels and labels, decoded on threads through Pillow."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, final

import numpy as np

from betahat.data.image_file import MODES, Header, decode, header, is_image
from betahat.data.image_rows import ImageRows
from betahat.errors import DataError, MissingRowsWarning, users_line
from betahat.kernels.team import number_of_threads

_MEMORY = 1 << 31


@final
class ImageFolder:
    """What :func:`images` found: files, their labels, and how they are read.

    files : their names, in order; classes : names of the folders, sorted, or () where there are none; y : (n,) the
    class of each file, or None; shape : (n, height, width, channels) of the array; size : what they are resized to, or
    None; mode : "L", "RGB" or "RGBA"; skipped : names of files that could not be read.
    """

    def __init__(
        self,
        files: tuple[str, ...],
        labels: tuple[str, ...] | None,
        size: tuple[int, int] | None,
        mode: str,
        pixels: tuple[int, int],
        memory_limit: int,
        cache: str | None,
        skipped: tuple[str, ...] = (),
    ) -> None:
        self.files, self.size, self.mode, self.skipped = files, size, mode, skipped
        self.classes = () if labels is None else tuple(sorted(set(labels)))
        self.y = None if labels is None else np.array(labels)
        self.shape = (len(files), *pixels, MODES[mode])
        self._memory_limit, self._cache = memory_limit, cache

    def __len__(self) -> int:
        return len(self.files)

    def __repr__(self) -> str:
        n, *pixels = self.shape
        of = f", {len(self.classes)} classes" if self.classes else ""
        return f"<{n:,} images of {' × '.join(map(str, pixels))}{of}>"

    def __getitem__(self, which: Any) -> ImageFolder:
        """Some of the files, by a slice or an array of numbers or booleans, with their labels: as scikit-learn cuts
        rows for cross-validation."""
        some = which[0] if isinstance(which, tuple) and which[1:] == (...,) else which
        chosen = np.arange(len(self))[some]
        if chosen.ndim != 1:  # no IndexError, at which a loop would end
            raise TypeError(f"{which!r} chooses no list of images; give a slice or an array, or see array()")
        if not len(chosen):
            raise DataError(f"{which!r} chooses none of these {len(self)} images")
        files = tuple(self.files[k] for k in chosen.tolist())
        labels = None if self.y is None else tuple(self.y[chosen].tolist())
        return ImageFolder(
            files, labels, self.size, self.mode, self.shape[1:3], self._memory_limit, self._cache
        )

    def blocks(self) -> Generator[np.ndarray]:
        """Pixels (k, height, width, channels) uint8, some files after the other: about 16 MB at once.

        Raises DataError where a file cannot be decoded, naming it.
        """
        return self._files().blocks()

    def rows(self) -> np.ndarray | ImageRows:
        """Pixels as a training takes them: decoded once, where `memory_limit` bytes hold them or a `cache` was given
        for more; else decoded anew whenever they are asked for.

        Raises what `array` raises.
        """
        few = int(np.prod(self.shape)) <= self._memory_limit
        return self.array() if few or self._cache is not None else self._files()

    def _files(self) -> ImageRows:
        return ImageRows(self.files, self.mode, self.size, self.shape[1:], self._memory_limit)

    def array(self) -> np.ndarray:
        """All pixels, (n, height, width, channels) uint8: in memory up to `memory_limit` bytes, else in a temporary
        file, in `cache` or the system's folder, that is mapped into memory and vanishes with the array.

        Raises DataError where a file cannot be decoded, or the folder of the temporary file has no room for it.
        """
        found = self._place(int(np.prod(self.shape)))
        start = 0
        for block in self.blocks():
            found[start : start + len(block)] = block
            start += len(block)
        return found

    def _place(self, wanted: int) -> np.ndarray:
        if wanted <= self._memory_limit:
            return np.empty(self.shape, np.uint8)
        folder = tempfile.gettempdir() if self._cache is None else self._cache
        free = shutil.disk_usage(folder).free
        if wanted > free:
            raise DataError(
                f"{len(self):,} images of {self.shape[1:]} take {wanted:,} bytes, more than memory_limit "
                f"(={self._memory_limit:,}), and {folder!r} has room for {free:,}; give a smaller size, or as cache a "
                "folder with more room"
            )
        with tempfile.TemporaryFile(dir=folder) as file:
            return np.memmap(file, np.uint8, "w+", shape=self.shape)


def images(
    path: Any,
    size: Any = None,
    *,
    mode: str = "auto",
    corrupt: str = "error",
    memory_limit: int = _MEMORY,
    cache: Any = None,
) -> ImageFolder:
    """Images from files, for `ConvNetClassifier` and `ConvNetRegressor`.

    path : a folder with a folder of image files for each class, whose names are the labels, or with image files only,
        which then have no labels; or a file, or a list of files. Folders within those of classes are searched too.
        Hidden files, and those whose ending is of no image, are left out. The order is that of sorted names.
    size : None, for images that are all of one size; or a whole number or (height, width) that each is resized to, by
        averaging, whatever its proportions.
    mode : "L" (grey), "RGB", "RGBA", or "auto": grey where all files are, else RGB, without transparency.
    corrupt : "error", or "skip": all files are decoded once to find those that cannot be, which are left out with a
        MissingRowsWarning that counts them.
    memory_limit : bytes that pixels may take in memory. A training on a folder of no more decodes each file once and
        keeps its pixels; of a larger one it decodes the files anew in each epoch, in the order that it takes them,
        some mini-batches ahead, to the same bits. Predictions do that with folders of any size.
    cache : a folder in which the pixels of a larger folder are kept instead while a model is fitted, decoded once: a
        temporary file that is mapped into memory. None for none.

    Photographs are turned upright as their EXIF orientation says. Pixels are whole numbers from 0 to 255; of 16-bit
    grey images the higher byte. Of files that hold several pictures (animations, pages) the first is read; palettes,
    CMYK and transparency become what `mode` says.

    Needs Pillow, the extra `images`.

    Raises ImportError without it; FileNotFoundError; DataError where there are no images, a class has none, sizes
    differ and no size is given (naming two files), or a file cannot be decoded; TypeError and ValueError for arguments.

    >>> import betahat as bh, numpy as np, pathlib, tempfile
    >>> from PIL import Image
    >>> folder = tempfile.TemporaryDirectory()
    >>> for label, grey in (("dark", 10), ("light", 200)):
    ...     (pathlib.Path(folder.name) / label).mkdir()
    ...     Image.fromarray(np.full((4, 6), grey, np.uint8)).save(pathlib.Path(folder.name) / label / "a.png")
    >>> found = bh.data.images(folder.name)
    >>> found, found.y.tolist(), found.array()[:, 0, 0, 0].tolist()
    (<2 images of 4 × 6 × 1, 2 classes>, ['dark', 'light'], [10, 200])
    >>> folder.cleanup()
    """
    _check(mode, corrupt, memory_limit)
    wanted = _size(size)
    files, labels = _listed(path)
    with ThreadPoolExecutor(number_of_threads()) as pool:
        found = list(pool.map(lambda name: _look(name, corrupt), files))
    bad = [name for name, each in zip(files, found, strict=True) if isinstance(each, str)]
    if bad:
        if corrupt == "error" or len(bad) == len(files):
            first = next(each for each in found if isinstance(each, str))
            many = f" (and {len(bad) - 1} other files)" if len(bad) > 1 else ""
            skip = '; corrupt="skip" leaves such files out' if corrupt == "error" else ""
            raise DataError(f"{bad[0]!r} cannot be read as an image{many}: {first}{skip}")
        warnings.warn(
            f"{len(bad)} of {len(files)} files cannot be read as images and are left out; the first is {bad[0]!r}",
            MissingRowsWarning,
            stacklevel=users_line(),
        )
    good = [k for k, each in enumerate(found) if isinstance(each, Header)]
    heads = [each for each in found if isinstance(each, Header)]
    names = tuple(files[k] for k in good)
    kept = None if labels is None else tuple(labels[k] for k in good)
    if mode == "auto":
        mode = "L" if all(head.grey for head in heads) else "RGB"
    pixels = _one_size(names, heads) if wanted is None else wanted
    place = None if cache is None else os.fspath(cache)
    return ImageFolder(names, kept, wanted, mode, pixels, int(memory_limit), place, tuple(bad))


def _check(mode: str, corrupt: str, memory_limit: Any) -> None:
    if mode not in (*MODES, "auto"):
        raise ValueError(f"mode (={mode!r}) must be one of {', '.join(map(repr, (*MODES, 'auto')))}")
    if corrupt not in ("error", "skip"):
        raise ValueError(f'corrupt (={corrupt!r}) must be "error" or "skip"')
    if isinstance(memory_limit, bool) or not isinstance(memory_limit, (int, np.integer)) or memory_limit < 0:
        raise ValueError(f"memory_limit (={memory_limit!r}) must be a whole number of bytes, at least 0")


def _size(size: Any) -> tuple[int, int] | None:
    if size is None:
        return None
    pair = (size, size) if isinstance(size, (int, np.integer)) else size
    good = isinstance(pair, (tuple, list)) and len(pair) == 2
    if not good or not all(
        isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n > 0 for n in pair
    ):
        raise ValueError(f"size (={size!r}) must be None, a whole number above 0, or (height, width)")
    height, width = pair
    return (int(height), int(width))


def _listed(path: Any) -> tuple[list[str], list[str] | None]:
    """Files in order, and their labels where folders give them."""
    if isinstance(path, (list, tuple, np.ndarray)):
        if not len(path):
            raise DataError("path is an empty list; nothing to read")
        return [_file(each) for each in path], None
    if not _is_path(path):
        raise TypeError(f"path (={path!r}) must be the name of a folder or file, or a list of names of files")
    root = Path(path)
    if not root.is_dir():
        return [_file(path)], None
    inside = sorted(each for each in root.iterdir() if not each.name.startswith("."))
    folders = [each for each in inside if each.is_dir()]
    flat = [str(each) for each in inside if each.is_file() and is_image(each.name)]
    if not folders:
        if not flat:
            raise DataError(f"path (={str(path)!r}) holds no image files and no folders of them")
        return flat, None
    if flat:
        raise DataError(
            f"path (={str(path)!r}) holds image files ({flat[0]!r}) beside folders ({folders[0].name!r}): is each "
            "folder a class, or are these images of none? Give them separately"
        )
    files: list[str] = []
    labels: list[str] = []
    for folder in folders:
        own = sorted(_within(folder))
        if not own:
            raise DataError(
                f"{str(folder)!r} holds no image files; each folder in path is a class, and needs one at least"
            )
        files += own
        labels += [folder.name] * len(own)
    return files, labels


def _is_path(path: Any) -> bool:
    return isinstance(path, os.PathLike) or (isinstance(path, str) and path != "")


def _file(path: Any) -> str:
    if not _is_path(path):
        raise TypeError(f"path names {path!r}; names of files are expected")
    name = str(Path(path))
    if os.path.isdir(name):
        raise DataError(f"path names the folder {name!r} among files; give it alone, or its files")
    if not os.path.isfile(name):
        raise FileNotFoundError(f"path (={name!r}) is no file and no folder")
    return name


def _within(folder: Path) -> Iterator[str]:
    for place, inner, names in os.walk(folder):
        inner[:] = [each for each in inner if not each.startswith(".")]
        yield from (os.path.join(place, n) for n in names if not n.startswith(".") and is_image(n))


def _look(name: str, corrupt: str) -> Header | str:
    """What the file says of itself, or why it cannot be read."""
    try:
        found = header(name)
        if corrupt == "skip":
            decode(name, "L", None)
        return found
    except DataError as error:
        return str(error.__cause__ or error)


def _one_size(names: tuple[str, ...], heads: list[Header]) -> tuple[int, int]:
    first = heads[0]
    for name, each in zip(names, heads, strict=True):
        if each.pixels != first.pixels:
            raise DataError(
                f"images are of several sizes: {names[0]!r} is {first.pixels[0]} × {first.pixels[1]} (height × width) "
                f"and {name!r} {each.pixels[0]} × {each.pixels[1]}; give size=(height, width), which each is resized to"
            )
    return first.pixels
