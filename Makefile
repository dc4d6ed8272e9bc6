# Everything here runs from a bare machine with Python 3.11 and make: each target sets up .venv first.
# `make setup EXTRA=gpu` takes TensorFlow with CUDA, or EXTRA=jax JAX, in place of TensorFlow for processors.
PYTHON ?= python3
EXTRA ?= cpu
BIN := .venv/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python
# A file's tests share what is made for them, so that they run in one process, as the files come.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
OLD := astroboard must be set up with Python 3.11 or newer, got %d.%d; name one, as in: make setup PYTHON=python3.12

# The programs that tests start, each in a process of its own, are compiled once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: picture docs setup developer demo check test lint benchmark lock clean

setup: .venv/.complete-$(EXTRA)

# What users need, at the versions of requirements.lock.
.venv/.complete-$(EXTRA): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("$(OLD)" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear .venv
	grep -A 999 '^uv==' requirements.lock | awk 'NR > 1 && /^[a-z]/ {exit} {print}' > .venv/uv.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
	$(UV) --constraint requirements.lock hatchling
	$(UV) --compile-bytecode --constraint requirements.lock --no-build-isolation --editable '.[$(EXTRA),fast]'
	touch $@

# With the tools that check and test.
developer: .venv/.developer

.venv/.developer: .venv/.complete-$(EXTRA)
	$(UV) --compile-bytecode --require-hashes -r requirements.lock
	touch $@

demo: setup
	$(BIN)/astroboard demo --preset smoke --out demo --force

# The picture of the README, of the page that the demo makes; needs Chromium.
picture: developer demo
	$(BIN)/python -m tests.browser.picture demo/index.html

# The quick tests: no TensorFlow, no pictures, no browser, no cluster, few processes, few random examples.
check: developer lint
	$(PYTEST) -m "not slow"

test: developer lint
	$(PYTEST)

lint: developer
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

benchmark: developer
	$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-quiet

# The versions in requirements.lock, with hashes and no addresses; run after a change in pyproject.toml.
# These pages and the API reference as a site; a warning is an error.
docs: developer
	$(BIN)/sphinx-build -c docs -W --keep-going -q . site
	cp site/README.html site/index.html

lock: developer
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --extra cpu --extra jax --extra cluster --extra fast --group dev --group docs \
	    --generate-hashes --no-annotate --no-header --upgrade --output-file requirements.lock

clean:
	rm -rf .venv demo site
