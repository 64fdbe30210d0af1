# Each target sets itself up: all it takes is Python 3.11 or newer, pip and make.
#
#   make demo         a sample instance and the console on it
#   make test         all checks and tests; what continuous integration runs
#   make bench        the measurements of the README
#   make fuzz         the parsers against made-up and mutated files, FUZZ_EXAMPLES of each
#   make crash        fail every I/O operation in turn, cut the power at every one, and many lives against the model
#   make soak         a quarter of an hour of mixed load with backups, SOAK_ARGS="--minutes 5" for less
#   make screenshots  the pictures of the README, from the real console
#
# PYTHON=python3.12 chooses the interpreter, VENV=dir the place of the virtual environment.

PYTHON ?= python3
VENV ?= .venv
FUZZ_EXAMPLES ?= 5000
WORKERS ?= 2

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PY := $(BIN)/python
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev

.PHONY: help demo test lint types layers unit bench fuzz crash soak screenshots build clean
help:
	@sed -n 's/^#   //p' Makefile

$(PY):
	$(PYTHON) -m venv $(VENV)
# Dependency groups need pip 25.1.
	$(PY) -m pip install --quiet --upgrade "pip>=25.1"

$(READY): pyproject.toml | $(PY)
	$(PY) -m pip install --quiet --editable .
	@touch $(READY)

$(READY_DEV): pyproject.toml $(READY) | $(PY)
	$(PY) -m pip install --quiet --group dev
	@touch $(READY_DEV)

demo: $(READY)
	$(PY) -m esetui demo

test: lint types layers unit

lint: $(READY_DEV)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(READY_DEV)
	$(PY) -m mypy

layers: $(READY_DEV)
	$(BIN)/lint-imports

unit: $(READY_DEV)
	$(PY) -m pytest -n $(WORKERS) $(PYTEST_ARGS)

bench: $(READY_DEV)
	$(PY) -m benchmarks $(BENCH_ARGS)

fuzz: $(READY_DEV)
	ESE_FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(PY) -m pytest -n $(WORKERS) -o timeout=3600 tests/fuzz $(PYTEST_ARGS)

crash: $(READY_DEV)
	CRASH_ALL=1 $(PY) -m pytest -n $(WORKERS) -o timeout=7200 tests/faults tests/store/test_crash_store.py \
	  tests/store/test_whole_life.py tests/instance/test_create_database.py $(PYTEST_ARGS)

soak: $(READY_DEV)
	$(PY) benchmarks/soak.py $(SOAK_ARGS)

screenshots: $(READY_DEV)
	$(PY) -m screenshots

build: $(READY_DEV)
	$(PY) -m pip install --quiet build
	$(PY) -m build --outdir dist .

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
