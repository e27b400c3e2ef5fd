# `make help` lists what there is. Everything is installed into .venv; nothing else is touched.
PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
# DVC runs `lmm-vqa`: it must find the one of this environment
export PATH := $(BIN):$(PATH)
READY := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test bench check fix dag notebooks picture reference clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

install: $(READY) ## make .venv with the exact versions of constraints.txt

$(READY): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(READY) ## run the whole pipeline on real video and print the result table
	dvc repro
	@lmm-vqa table
	@echo "report: $(CURDIR)/results/report.html"

test: check ## check style, types and import rules, then run every test
	pytest -n logical --maxprocesses 4 --dist loadfile

bench: $(READY) ## measure speed, about a quarter of an hour; writes results/bench.md and .json
	for part in spatial temporal llm; do lmm-vqa weights $$part; done
	$(BIN)/python -m benchmarks.bench

check: $(READY) ## ruff, mypy strict, import rules
	ruff format --check .
	ruff check .
	mypy
	lint-imports

fix: $(READY) ## format, and mend what ruff can
	ruff format .
	ruff check --fix .

dag: $(READY) ## draw the graph of stages
	dvc dag

notebooks: $(READY) ## run the notebooks on the demo's caches
	pytest --nbmake notebooks

picture: $(READY) ## take docs/report.png and docs/web.png; needs Chromium
	$(BIN)/python -m benchmarks.picture report
	$(BIN)/python -m benchmarks.picture web

reference: $(READY) ## write docs/settings.md and docs/commands.md anew
	$(BIN)/python -m pipeline.reference
	$(BIN)/python -m typer pipeline.cli utils docs --name lmm-vqa --title Commands \
	  --output docs/commands.md

clean: ## remove everything that the pipeline made (not .venv, not DVC's cache)
	rm -rf data results
