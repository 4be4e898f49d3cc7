# Every target sets up what it needs by itself; python3 (3.11 or newer) and make must be there, no more.
# What was set up is kept in .venv and .venv-peers and made anew only when pyproject.toml changes.
#
#   make demo        fits on real tables, beside today's usual tools
#   make test        every test and every example of the documentation
#   make test-peers  comparisons with libraries that betahat itself does not need
#   make bench       speed and accuracy beside those libraries, measured in one run
#   make lint        style, types and the import contract (also: make style, make types, make contract)
#   make format      rewrite the sources in the house's style
#   make docs        the documentation's pages, in site/
#   make clean       remove all that these made

PYTHON ?= python3
WORKERS ?= 2

BIN := .venv/bin
PEERS := .venv-peers/bin
INSTALL := -m pip install --quiet --disable-pip-version-check --editable
SOURCES := src tests docs examples benchmarks

# pyright asks at every run whether there is a newer one.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
# mkdocs-material prints a notice about MkDocs 2 before every build.
export NO_MKDOCS_2_WARNING := 1

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test test-peers bench lint style types contract format docs clean

help:
	@sed -n 's/^#   //p' Makefile

demo: .venv/.demo
	$(BIN)/betahat demo

test: .venv/.test
	$(BIN)/python -m pytest -n $(WORKERS) -m "not peers"

test-peers: .venv-peers/.peers
	$(PEERS)/python -m pytest -m peers

bench: .venv-peers/.peers
	$(PEERS)/python -m benchmarks

lint: style types contract

style: .venv/.lint
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: .venv/.lint .venv/.test .venv/.demo
	$(BIN)/pyright --pythonpath $(BIN)/python

contract: .venv/.lint
	$(BIN)/lint-imports

format: .venv/.lint
	$(BIN)/ruff check --fix-only $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs: .venv/.docs
	$(BIN)/python -m mkdocs build --strict --clean

clean:
	rm -rf .venv .venv-peers site build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# .venv/.NAME: the environment holds betahat with the extra NAME; .venv-peers is kept apart, so that nothing of
# betahat's own tests can come to depend on a peer.
.venv/.demo .venv/.test .venv/.lint .venv/.docs: .venv/.%: pyproject.toml | .venv/.made
	@echo "Installing betahat[$*] in .venv (once)"
	$(BIN)/python $(INSTALL) '.[$*]'
	@touch $@

.venv-peers/.peers: pyproject.toml | .venv-peers/.made
	@echo "Installing betahat[peers] in .venv-peers (once)"
	$(PEERS)/python $(INSTALL) '.[peers]'
	@touch $@

.venv/.made .venv-peers/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "betahat needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || echo not there)."; \
	  echo "If a newer one is installed, name it: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(@D) || { \
	  echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu it is a package: apt-get install python3-venv"; exit 1; }
	@touch $@
