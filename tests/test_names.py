"""Modules that are imported when something of them is first used."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from betahat.names import postponed


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A package that finds its part when it is asked for it, as SciPy does; the part says when it is imported."""
    home = tmp_path / "parted"
    home.mkdir()
    (home / "__init__.py").write_text(
        "from importlib import import_module\n"
        "def __getattr__(name):\n"
        "    if name != 'part':\n"
        "        raise AttributeError(name)\n"
        "    return import_module('parted.part')\n"
    )
    (home / "part.py").write_text("value = 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "parted"]:
        del sys.modules[name]


@pytest.mark.usefixtures("package")
class TestPostponed:
    def test_nothing_is_imported(self):
        with postponed("parted.part"):
            import parted.part  # pyright: ignore[reportMissingImports]
        assert "parted.part" not in sys.modules
        assert "part" not in vars(parted)

    def test_use_afterwards(self):
        with postponed("parted.part"):
            import parted.part  # pyright: ignore[reportMissingImports]
        assert parted.part.value == 3
        assert sys.modules["parted.part"] is parted.part

    def test_a_name_bound_inside(self):
        with postponed("parted.part"):
            import parted.part as bound  # pyright: ignore[reportMissingImports]
        assert "parted.part" not in sys.modules
        assert bound.value == 3
        assert sys.modules["parted.part"].value == 3
        with pytest.raises(AttributeError, match="other"):
            bound.other  # noqa: B018

    def test_use_inside(self):
        with postponed("parted.part"):
            from parted.part import value  # pyright: ignore[reportMissingImports]

            assert value == 3
            real = sys.modules["parted.part"]
            assert type(real).__name__ == "module"
        assert sys.modules["parted.part"] is real

    def test_one_that_is_there(self):
        import parted.part  # pyright: ignore[reportMissingImports]

        with postponed("parted.part"):
            assert sys.modules["parted.part"] is parted.part
        assert sys.modules["parted.part"] is parted.part

    def test_one_that_is_not_installed(self):
        with postponed("betahat_never"), pytest.raises(ModuleNotFoundError, match="betahat_never"):
            import betahat_never  # noqa: F401  # pyright: ignore[reportMissingImports]

    def test_after_an_error(self):
        with pytest.raises(RuntimeError, match="other trouble"), postponed("parted.part"):
            raise RuntimeError("other trouble")
        assert "parted.part" not in sys.modules

    def test_other_threads_meanwhile(self):
        """One that asks while another imports gets the module, not what stands for it."""
        found: list[int] = []

        def ask():
            from parted.part import value  # pyright: ignore[reportMissingImports]

            found.append(value)

        with postponed("parted.part"):
            threads = [threading.Thread(target=ask) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert found == [3] * 8
        assert sys.modules["parted.part"].value == 3


def answer(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class TestFirstProcess:
    """What a first fit imports: half a second and more hangs on each of these."""

    HEAVY = ("scipy.stats", "sklearn.metrics", "pandas", "matplotlib")
    ROWS = "import sys, numpy as np, betahat as bh\nX = np.random.default_rng(0).standard_normal((60, 3))\n"

    @pytest.mark.parametrize(
        "fit",
        [
            "bh.LinearRegression().fit(X, X[:, 0] + X[:, 1] ** 2).score(X, X[:, 0])",
            "bh.LogisticRegression().fit(X, X[:, 0] + X[:, 1] ** 3 > 0.2).score(X, X[:, 0] > 0)",
            "bh.PoissonRegressor().fit(X, np.arange(60) % 3).score(X, np.arange(60) % 3)",
            "bh.MLPClassifier(max_iter=3).fit(X, np.arange(60) % 3).score(X, np.arange(60) % 3)",
            "bh.MLPRegressor(max_iter=3).fit(X, X[:, 0]).score(X, X[:, 0])",
        ],
    )
    def test_nothing_heavy(self, fit: str):
        assert (
            answer(f"{self.ROWS}{fit}\nprint([name for name in {self.HEAVY} if name in sys.modules])") == "[]"
        )

    def test_scikit_learn_finds_what_it_asked_for(self):
        """Its function that takes scipy.stats, and one that asks pandas, after ours was imported first."""
        code = (
            "import numpy as np, betahat as bh\nbh.LinearRegression\n"
            "from sklearn.utils import fixes\nfrom sklearn.impute import SimpleImputer\n"
            "assert fixes._mode(np.array([1, 2, 2])).mode == 2\n"
            "import scipy.stats, scipy\n"
            "assert scipy.stats is __import__('sys').modules['scipy.stats'] and scipy.stats.norm.cdf(0) == 0.5\n"
            "print(SimpleImputer(strategy='most_frequent').fit_transform(np.array([[1.0], [np.nan], [1.0]])).tolist())"
        )
        assert answer(code) == "[[1.0], [1.0], [1.0]]"

    def test_pandas_where_it_is_installed(self):
        pytest.importorskip("pandas")
        code = (
            "import betahat as bh\nbh.LinearRegression\nfrom sklearn.utils import fixes\nimport pandas\n"
            "print(fixes.pd.DataFrame is pandas.DataFrame)"
        )
        assert answer(code) == "True"
