# Every habit is one command; `make` alone lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCK := requirements/lock.txt
TIMED := scripts/timed.sh
CODE := beamscope dashboard exported_models pipeline state_store
FAST := not slow and not browser and not oracle
# Files of tests run side by side; more processes than cores would only make browsers wait for each other.
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist loadfile

.PHONY: help install demo test test-fast oracles campaign lint format types imports lock screenshots families benchmarks clean

help: ## print what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

# A stamp is as new as the last install that finished; it goes stale with what it was made from.
.venv/.made: scripts/find_python.sh
	@scripts/preflight.sh install
	@python=$$(scripts/find_python.sh) && "$$python" -m venv .venv
	@touch $@

.venv/.installed: .venv/.made pyproject.toml $(LOCK)
	@$(TIMED) "install" $(PIP) install --quiet -c $(LOCK) -e ".[build]"
	@touch $@

.venv/.installed-tests: .venv/.installed
	@$(TIMED) "install test needs" $(PIP) install --quiet -c $(LOCK) -e ".[build,test]"
	@touch $@

install: .venv/.installed ## make .venv with everything that building and serving needs

demo: .venv/.installed ## build the dates example and open the workbench
	@$(BIN)/beamscope demo

test: .venv/.installed-tests ## run every check: lint, types, layers and all tests, the browser's included
	@scripts/preflight.sh browser
	@$(MAKE) --no-print-directory lint types imports
	@mkdir -p reports
	@$(TIMED) "tests" $(BIN)/pytest $(SIDE_BY_SIDE) --durations=10 --junitxml=reports/pytest.xml

test-fast: .venv/.installed-tests ## run the tests that need neither a browser nor patience
	@$(TIMED) "fast tests" $(BIN)/pytest $(SIDE_BY_SIDE) -m "$(FAST)"

oracles: .venv/.installed-tests ## compare with other implementations at length (figures: reports/oracles.xml); needs BEAMSCOPE_MATERIALS
	@mkdir -p reports
	@$(TIMED) "oracles" $(BIN)/pytest -m oracle --timeout=7200 --junitxml=reports/oracles.xml

campaign: .venv/.installed-tests ## put a served workspace through hostile inputs, damage, kills and crowds (hours; docs/reliability.md)
	@$(BIN)/python -m campaign

lint: .venv/.installed-tests ## check style and formatting
	@$(TIMED) "lint" $(BIN)/ruff check
	@$(TIMED) "format check" $(BIN)/ruff format --check

format: .venv/.installed-tests ## format the code and apply safe fixes
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

types: .venv/.installed-tests ## check types, strictly
	@$(TIMED) "types" $(BIN)/mypy

imports: .venv/.installed-tests ## check that each layer imports only what stands below it
	@$(TIMED) "layers" $(BIN)/lint-imports

lock: .venv/.installed-tests ## resolve every dependency again and write requirements/lock.txt
	@$(BIN)/python scripts/lock.py > $(LOCK).new
	@mv $(LOCK).new $(LOCK)

screenshots: .venv/.installed-tests ## take docs/workbench-light.png and docs/workbench-dark.png
	@scripts/preflight.sh browser
	@$(BIN)/python -m scripts.screenshots

families: .venv/.installed-tests ## write docs/families.md, the table of what each family of models offers
	@$(BIN)/python -m scripts.families_table > docs/families.md.new
	@mv docs/families.md.new docs/families.md

benchmarks: .venv/.installed-tests ## measure decoding, neighbor search, encoding, the demo, the page and a crowd
	@$(BIN)/python -m benchmarks

clean: ## remove the environment, caches and reports; artefacts stay
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist reports *.egg-info
	@find $(CODE) tests scripts examples benchmarks campaign -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
