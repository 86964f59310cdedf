# The venv is made on the first use of any target and again when the pins change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

ROOT ?= data

.PHONY: help install demo check test test-all faults smoke bench accuracy reference clean
.DEFAULT_GOAL := help

help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

install: $(STAMP)  ## .venv with clfkit and all it needs, in pinned versions

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)

demo: $(STAMP)  ## train configs/blobs.yaml and say where its figures are
	$(BIN)/clfkit train configs/blobs.yaml

check: $(STAMP)  ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: $(STAMP)  ## the tests, but for the slow ones
	$(BIN)/pytest -n 2 -q -m "not slow and not matrix"

test-all: $(STAMP)  ## all tests, as CI runs them
	$(BIN)/pytest -n 2 -q -m "not matrix"

faults: $(STAMP)  ## the whole matrix of faults, into docs/reliability.md (20 minutes on two cores)
	$(BIN)/pytest -n 2 -q tests/faults --write-faults

smoke: $(STAMP)  ## every config in configs/smoke through the real command line: train, eval, plot
	PATH="$(CURDIR)/$(BIN):$$PATH" sh configs/smoke/run.sh

bench: $(STAMP)  ## speed beside other tools, into docs/performance.md; ROOT=folder of MNIST (45 minutes, an idle machine)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --requirement benchmarks/requirements.txt
	$(BIN)/python benchmarks/speed.py --root $(ROOT)
	$(BIN)/python benchmarks/scaling.py

accuracy: $(STAMP)  ## the accuracy table of the README, measured (an hour on two cores)
	$(BIN)/python benchmarks/accuracy.py

reference: $(STAMP)  ## write the configuration reference into README.md and docs/reference.md
	$(BIN)/python docs/generate.py

clean:  ## remove the venv, caches and runs
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find outputs -mindepth 1 ! -name .gitkeep -delete
