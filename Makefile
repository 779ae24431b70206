# Every target is complete by itself in a fresh clone: it makes .venv and installs what is missing.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
CODE := setup.py $(wildcard pipeline*.py) preprocess trainer predict scripts tests benchmarks
# Two processes and no more: the tests start workers and servers of their own.
PYTEST := TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: help install demo format check test test-all bench clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1\t/' | expand -t 12

install: $(INSTALLED)  ## .venv with everything in it

$(INSTALLED): setup.py pyproject.toml
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all]'
	touch $(INSTALLED)

demo: $(INSTALLED)  ## draw pictures, embed, train, export, report, predict: the whole way in minutes
	$(BIN)/python pipeline.py --demo --output_dir demo_output

format: $(INSTALLED)  ## rewrite the code as the formatter likes it
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

check: $(INSTALLED)  ## formatting, lint and types; writes nothing
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy

test: $(INSTALLED)  ## every default test
	$(PYTEST) -m 'not slow'

test-all: $(INSTALLED)  ## also the slow ones
	$(PYTEST)

bench: $(INSTALLED)  ## what the README's figures come from, measured again (an hour on two cores)
	for one in $(filter-out benchmarks/results.py,$(wildcard benchmarks/*.py)); do $(BIN)/python $$one || exit 1; done

clean:  ## remove what the targets above made
	rm -rf .venv build dist demo_output *.egg-info .pytest_cache .ruff_cache .mypy_cache
