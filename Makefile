# `make app` opens the app, `make test` checks everything; `make help` lists the rest.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8501
# Extra words for pytest, e.g. make test PYTEST_ARGS="-k gmm"
PYTEST_ARGS ?= -n auto --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help app test lint format types unit setup setup-dev clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# A stamp is newer than its requirements file once that has been installed.
$(VENV)/.stamp-runtime: requirements.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.stamp-dev: requirements-dev.txt $(VENV)/.stamp-runtime
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-dev.txt
	@touch $@

setup: $(VENV)/.stamp-runtime ## make .venv with what the app needs

setup-dev: $(VENV)/.stamp-dev ## ... and with what the tests need

app: setup ## open the app in a browser (PORT=8501)
	$(BIN)/python -m streamlit run app --server.port $(PORT)

lint: setup-dev ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup-dev ## mypy
	$(BIN)/mypy

unit: setup-dev ## pytest alone
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test: lint types unit ## everything that CI runs: lint, types, tests

format: setup-dev ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove .venv and caches
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
