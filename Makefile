# make demo | make test | make check | make bench: each sets itself up first, once.
#
# PYTHON=python3.12 chooses the interpreter, and gets a virtual environment of its own. Only relative paths
# stand here, so that a folder whose name has spaces or letters outside ASCII works too.

PYTHON ?= python3
VENV := $(if $(filter python3,$(PYTHON)),.venv,.venv-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV_READY := $(VENV)/.ready-dev

export PYTHON
.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage lint check sweep bench bench-beads clean

help:
	@echo "make demo      see it all work, with a scripted model, in a temporary folder"
	@echo "make test      the whole test suite, with branch coverage"
	@echo "make coverage  the lines that the last make test did not reach"
	@echo "make check     everything that must hold: format, lint, types, import contracts, tests"
	@echo "make sweep     long: kill -9 at twenty moments of a run on a repository of 5,000 files; every attack on the store"
	@echo "make bench     the benchmarks, small: minutes; PEERS=1 adds seeds from the npm registry"
	@echo "make bench-beads  the bead store at 100,000 beads, beside its peers; STORE=… reuses a big store"
	@echo "make setup     only the set-up: a virtual environment, and bubblewrap and strace where they may be installed"
	@echo "make clean     remove what the above made"

setup: $(DEV_READY)
	@:

demo: $(READY)
	@$(BIN)/factory demo

test: $(DEV_READY)
	@$(BIN)/python -m pytest -n auto --cov --cov-report= $(ARGS)
	@rm -f .coverage.*  # half-written by processes that tests killed
	@echo "branch coverage: $$($(BIN)/coverage report --format=total) %"

coverage: $(DEV_READY)
	@$(BIN)/coverage report

lint: $(DEV_READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint
	@$(MAKE) --no-print-directory test

sweep: $(DEV_READY)
	@FACTORY_SWEEP=20 FACTORY_SWEEP_FILES=5000 $(BIN)/python -m pytest -o timeout=3600 tests/crash $(ARGS)
	@FACTORY_SWEEP=3 $(BIN)/python -m pytest -o timeout=7200 tests/beads/attack $(ARGS)

bench: $(DEV_READY)
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.imports
	$(BIN)/python -m benchmarks.walk --beads 5 --files 300
	$(BIN)/python -m benchmarks.beads --beads 1000 --events 10000 --rounds 5 --appends 500 $(if $(PEERS),--peers)
	$(BIN)/python -m benchmarks.growth --appends 300 --points 3

bench-beads: $(DEV_READY)
	$(BIN)/python -m benchmarks.beads --peers --all-peers $(if $(STORE),--store $(STORE))
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.imports

clean:
	rm -rf .venv .venv-* build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml .ci/setup
	@sh .ci/setup $(VENV) .
	@touch $@

$(DEV_READY): pyproject.toml .ci/setup
	@sh .ci/setup $(VENV) '.[dev]'
	@touch $(READY) $@
