# `make help` lists the targets. PYTHON=python3.12 chooses the interpreter, BAG=path the recording of the demo.
VENV ?= .venv
OUT ?= demo
SEED ?= 1
DURATION ?= 60
RUN := $(VENV)/bin/python -m
INSTALL = PYTHON=$(PYTHON) requirements/install.sh $(VENV)
SOURCES := perception slam nodes tests benchmarks launch docs training setup.py

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long lint check smoke bench bench-world bench-detection bench-lines bench-slam docs lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

setup: ## environment in .venv with the pinned dependencies, message packages and compiled kernels
	@$(INSTALL)

demo: setup ## set up, make a recording (or take BAG=path), replay it, write demo/report.html and demo/view.html
ifdef BAG
	@$(RUN) perception replay "$(BAG)" --out "$(OUT)"
	@$(RUN) perception view "$(BAG)" --html $(OUT)/view.html
else
	@test -e $(OUT)/recording || $(RUN) perception synth $(OUT)/recording --seed $(SEED) --duration $(DURATION) \
	  --cameras front --set cameras.rate=2
	@$(RUN) perception replay $(OUT)/recording --out $(OUT)
	@$(RUN) perception view $(OUT)/recording --html $(OUT)/view.html
endif

test: ## set up and run the default test suite
	@$(INSTALL) torch test
	@$(RUN) pytest $(TESTS)

test-long: ## set up and run the tests that take minutes
	@$(INSTALL) torch test
	@$(RUN) pytest -m long $(TESTS)

lint: ## ruff, format and types
	@$(INSTALL) test
	@$(RUN) ruff check $(wildcard $(SOURCES))
	@$(RUN) ruff format --check $(wildcard $(SOURCES))
	@$(RUN) mypy

check: lint ## lint and the unit tests
	@$(RUN) pytest tests/unit

smoke: ## five seconds of the demo and the unit tests; for another Python with PYTHON=... VENV=...
	@$(INSTALL) test
	@rm -rf $(OUT)/smoke
	@$(RUN) perception synth $(OUT)/smoke/recording --seed $(SEED) --duration 5
	@$(RUN) perception replay $(OUT)/smoke/recording --out $(OUT)/smoke
	@$(RUN) pytest tests/unit

bench: ## measure odometry beside its peers, print the table, write out/odometry.json
	@$(INSTALL) bench
	@mkdir -p out
	@$(RUN) perception bench odometry --json out/odometry.json

bench-world: ## measure the generated world, print the table, write out/world.json
	@$(INSTALL) test
	@mkdir -p out
	@$(RUN) perception bench world --json out/world.json

bench-detection: ## measure detection beside its peers, print the table, write out/detection.json
	@$(INSTALL) torch test
	@mkdir -p out
	@$(RUN) perception bench detection --json out/detection.json

bench-lines: ## measure line segments beside their peers, print the table, write out/lines.json
	@$(INSTALL) torch test
	@mkdir -p out
	@$(RUN) perception bench lines --json out/lines.json

bench-slam: ## measure mapping, loops and places beside their peers, print the table, write out/slam.json
	@$(INSTALL) torch test
	@mkdir -p out
	@$(RUN) perception bench slam --json out/slam.json

docs: setup ## write docs/configuration.md from the configuration's fields
	@{ sed '/^|/,$$d' docs/configuration.md; $(RUN) perception config --reference; } > docs/configuration.new
	@mv docs/configuration.new docs/configuration.md

lock: setup ## write the locks anew with the newest versions that fit
	@requirements/lock.sh $(VENV)/bin/uv

clean: ## remove the environment, caches and results
	rm -rf .venv .venv-* demo out build install log dist .pytest_cache .ruff_cache .mypy_cache .hypothesis *.egg-info
	rm -rf perception/ros_interfaces/build perception/ros_interfaces/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
