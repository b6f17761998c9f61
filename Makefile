# One command per task. Each works on a fresh clone and needs only Python and make.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PROVIDERS := $(foreach each,audian plivo realtimekit twilio voipbin,-e providers/$(each))
CODE := recording_core providers tests benchmarks cassettes docs

# More processes than cores, since tests also wait for sockets and timers; each one collects all.
WORKERS := $(shell $(PYTHON) -c "import os; print(3 * (os.cpu_count() or 1) // 2)")

# Compiled tests are kept: a third of the time until the first test runs is their compilation.
unexport PYTHONDONTWRITEBYTECODE

# What `make test-all` adds: tests that need Java or Node, and what takes long.
QUICK := not spark and not node and not long

# Tests with random examples.
RANDOM_TESTS := $(addprefix tests/test_,fuzz_answers.py fuzz_webhooks.py stateful.py shifting_pages.py) \
  tests/archive/test_archive_crashes.py tests/archive/test_archive_model.py

.PHONY: help demo test test-all soak floors lint format docs coverage wheels bench clean

help:            ## list the commands
	@sed -n "s/^\([a-z-]*\):.*## /\1\t/p" $(MAKEFILE_LIST)

demo: .venv/.demo   ## run the library against emulated vendors on this machine
	@$(BIN)/recordings demo

test: .venv/.dev   ## run the tests, on all cores
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m "$(QUICK)"

test-all: test .venv/.spark .venv/.node   ## run all tests, also those that need Java 17 and Node 20
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m "not ($(QUICK))"

soak: .venv/.dev   ## run the tests with more random examples, different ones each time; ten minutes
	@$(BIN)/python -m pytest -q -n auto --dist load --hypothesis-profile=soak $(RANDOM_TESTS)

floors: .venv-floors/.dev   ## run the tests with the lowest versions that pyproject.toml declares
	@.venv-floors/bin/python -m pytest -q -n $(WORKERS) --dist loadfile -m "$(QUICK)"

lint: .venv/.dev   ## check the code with ruff and mypy, both strict
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/mypy $(CODE)

format: .venv/.dev   ## fix and format the code with ruff
	@$(BIN)/ruff check --fix --quiet $(CODE)
	@$(BIN)/ruff format $(CODE)

docs: .venv/.dev   ## write the generated tables, and build site/index.html, which opens from disk
	@$(BIN)/python docs/generate.py
	@$(BIN)/python -m sphinx -q -W --keep-going -b html -d .doctrees docs site

coverage: .venv/.dev   ## measure which lines and branches the tests run; each package has a floor
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m "$(QUICK)" --cov \
	  --cov-report= --cov-report=json:coverage.json
	@$(BIN)/python tests/coverage_floors.py coverage.json

wheels: .venv/.dev   ## build wheels and source archives of all distributions into dist/
	@rm -rf dist
	@for each in . providers/*; do \
	  (cd $$each && $(CURDIR)/$(BIN)/python -m hatchling build -d $(CURDIR)/dist) || exit 1; \
	done

bench: .venv/.dev   ## measure, and write the table of docs/performance.md
	@$(BIN)/python benchmarks/run.py

clean:           ## remove the virtual environment, built files and caches
	rm -rf .venv .venv-floors dist site .doctrees .coverage coverage.json .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# All distributions of this repository, editable, with every extra for users.
.venv/.demo: pyproject.toml $(wildcard providers/*/pyproject.toml)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (once) ..."
	@$(PIP) install --quiet -e ".[all]" $(PROVIDERS)
	@$(BIN)/python -m compileall -q recording_core providers/*/recording_*
	@touch $@

# The same, and the development tools.
.venv/.dev: .venv/.demo
	@echo "Installing the development tools into .venv (once) ..."
	@$(PIP) install --quiet -e ".[all,dev]" $(PROVIDERS)
	@touch $@

# The development tools, with the lowest versions that the distributions declare.
.venv-floors/.dev: pyproject.toml tests/version_floors.py $(wildcard providers/*/pyproject.toml)
	@test -x .venv-floors/bin/python || $(PYTHON) -m venv .venv-floors
	@echo "Installing the lowest versions into .venv-floors (once) ..."
	@.venv-floors/bin/python tests/version_floors.py > .venv-floors/constraints.txt
	@.venv-floors/bin/python -m pip --disable-pip-version-check install --quiet \
	  -c .venv-floors/constraints.txt -e ".[all,dev]" $(PROVIDERS)
	@touch $@

# The same, and Spark, the second engine of reports, which few contributors need.
.venv/.spark: .venv/.dev
	@echo "Installing Spark into .venv (once) ..."
	@$(PIP) install --quiet -e ".[all,dev,spark]" $(PROVIDERS)
	@touch $@

# Three vendors' official clients for Node, and Prism, which checks requests by a description. Without npm their tests are skipped, with this reason.
.venv/.node: tests/node/package.json .venv/.dev
	@if command -v npm >/dev/null; then \
	  echo "Installing the official clients for Node into .venv/node (once) ..."; \
	  mkdir -p .venv/node && cp tests/node/package.json .venv/node/ && \
	  npm install --prefix .venv/node --no-package-lock --no-audit --no-fund --ignore-scripts \
	    --loglevel error && touch $@; \
	else echo "npm is not installed: the tests of the official clients for Node are skipped"; fi
