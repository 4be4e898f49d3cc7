"""The first fit of a new process: 1,797 digits with default settings, imports and all."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.networks_contestants import has
from benchmarks.timing import alternate, readable

_LOAD = "import sys\nimport numpy as np\nX, y = (np.load(sys.argv[1])[k] for k in 'Xy')\n"
_OURS = (
    _LOAD
    + "import betahat as bh\nm = bh.MLPClassifier(random_state=0).fit(X, y)\nprint(m.n_iter_, m.score(X, y))\n"
)
_THEIRS = _LOAD + (
    "import warnings\nfrom sklearn.neural_network import MLPClassifier\nwarnings.simplefilter('ignore')\n"
    "m = MLPClassifier(random_state=0).fit(X, y)\nprint(m.n_iter_, m.score(X, y))\n"
)
_TORCH = (
    _LOAD
    + """import torch
torch.set_num_threads(1)
X, y = torch.from_numpy(X.astype(np.float32)), torch.from_numpy(y)
model = torch.nn.Sequential(torch.nn.Linear(64, 100), torch.nn.ReLU(), torch.nn.Linear(100, 10))
step = torch.optim.Adam(model.parameters(), fused=True)
for _ in range(int(sys.argv[2])):
    for rows in torch.randperm(len(X)).split(200):
        step.zero_grad()
        torch.nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
        step.step()
print(sys.argv[2], float((model(X).argmax(dim=1) == y).float().mean()))
"""
)
_BASE = "import numpy, sklearn.base\n"
_IMPORTS = "import numpy, betahat\nbetahat.MLPClassifier\n"
_ARCHITECTURES = (
    _LOAD
    + """from pathlib import Path
from time import perf_counter
import betahat as bh
def kernels():
    return len(list(Path(sys.argv[2]).rglob('*.nbc')))
def fit(hidden):
    start = perf_counter()
    bh.MLPClassifier(hidden, random_state=0).fit(X, y)
    return perf_counter() - start
first, compiled = fit((100,)), kernels()
taken = [fit(hidden) for hidden in ((30,), (64, 32), (200, 100, 50))]
print(first, compiled, max(taken), kernels() - compiled)
"""
)


def process(code: str, *arguments: str, cache: str, bytecode: str) -> tuple[str, str]:
    """What a new process prints, and what it says beside. bytecode : where Python keeps that of all modules, as it does
    beside those that pip installs, whatever this process was told."""
    kept = {"BETAHAT_CACHE_DIR": cache, "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    environment = {**os.environ, **kept}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout, done.stderr


def run(quick: bool = False) -> str:
    from sklearn.datasets import load_digits

    with tempfile.TemporaryDirectory() as folder:
        X, y = load_digits(return_X_y=True)
        data = str(Path(folder) / "digits.npz")
        np.savez(data, X=X, y=y)
        warm = str(Path(folder) / "warm")
        started = partial(process, bytecode=str(Path(folder) / "bytecode"))
        epochs, accuracy = started(_OURS, data, cache=warm)[0].split()
        said: set[str] = set()

        def cold() -> None:
            with tempfile.TemporaryDirectory() as empty:
                beside = started(_OURS, data, cache=empty)[1]
            said.update(line for line in beside.splitlines() if line.startswith("betahat:"))

        contestants = {
            "betahat": lambda: started(_OURS, data, cache=warm),
            "scikit-learn MLPClassifier": lambda: started(_THEIRS, data, cache=warm),
            "imports alone: NumPy and sklearn.base": lambda: started(_BASE, cache=warm),
            "imports alone: betahat with what it needs": lambda: started(_IMPORTS, cache=warm),
        }
        if has("torch"):
            name = f"PyTorch, as many epochs ({epochs})"
            contestants[name] = lambda: started(_TORCH, data, epochs, cache=warm)
        timings = alternate(contestants, 2 if quick else 9)
        slow = alternate({"betahat, nothing compiled yet": cold}, 1 if quick else 3, warm=True)
        again = str(Path(folder) / "again")
        first, compiled, other, more = started(_ARCHITECTURES, data, again, cache=again)[0].split()
    reference = timings[0].median
    lines = ["| process | median | best | ratio to betahat |", "|---|---|---|---|"]
    lines += [
        f"| {t.name} | {readable(t.median)} | {readable(t.best)} | {t.median / reference:.2f} |"
        for t in [*timings, *slow]
    ]
    compiling = slow[0].median - reference
    return "\n\n".join([
        f"Whole processes: Python starts, imports, reads {len(X):,} digits, fits an MLPClassifier with default settings"
        f" ({epochs} epochs; {float(accuracy):.1%} of these rows right), and ends.",
        "\n".join(lines),
        f"Compilation: {readable(compiling)}, with the line “{' / '.join(sorted(said))}”.",
        f"In one process: the first fit, nothing compiled yet, {readable(float(first))} and {compiled} kernels kept; "
        f"three more architectures at most {readable(float(other))} each and {more} kernels more.",
    ])  # fmt: skip
