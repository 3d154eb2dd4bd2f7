# Two commands matter: `make demo` and `make test`. Both install what is missing into .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo explore test mutants check smoke fuzz bench clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: $(VENV)/installed  ## train a VAE on MNIST, evolve a three in its latent space, draw the gallery (runs/demo)
	$(BIN)/evovae demo --out runs/demo

explore: $(VENV)/installed  ## choose latent values and breed images in the browser, on 127.0.0.1
	$(BIN)/evovae explore

test: $(VENV)/installed-test  ## run the whole test suite, in two processes
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

mutants: $(VENV)/installed-test  ## put deliberate faults in, one by one, and see that tests notice (some minutes)
	$(BIN)/python tests/mutants.py

check: $(VENV)/installed-dev  ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

smoke: $(VENV)/installed-test  ## every experiment, in seconds, two at a time
	printf '%s\n' experiments/*.py | OMP_NUM_THREADS=1 xargs -P 2 -I SCRIPT sh -c \
		'said=$$($(BIN)/python SCRIPT --smoke 2>&1); end=$$?; printf "== %s\n%s\n" SCRIPT "$$said"; exit $$end'

fuzz: $(VENV)/installed-test  ## 10,000 damaged files of each format and 10,000 malformed requests, in three minutes
	$(BIN)/python experiments/fuzz_files.py
	$(BIN)/python experiments/fuzz_explorer.py

bench: $(VENV)/installed-bench  ## measure the speed figures into results/speed (keep the machine otherwise idle)
	set -e; for script in experiments/speed_*.py; do $(BIN)/python $$script; done

clean:  ## remove the environment, caches and the demo
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache runs/demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/installed: setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "evovae needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=24'
	$(BIN)/python -m pip install --quiet --editable '.[explorer]'
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

$(VENV)/installed-bench: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	touch $@

$(VENV)/installed-dev: $(VENV)/installed-test
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
