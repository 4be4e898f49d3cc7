"""Run benchmarks and record them: `python -m benchmarks [name …]`."""

from __future__ import annotations

import datetime
import importlib.metadata
import io
import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
TITLES = {
    "tall": "A million rows",
    "small": "A hundred rows",
    "wide": "Many columns",
    "file": "A file larger than memory should hold",
    "accuracy": "Correct digits (NIST StRD)",
    "derivatives": "Derivatives of plain NumPy code",
    "minimisation": "Minimising any function",
    "nonlinear": "Nonlinear regression (NIST StRD)",
    "sparse": "Penalties that set coefficients to zero",
    "logistic": "A million rows, logistic",
    "likelihoods": "Likelihoods of real tables",
    "logistic_file": "A file larger than memory should hold, logistic",
    "networks": "Neural networks",
    "networks_quality": "How good neural networks become",
    "images": "Convolutional networks",
    "images_quality": "How good convolutional networks become",
}


def _versions() -> list[str]:
    from betahat import show_versions

    text = io.StringIO()
    with redirect_stdout(text):
        show_versions()
    return [line for line in text.getvalue().splitlines() if "/" not in line]  # no paths of a machine


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def environment() -> str:
    """What was measured last, and with what."""
    peers = [
        f"{name} {importlib.metadata.version(name)}"
        for name in ("scikit-learn", "statsmodels", "glum", "autograd", "scipy", "lmfit", "numpy")
    ]
    return f"{_today()}. Peers: {', '.join(peers)}.\n\n```\n" + "\n".join(_versions()) + "\n```"


def when_and_where() -> str:
    """Of one section: machines differ from day to day."""
    processor = next(line for line in _versions() if line.startswith("processor"))
    return f"_Recorded on {_today()}; processor {processor.split(maxsplit=1)[1]}._"


def sections() -> dict[str, str]:
    """What is recorded so far, by name."""
    found: dict[str, str] = {}
    if RESULTS.exists():
        for part in RESULTS.read_text().split("\n<!-- ")[1:]:
            name, body = part.split(" -->\n", 1)
            found[name] = body.strip()
    return found


def main(names: list[str]) -> None:
    unknown = [name for name in names if name not in TITLES]
    if unknown:
        raise SystemExit(f"unknown benchmark {unknown[0]!r}; there are {', '.join(TITLES)}")
    recorded = sections()
    recorded["machine"] = environment()
    for name in names or TITLES:
        print(f"\n## {TITLES[name]}\n", flush=True)
        result = import_module(f"benchmarks.{name}").run()
        print(result, flush=True)
        recorded[name] = f"## {TITLES[name]}\n\n{when_and_where()}\n\n{result}"
    order = ["machine", *TITLES]
    text = (
        "# Benchmarks\n\nMade by `make bench`. Contestants take turns; medians, and ratios of the same run."
    )
    for name in order:
        if name in recorded:
            text += f"\n\n<!-- {name} -->\n{recorded[name]}"
    temporary = RESULTS.with_suffix(".tmp")
    temporary.write_text(text + "\n")
    temporary.replace(RESULTS)
    print(f"\nrecorded in {RESULTS.name}")


if __name__ == "__main__":
    main(sys.argv[1:])
