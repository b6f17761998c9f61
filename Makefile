# One command for each daily act. Each works on a fresh clone with nothing but Python and make.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PROVIDERS := $(foreach each,audian plivo realtimekit voipbin,-e providers/$(each))
CODE := recording_core providers tests benchmarks cassettes docs

CHANCE := $(addprefix tests/test_,fuzz_answers.py fuzz_webhooks.py stateful.py shifting_pages.py)

.PHONY: help demo test test-all soak lint format docs bench clean

help:            ## what there is
	@sed -n "s/^\([a-z-]*\):.*## /\1\t/p" $(MAKEFILE_LIST)

demo: .venv/.demo   ## record, list, download and delete at every vendor, on this machine alone
	@$(BIN)/recordings demo

test: .venv/.dev   ## the tests, on all cores
	@$(BIN)/python -m pytest -q -n auto --dist loadfile -m "not spark"

test-all: test .venv/.spark   ## and the reports' two engines compared; needs Java 17
	@$(BIN)/python -m pytest -q -m spark

soak: .venv/.dev   ## garbled payloads, 70,000 of each kind for each vendor, and others each time; ten minutes
	@$(BIN)/python -m pytest -q -n auto --dist load --hypothesis-profile=soak $(CHANCE)

lint: .venv/.dev   ## ruff and mypy, strict
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/mypy $(CODE)

format: .venv/.dev   ## let ruff put things in order
	@$(BIN)/ruff check --fix --quiet $(CODE)
	@$(BIN)/ruff format $(CODE)

docs: .venv/.dev   ## write the generated tables anew, and build site/index.html, which opens from disk
	@$(BIN)/python docs/generate.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: .venv/.dev   ## measure, and write docs/performance.md
	@$(BIN)/python benchmarks/run.py

clean:           ## forget the virtual environment and all caches
	rm -rf .venv site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# All distributions of this repository, editable, with every extra: what a user installs.
.venv/.demo: pyproject.toml $(wildcard providers/*/pyproject.toml)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (once) ..."
	@$(PIP) install --quiet -e ".[all]" $(PROVIDERS)
	@$(BIN)/python -m compileall -q recording_core providers/*/recording_*
	@touch $@

# And what a contributor needs beside it.
.venv/.dev: .venv/.demo
	@echo "Installing the development tools into .venv (once) ..."
	@$(PIP) install --quiet -e ".[all,dev]" $(PROVIDERS)
	@touch $@

# And the second engine of reports, which most contributors never need.
.venv/.spark: .venv/.dev
	@echo "Installing Spark into .venv (once) ..."
	@$(PIP) install --quiet -e ".[all,dev,spark]" $(PROVIDERS)
	@touch $@
