"""Neural networks beside PyTorch, JAX, scikit-learn and onnxruntime.

`python -m benchmarks networks` records the parts that measure time, `python -m benchmarks networks_quality` those that
train until a model is good; `python -m benchmarks.networks [part …] [--quick]` prints any, the latter with small sizes
and few repeats. Peers that are not installed are left out, and named.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable
from importlib import import_module

from benchmarks.networks_contestants import has

PARTS = {
    "step": ("A step of a small network", "networks_step", "run"),
    "grid": ("Networks of many sizes", "networks_grid", "run"),
    "large": ("A large network", "networks_grid", "run_large"),
    "mnist": ("MNIST", "networks_mnist", "run"),
    "predict": ("Prediction", "networks_predict", "run"),
    "first": ("The first fit of a process", "networks_first", "run"),
    "tables": ("Real tables", "networks_tables", "run"),
}
QUALITY = ("mnist", "tables")
"""Parts that are recorded apart: they take a quarter of an hour."""
PEERS = ("torch", "jax", "optax", "onnx", "onnxruntime", "scikit-learn")


def versions() -> str:
    """Of the peers, and which are not there."""
    there = [name for name in PEERS if has(name.replace("scikit-learn", "sklearn"))]
    said = "Peers: " + ", ".join(f"{name} {importlib.metadata.version(name)}" for name in there) + "."
    absent = [name for name in PEERS if name not in there]
    return said + (f" Not installed, so not measured: {', '.join(absent)}." if absent else "")


def run(names: list[str] | None = None, quick: bool = False) -> str:
    found = [versions()]
    for name in names or [name for name in PARTS if name not in QUALITY]:
        title, module, function = PARTS[name]
        measure: Callable[[bool], str] = getattr(import_module(f"benchmarks.{module}"), function)
        print(f"  {title.lower()} …", file=sys.stderr, flush=True)
        found.append(f"### {title}\n\n{measure(quick)}")
    return "\n\n".join(found)


def main(arguments: list[str]) -> None:
    names = [name for name in arguments if name != "--quick"]
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise SystemExit(f"unknown part {unknown[0]!r}; there are {', '.join(PARTS)}, and --quick")
    print(run(names or list(PARTS), "--quick" in arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
