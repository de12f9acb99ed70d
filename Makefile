# Lakeflow: `make` lists what can be made.

VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
export PYTHON

EXAMPLE := pipelines/football

.DEFAULT_GOAL := help
.PHONY: help demo demo-job setup develop test test-faults test-slow check fix bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup ## install into .venv if needed, run the example pipeline, ask its tables
	$(BIN)/lakeflow run $(EXAMPLE)/sql
	@for question in $(EXAMPLE)/questions/*.sql; do \
	    printf '\n%s\n' "$$(sed -n 's/^-- //p' "$$question")"; \
	    $(BIN)/lakeflow query - < "$$question" || exit 1; \
	done
	@printf '\nAll tables lie in data/lakehouse. Run it again: nothing is done twice.\n'

demo-job: setup ## run the example job: pipeline, quality gate, a report on each tournament
	$(BIN)/lakeflow jobs run season --local --project $(EXAMPLE)

setup: ## make .venv with Lakeflow in it
	@.ci/setup $(VENV)

develop: ## make .venv with Lakeflow and the tools of its developers
	@.ci/setup $(VENV) dev

test: develop ## run the tests, but for faults and slow ones
	$(PYTEST) -m "not faults and not slow"

test-faults: develop ## run the tests that kill and break the engine
	$(PYTEST) -m faults

test-slow: develop ## run the long and the heavy tests
	@.ci/setup $(VENV) bench
	$(PYTEST) -m slow

check: develop ## lint, formatting, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: develop ## mend what the linter can mend, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: ## measure; see benchmarks/README.md
	@.ci/setup $(VENV) bench
	$(BIN)/python -m benchmarks

clean: ## remove the virtual environment and all caches; tables stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
