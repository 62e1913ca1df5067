# Every task of the project. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := src/passformer/bench/programs
DATA ?= data/full

.PHONY: help demo test check bench model clean

help: ## list the tasks
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

$(BIN)/passformer: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/dev: $(BIN)/passformer
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(BIN)/passformer ## install, then make a C program smaller than clang -Oz
	$(BIN)/passformer optimize --objective text $(DEMO)/expression.c $(DEMO)/json.c $(DEMO)/calendar.c

test: $(VENV)/dev ## install, then run all tests
	$(BIN)/pytest -n auto

check: $(VENV)/dev ## formatting, lint, types, import rule
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest tests/test_architecture.py

bench: $(BIN)/passformer ## in-process evaluation against spawned opt (needs opt-22)
	$(BIN)/passformer bench compile

model: $(VENV)/dev ## train the shipped model again, on the labelled corpus DATA (ten minutes, with a GPU)
	$(BIN)/passformer dataset $(DATA)
	$(BIN)/passformer tokenizer train $(DATA)
	$(BIN)/passformer train --config configs/gpu.toml --data $(DATA) --out runs/gpu
	$(BIN)/passformer export runs/gpu --data $(DATA)

clean: ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
