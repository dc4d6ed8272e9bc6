# Everything here runs from a bare machine with Python 3.11 and make: each target sets up .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo check test lint benchmark lock clean

setup: .venv/.complete

.venv/.complete: requirements.lock pyproject.toml
	$(PYTHON) -m venv --clear .venv
	grep -A 999 '^uv==' requirements.lock | awk 'NR > 1 && /^[a-z]/ {exit} {print}' > .venv/uv.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

demo: setup
	$(BIN)/astroboard demo --preset smoke --out demo --force

# The quick tests: no TensorFlow, no pictures, no browser, no cluster.
check: setup lint
	$(BIN)/python -m pytest -n 2 -m "not slow"

test: setup lint
	$(BIN)/python -m pytest -n 2

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

benchmark: setup
	$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-quiet

# The versions in requirements.lock, with hashes and no addresses; run after a change in pyproject.toml.
lock: setup
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --extra cpu --extra jax --extra cluster --extra fast --group dev \
	    --generate-hashes --no-annotate --no-header --upgrade --output-file requirements.lock

clean:
	rm -rf .venv demo
