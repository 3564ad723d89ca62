# Every target does its own set-up: a fresh machine needs python3 (3.11 or newer), git and make.
#
#   make demo     a sparse-view scan, and FBP, TV and a neural field side by side
#   make test     everything that continuous integration checks
#   make help     the other targets

PYTHON ?= python3
BIN := .venv/bin
PACKAGES := ctinr phantoms recon_scripts tests
BENCHMARKS ?= $(filter-out _% batch cuda noise_study time_to_psnr tv_projections,$(notdir $(basename $(wildcard recon_scripts/benchmarks/*.py))))

# A stamp says what .venv holds; it is made again when the requirements change.
VENV := .venv/.made
RUN := .venv/.installed-run
DEV := .venv/.installed-dev
REQUIREMENTS := pyproject.toml constraints.txt

.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: demo test lint types rooms fast format bench clean help

demo: $(RUN) ## reconstruct a simulated scan with every method; open demo/report.html
	$(BIN)/ctinr demo --out demo --overwrite

test: lint types rooms ## lint, types, rooms and the whole test suite, in two processes
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(DEV) ## ruff: rules and format
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/ruff format --check $(PACKAGES)

types: $(DEV) ## pyright
	$(BIN)/pyright

rooms: $(DEV) ## import-linter: who may import whom
	$(BIN)/lint-imports

fast: $(DEV) ## the tests that take less than a second each
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

format: $(DEV) ## let ruff rewrite what it can
	$(BIN)/ruff check --fix $(PACKAGES)
	$(BIN)/ruff format $(PACKAGES)

bench: $(RUN) ## time the engines and the training step (BENCHMARKS="one two" picks, long ones too)
	@set -e; for name in $(BENCHMARKS); do \
	    echo "== $$name"; \
	    $(BIN)/python -m recon_scripts.benchmarks.$$name --out benchmark_results/$$name; \
	done

clean: ## remove .venv and everything that tests and commands left here
	rm -rf .venv demo benchmark_results build dist .pytest_cache .ruff_cache .import_linter_cache
	find $(PACKAGES) -name __pycache__ -type d -prune -exec rm -rf {} +

help:
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(VENV):
	@command -v $(PYTHON) >/dev/null || { \
	    echo "There is no '$(PYTHON)' here. Name a Python of 3.11 or newer: make PYTHON=python3.12 ..." >&2; \
	    exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "ctinr needs Python 3.11 or newer; '$(PYTHON)' is `$(PYTHON) --version 2>&1`." >&2; \
	    echo "Name another one: make PYTHON=python3.12 ..." >&2; \
	    exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "'$(PYTHON)' cannot make a virtual environment: its venv module is missing." >&2; \
	    echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; \
	    exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

$(RUN): $(REQUIREMENTS) | $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e . -c constraints.txt
	@touch $@

$(DEV): $(REQUIREMENTS) | $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $@ $(RUN)
