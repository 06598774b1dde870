# Two commands do everything, on a fresh machine too: `make demo` and `make test`.

VENV := .venv
PYTHON := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help demo test check bench bench-large faults update clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

demo: ## See it work, live; ONCE=1 ends by itself
	@scripts/setup demo
	@$(PYTHON) -m bridge demo $(if $(ONCE),--once)

test: ## Install all that is needed and run all tests; TESTS="tests/bridge -k name" narrows it
	@scripts/setup dev
	@$(PYTHON) -m pytest -n 2 $(TESTS)

check: ## Format, lint, types, import contracts, fast tests: before every commit
	@scripts/setup dev
	@scripts/check

bench: ## Measure the bridge against the bare homeserver; QUICK=1 is a small run
	@scripts/setup dev
	@$(PYTHON) -m benchmarks

bench-large: ## Measure it with 10,000 conversations, and with a backlog of 100,000 items; QUICK=1 is a small run
	@scripts/setup dev
	@$(PYTHON) -m benchmarks.large

faults: ## Kill, freeze and cut everything under load, and count what arrived, in 40 minutes; QUICK=1 is a part, in 4
	@scripts/setup dev
	@$(PYTHON) -m tests.faults.suite

update: ## Regenerate derived files
	@scripts/setup dev
	@scripts/update

clean: ## Remove everything that was installed or generated here
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/e2e/js/node_modules
