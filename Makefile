# Everything runs in .venv, made here from a bare Python 3.11. State is under PORTRAIT_HOME (default ./var).
PYTHON ?= python3.11
BIN := .venv/bin
PORTRAIT_HOME ?= $(CURDIR)/var
export PORTRAIT_HOME
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: run test test-slow ui bench lint clean

run: .venv/ready
	$(BIN)/portrait run

# Files of tests side by side, the tests of a file in one process: they share what is costly to make.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test: .venv/ready-dev
	$(PYTEST)

test-slow: .venv/ready-dev
	$(PYTEST) -m ""

ui: .venv/ready-dev
	$(BIN)/portrait ui

# 10m, or SIZE=100m; the smaller sizes are measured too. Or YEAR="6014 16700": years of households with every day's portraits, alone.
SIZE ?= 10m
bench: .venv/ready-dev
	$(BIN)/python -m portrait_assets.bench $(if $(YEAR),--year $(YEAR),--size $(SIZE))

lint: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/portrait sql render var/lint/sql
	$(BIN)/sqlfluff lint var/lint/sql

.venv/ready: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Setting up .venv (about two minutes the first time) ..."
	@$(PIP) -e .
	@touch $@

.venv/ready-dev: .venv/ready
	@$(PIP) -e '.[dev,examples,notebooks]'
	@touch $@

clean:
	rm -rf .venv var
