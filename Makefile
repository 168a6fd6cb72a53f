# Everything a person or CI does with this checkout. Needs Python 3.11 or newer, pip and make.
# `make help` lists the commands.

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
ARGS ?=
BIN := $(VENV)/bin
INSTALL := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE)

.DEFAULT_GOAL := help
.PHONY: help demo install test format lint types imports docs examples check wheel bench bench-persistence chaos lock playground server pictures clean

help:  ## this list
	@sed -n -E 's/^([a-z-]+):.*## *(.*)/\1: \2/p' Makefile | awk '{name = $$1; sub(/:$$/, "", name); $$1 = ""; printf "  make %-18s%s\n", name, $$0}'

demo: $(VENV)/.demo  ## the claims desk, without any key or server (ANSWER=approve|edit|reject: without a terminal)
	@$(BIN)/guardkit demo

install: $(VENV)/.dev  ## everything to work on guardkit, into .venv

test: $(VENV)/.dev  ## the tests (PYTEST_ARGS=... is passed on)
	@$(BIN)/python -m pytest -q $(PYTEST_ARGS)

format: $(VENV)/.dev  ## format the code and repair what ruff can
	$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/ruff format .

lint: $(VENV)/.dev  ## ruff: rules and format, changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## pyright, strict on guardkit/
	$(BIN)/pyright

imports: $(VENV)/.dev  ## the layers, by import-linter
	$(BIN)/lint-imports --no-logo

docs: $(VENV)/.dev  ## the documentation, strictly, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

examples: $(VENV)/.dev  ## runs every example and every code block of README and docs
	$(BIN)/python -m pytest -q tests/docs $(PYTEST_ARGS)

check: lint types imports docs test  ## all of the above, as CI does

wheel: $(VENV)/.dev  ## builds dist/, and tries the wheel outside the checkout
	rm -rf dist
	$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python
	$(BIN)/python tests/packaging/try_wheel.py

bench: $(VENV)/.dev  ## what guardkit costs, beside raw LangGraph, into benchmarks/results/
	@set -e; for program in benchmarks/bench_*.py; do echo "== $$program"; $(BIN)/python "$$program"; done

bench-persistence: $(VENV)/.dev  ## what checkpoints cost, beside the official savers (ARGS="--rounds 5"), into benchmarks/results/
	@$(BIN)/python benchmarks/bench_persistence.py $(ARGS)

chaos: $(VENV)/.dev  ## the whole chaos campaign (takes long), into benchmarks/results/
	@$(BIN)/python -m pytest -q -m "chaos or again" --chaos=full --timeout=0 $(PYTEST_ARGS)

lock: $(VENV)/.tools  ## pins the requirements anew (UPGRADE=--upgrade: to the newest versions)
	$(LOCK) pyproject.toml requirements/tools.in --extra dev -o requirements/dev.txt
	$(LOCK) pyproject.toml -c requirements/dev.txt -o requirements/base.txt
	$(LOCK) pyproject.toml --extra web -c requirements/dev.txt -o requirements/demo.txt
	$(LOCK) pyproject.toml --extra docs -c requirements/dev.txt -o requirements/docs.txt
	$(LOCK) requirements/tools.in -c requirements/dev.txt -o requirements/tools.txt
	$(LOCK) pyproject.toml requirements/tools.in requirements/server.in -c requirements/base.txt -c requirements/tools.txt -o requirements/server.txt

$(VENV)/.npm/.done:
	@npm install --loglevel=error --no-fund --no-audit --no-save --prefix $(VENV)/.npm \
		@microsoft/m365agentsplayground@0.2.28 adaptivecards@3.0.6 >/dev/null
	@touch $@

$(VENV)/.server/.done: $(VENV)/.dev requirements/server.txt
	@$(PYTHON) -m venv --without-pip $(VENV)/.server
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(VENV)/.server/bin/python --require-hashes \
		-r requirements/server.txt
	@$(BIN)/uv pip install --quiet --python $(VENV)/.server/bin/python --no-build-isolation --no-deps --editable .
	@touch $@

server: $(VENV)/.dev $(VENV)/.server/.done  ## guarded graphs on a LangGraph server (langgraph dev)
	@GUARDKIT_TEST_SERVER=$(VENV)/.server GUARDKIT_REQUIRE_SERVER=1 $(BIN)/python -m pytest -q tests/server $(PYTEST_ARGS)

playground: $(VENV)/.dev $(VENV)/.npm/.done  ## the Teams channel against Microsoft's Agents Playground (needs npm)
	@GUARDKIT_TEST_PLAYGROUND=$(VENV)/.npm GUARDKIT_REQUIRE_PLAYGROUND=1 $(BIN)/python -m pytest -q tests/playground $(PYTEST_ARGS)

pictures: $(VENV)/.dev $(VENV)/.npm/.done  ## pictures of what people see, into docs/pictures/ (needs npm and Chromium)
	@$(BIN)/python -m tests.pictures.draw $(VENV)/.npm

clean:  ## removes the environment and everything that was built
	rm -rf $(VENV) build dist site .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment: each file below notes that a set of pins is installed -----------------------

$(VENV)/.tools: requirements/tools.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "guardkit needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || \
		$(PYTHON) -m venv --clear --without-pip $(VENV)
	@if $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		$(BIN)/python -m pip install --quiet --require-hashes -r requirements/tools.txt; \
	else \
		$(PYTHON) -m pip --python $(BIN)/python install --quiet --require-hashes -r requirements/tools.txt; \
	fi
	@touch $@

$(VENV)/.demo: $(VENV)/.tools requirements/demo.txt pyproject.toml
	@echo "Setting up $(VENV) (once)" >&2
	@$(INSTALL) --require-hashes -r requirements/demo.txt
	@$(INSTALL) --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.tools requirements/dev.txt pyproject.toml
	@echo "Setting up $(VENV) for development (once)" >&2
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@$(INSTALL) --no-build-isolation --no-deps --editable .
	@touch $@
