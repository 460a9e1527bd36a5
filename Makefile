# Two commands matter: `make demo` (installs, then runs the main job) and `make test`.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data

# Passive waiting: with OpenMP's default a second busy process makes torch 10-20x slower (docs/install.md).
export OMP_WAIT_POLICY ?= PASSIVE
export KMP_BLOCKTIME ?= 0

.DEFAULT_GOAL := help
.PHONY: help install demo test test-whole test-all lint types check docs results wheel clean

help:  ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'

# The stamps make a second call cost nothing. scripts/install.py keeps several GB of CUDA away where there is no GPU.

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("ReID-R needs Python 3.11, 3.12 or 3.13; set PYTHON=python3.11" if not (3, 11) <= sys.version_info[:2] < (3, 14) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	@echo "installing ReID-R into $(VENV) (about two minutes)"
	$(BIN)/python scripts/install.py '.'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python scripts/install.py '.[dev]'
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed-dev
	$(BIN)/python scripts/install.py '.[docs]'
	@touch $@

install: $(VENV)/.installed  ## make .venv and install the package into it

demo: $(VENV)/.installed  ## the main job: a street is rendered, searched, thought about; writes runs/demo/report.html
	$(BIN)/reidr demo

test: $(VENV)/.installed-dev  ## the fast tests (under 4 minutes on 2 cores)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-whole: $(VENV)/.installed-dev  ## whole commands: several processes, a killed one, every recipe planned (two minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "whole and not slow"

test-all: $(VENV)/.installed-dev  ## every test, the slow ones and those on real photos too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "slow or not slow"

lint: $(VENV)/.installed-dev  ## ruff
	$(BIN)/ruff check src tests benchmarks examples scripts research
	$(BIN)/ruff format --check src tests benchmarks examples scripts research

types: $(VENV)/.installed-dev  ## mypy
	$(BIN)/mypy
	MYPYPATH=research/scripts $(BIN)/mypy scripts research/scripts benchmarks examples

docs: $(VENV)/.installed-docs  ## build the site into site/, links checked
	$(BIN)/mkdocs build --strict

check: lint types test  ## lint, types and tests

results: $(VENV)/.installed-dev  ## write research/measurements/results.md anew (an hour; needs photos in DATA; ARGS=--plan says what)
	$(BIN)/python research/scripts/results.py --data $(DATA) $(ARGS)

wheel: $(VENV)/.installed-dev  ## build wheel and sdist into dist/
	$(BIN)/python -m build

clean:  ## remove build outputs and caches of this folder (never runs/ or .venv/)
	rm -rf dist build site .mypy_cache .ruff_cache .pytest_cache
