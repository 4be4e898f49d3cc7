"""The house: what the documentation says is run, the public face holds together, and import stays light."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
import shlex
import subprocess
import sys
import tomllib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import betahat

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "betahat"
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if page.name != "changelog.md"),
]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
HEAVY = {
    *("sklearn", "numba", "llvmlite", "duckdb", "scipy.linalg", "scipy.stats", "scipy.special", "matplotlib"),
    *("pandas", "polars", "pyarrow", "formulaic", "narwhals", "rich", "typer", "jinja2"),
}
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


# --- the documentation's snippets ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Snippet:
    kind: str
    text: str
    line: int
    warns: str | None


FENCE = re.compile(
    r"(?:^<!-- warns: (?P<warns>\w+) -->\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)


def snippets(page: str) -> list[Snippet]:
    return [
        Snippet(m["kind"], m["text"], page[: m.start("text")].count("\n"), m["warns"])
        for m in FENCE.finditer(page)
    ]


def run_pycon(snippet: Snippet, page: str, names: dict[str, Any]) -> None:
    """Checks the output of a `pycon` block to the letter (with ... for what differs between machines)."""
    test = doctest.DocTestParser().get_doctest(snippet.text, {}, page, page, snippet.line)
    test.globs = names
    report: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append, clear_globs=False)
    assert not report, "".join(report)


def run_console(snippet: Snippet) -> None:
    """Runs the lines that begin with `$ betahat`; each must succeed, print something and warn of nothing."""
    for line in snippet.text.replace("\\\n", " ").splitlines():
        if not line.startswith("$ "):
            continue
        program, *arguments = shlex.split(line[2:])
        assert program == "betahat", f"only betahat's own commands can be tested, not {line!r}"
        start = "import sys; from betahat.cli import main; sys.exit(main())"
        done = subprocess.run([sys.executable, "-c", start, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        assert not re.search("warning|error", done.stderr, re.IGNORECASE), f"{line}\n{done.stderr}"
        assert (done.stdout + done.stderr).strip(), f"{line} printed nothing"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_snippets_of_a_page_run_in_order(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for snippet in snippets(page.read_text(encoding="utf-8")):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if snippet.kind == "pycon":
                run_pycon(snippet, page.name, names)
            elif snippet.kind == "python":
                exec(compile("\n" * snippet.line + snippet.text, str(page), "exec"), names)
            elif snippet.kind == "console":
                run_console(snippet)
        assert {w.category.__name__ for w in caught} == ({snippet.warns} if snippet.warns else set()), (
            f"{page.name}:{snippet.line}: {[str(w.message) for w in caught]}"
        )


def test_every_fence_says_what_it_is() -> None:
    """A block in a language that is not run, or none, would be a claim nobody checks."""
    for page in PAGES:
        kinds = re.findall(r"^```(\w*)$", page.read_text(encoding="utf-8"), re.MULTILINE)[::2]
        assert set(kinds) <= {"pycon", "python", "console", "sh"}, page


def test_a_wrong_number_in_a_page_is_found() -> None:
    right, wrong = (Snippet("pycon", f">>> 1 + 1\n{answer}\n", 0, None) for answer in (2, 3))
    run_pycon(right, "page", {})
    with pytest.raises(AssertionError, match="Expected"):
        run_pycon(wrong, "page", {})


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_without_a_warning(example: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(example)]
    if example.stem == "file_larger_than_memory":
        command.append("30000")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "nan" not in done.stdout.lower()
    assert len(done.stdout.splitlines()) >= 3
    assert not list(tmp_path.iterdir()), "an example left files behind"


def test_readme_commands_are_targets_of_the_makefile() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"make ([a-z][\w-]*)", "\n".join(p.read_text(encoding="utf-8") for p in PAGES)))
    assert {"demo", "test"} <= named <= targets


def test_make_without_a_target_lists_them() -> None:
    done = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("make demo")


def test_make_names_the_python_it_needs(tmp_path: Path) -> None:
    old = tmp_path / "old-python"
    old.write_text(
        "#!/bin/sh\ncase $1 in --version) echo Python 3.9.1;; *) exit 1;; esac\n", encoding="utf-8"
    )
    old.chmod(0o755)
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(["make", "demo", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stdout
    assert "is Python 3.9.1" in done.stdout
    assert not (tmp_path / ".venv").exists()


# --- the public face ----------------------------------------------------------------------------------------


def test_import_is_light() -> None:
    command = "import sys, betahat; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert not HEAVY & set(loaded.stdout.split())


@pytest.mark.parametrize("name", [n for n in betahat.__all__ if n != "__version__"])
def test_public_name_resolves_and_is_documented(name: str) -> None:
    value = getattr(betahat, name)
    assert name in dir(betahat)
    assert inspect.getdoc(value)
    if name in betahat._WHERE and not name.endswith(("Error", "Warning")):
        assert ">>> " in (inspect.getdoc(value) or ""), "a public name needs a runnable example"


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="LinearRegresion"):
        betahat.LinearRegresion  # noqa: B018


def test_stub_names_what_the_package_offers() -> None:
    """Type checkers read __init__.pyi, Python reads _WHERE; they must tell the same story."""
    stub = ast.parse((SOURCE / "__init__.pyi").read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    modules: set[str] = set()
    for node in stub.body:
        if isinstance(node, ast.ImportFrom):
            assert all(alias.asname == alias.name for alias in node.names), "re-exports are written `x as x`"
            if node.module == "betahat":
                modules |= {alias.name for alias in node.names}
            else:
                prefix = "betahat."
                assert node.module is not None
                assert node.module.startswith(prefix)
                found |= {alias.name: node.module[len(prefix) :] for alias in node.names}
    assert found == betahat._WHERE
    assert modules == set(betahat._MODULES)


def test_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == betahat.__version__
    assert f"## [{betahat.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


# --- the sources --------------------------------------------------------------------------------------------

MODULES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_file_is_short_and_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 450
    assert ast.get_docstring(ast.parse(text))


def module_name(path: Path) -> str:
    parts = ("betahat", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


def is_final_or_abstract(value: type) -> bool:
    """`@final`, a protocol, or with something that a subclass must supply; errors and tuples are plain."""
    if getattr(value, "__final__", False) or issubclass(value, (Exception, tuple)):
        return True
    if getattr(value, "_is_protocol", False):
        return True
    return inspect.isabstract(value) or "@abstractmethod" in inspect.getsource(value)


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.name != "__main__.py"], ids=lambda path: str(path.relative_to(SOURCE))
)
def test_classes_are_final_or_abstract(path: Path) -> None:
    module = importlib.import_module(module_name(path))
    classes = [v for v in vars(module).values() if inspect.isclass(v) and v.__module__ == module.__name__]
    assert [value.__name__ for value in classes if not is_final_or_abstract(value)] == []


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_file_names_a_machine() -> None:
    """Folders of the machine something was written on mean nothing to others."""
    machine = re.compile(r"/(?:work|home|root|Users)/\w")
    for path in tracked_files():
        if path.is_file() and path != Path(__file__):
            found = machine.search(path.read_bytes().decode("utf-8", "ignore"))
            assert found is None, f"{path.relative_to(ROOT)}: {found}"
