# make run: set up and serve.  make test: set up and pass every check.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: run test setup debian lint format clean

run: $(VENV)/.run
	$(BIN)/voice-exporter serve $(ARGS)

test: setup debian lint
	$(BIN)/python -m pytest $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(VENV)/.dev

$(VENV)/.run: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(VENV)/.run $@

# The tests run the real Prometheus, promtool, Alertmanager and amtool.
debian:
	@command -v promtool amtool prometheus prometheus-alertmanager >/dev/null || ./tests/install-debian-packages

clean:
	rm -rf $(VENV) build dist
