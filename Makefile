# make run: set up and serve.  make test: set up and pass every check.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
SID := build/sid

ifneq ($(MAKECMDGOALS),clean)
PROBLEM := $(shell ./tests/check-python '$(PYTHON)' '$(VENV)' '$(filter command environment,$(origin PYTHON))')
$(if $(PROBLEM),$(error $(PROBLEM)))
endif

.PHONY: run test bench demo demo-replicas docs assets crash fuzz setup debian lint format dist constraints clean

run: $(VENV)/.run
	$(BIN)/voice-exporter serve $(ARGS)

test: setup debian $(SID) lint
	$(BIN)/python -m pytest --numprocesses=auto --dist=worksteal $(ARGS)

# Ratios, ours beside others on one core. The last two are others: they are left out of the table where they are missing.
bench: setup
	@for tool in prometheus-pushgateway mtail; do \
		command -v $$tool >/dev/null || { ./tests/install-debian-packages prometheus-pushgateway mtail; break; }; \
	done
	$(BIN)/python -m benchmarks --output build/benchmarks.json $(ARGS)

demo: $(VENV)/.run
	@for tool in prometheus prometheus-alertmanager; do \
		command -v $$tool >/dev/null || { ./tests/install-debian-packages prometheus prometheus-alertmanager; break; }; \
	done
	$(BIN)/python -m demo

# Three exporters on a PostgreSQL of their own, behind nginx.
demo-replicas: setup
	@for tool in prometheus prometheus-alertmanager nginx psql; do \
		command -v $$tool >/dev/null || { \
			./tests/install-debian-packages prometheus prometheus-alertmanager nginx-light postgresql; break; }; \
	done
	$(BIN)/python -m demo --replicas 10062 10063 10064

# The reference pages that follow from the code.
docs: setup
	$(BIN)/python docs/build.py

# The shipped rules and dashboards, from the thresholds.
assets: setup
	$(BIN)/python -m grafana.builder
	$(BIN)/voice-exporter assets . --force

# 500 kills, 500 power cuts and 100 disasters of replicas under traffic, checked against what was promised; the tests
# do a few.
crash: setup debian
	$(BIN)/python -m tests.crash --cycles 500 --cuts 500 --disasters 100 $(ARGS)

# A hundred times the fuzzing and the generated cases of the tests, and a million assistants: about an hour and a half
# of processor time.
fuzz: setup
	FUZZ=100 $(BIN)/python -m pytest tests/security
	FUZZ=100 $(BIN)/python -m pytest --ignore tests/security -m hypothesis --numprocesses=auto --dist=worksteal

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Wheel and source, the same bytes wherever they are built from a commit; the image takes the same version.
dist: setup
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --no-isolation
	cd dist && sha256sum voice_exporter-* >SHA256SUMS
	@version=$$($(BIN)/python -m hatchling version); case $$version in \
		*.dev*) echo "$$version is no release: HEAD has no tag, or files differ from it" >&2 ;; \
		*) echo "the image: docker build --build-arg VERSION=$$version --tag voice-exporter:$$version ." ;; \
	esac

# The dependencies of a release, with those of its extras: today's newest.
constraints:
	rm -rf build/constraints
	$(PYTHON) -m venv build/constraints
	build/constraints/bin/python -m pip install --quiet --disable-pip-version-check '.[postgres,sentiment]'
	{ head -n 1 constraints.txt; build/constraints/bin/python -m pip freeze --exclude voice-exporter; } >build/constraints.txt
	mv build/constraints.txt constraints.txt

setup: $(VENV)/.dev

$(VENV)/.run: pyproject.toml $(BIN)/pip
	@echo "installing the exporter into $(VENV)"
	$(BIN)/python -m pip install --disable-pip-version-check --editable .
	touch $@

$(VENV)/.dev: pyproject.toml $(BIN)/pip
	@echo "installing the exporter and what its tests need into $(VENV), which takes a minute or two"
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[dev]'
	touch $(VENV)/.run $@

# Debian's Python comes without venv.
$(BIN)/pip:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || ./tests/install-debian-packages python3-venv
	$(PYTHON) -m venv $(VENV)

# And those of Debian sid, unpacked here: rules and routes have to hold on Prometheus 3 and the newest Alertmanager, too.
$(SID):
	./tests/unpack-debian-sid $@ prometheus promtool prometheus-alertmanager

# The tests run the real Prometheus, promtool, Alertmanager and amtool, and compile what traces writes.
debian:
	@for tool in prometheus promtool prometheus-alertmanager amtool openssl cc nginx caddy curl psql; do \
		command -v $$tool >/dev/null || { ./tests/install-debian-packages; break; }; \
	done

clean:
	rm -rf $(VENV) build dist
