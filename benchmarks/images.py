"""Convolutional networks beside PyTorch, JAX and onnxruntime.

`python -m benchmarks images` records the parts that measure time, `python -m benchmarks images_quality` MNIST;
`python -m benchmarks.images [part …] [--quick]` prints any.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module

from benchmarks.networks import versions

PARTS = {
    "step": ("A step of a small convolutional network", "images_step", "run_small"),
    "resnet": ("A step of ResNet-9", "images_step", "run_resnet"),
    "conv": ("One convolution", "images_conv", "run"),
    "memory": ("Memory of training steps", "images_memory", "run"),
    "predict": ("Predictions of convolutional networks", "images_predict", "run"),
    "mnist": ("MNIST by convolutions", "images_mnist", "run"),
    "augmented": ("MNIST by convolutions of changed images", "images_augmented", "run"),
}

QUALITY = ("mnist", "augmented")
"""Recorded apart: they train until a model is good."""


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
