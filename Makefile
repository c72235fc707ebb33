# Everything a person types. `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The first Python on the PATH that the pip wheel of Triton and numpy 1.26 both have files for.
PYTHON ?= $(shell for p in python3 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
DATA ?=
NEGATIVES ?=
OUT ?= out
export DATA NEGATIVES
# $(call each,--data,DATA): the option for DATA as a whole where that exists, spaces and all; else for each of its words.
each = if [ -e "$$$2" ]; then set -- "$$@" $1 "$$$2"; else for one in $$$2; do set -- "$$@" $1 "$$one"; done; fi

.PHONY: help run serve test contract check format train evaluate export samples load tune perf peers app clean

help: ## List these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-10s %s\n", $$1, $$2}'

run: .venv/serve.done ## Start a real Triton, classify the sample pictures, show the table, stop the server
	@$(BIN)/safelight demo --out "$(OUT)"

serve: .venv/serve.done ## Keep a server in the foreground (Ctrl-C stops it); ARGS="--grpc-port 9001" passes options on
	@$(BIN)/safelight serve $(ARGS)

test: .venv/dev.done ## Run the whole suite, real server included, in two processes; ARGS="-n 0 -k name" for one
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

contract: .venv/dev.done ## Hold a profile to the contract; PROFILE=cuda, BACKENDS=folder, SERVER=host:8001 if it runs
	$(BIN)/pytest tests/contract -vv --profile $(or $(PROFILE),cpu) $(BACKENDS:%=--backend-directory %) $(SERVER:%=--server %) $(ARGS)

check: .venv/dev.done ## Lint, format, types and who-imports-whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev.done ## Put the code into the one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train: .venv/dev.done ## Train both networks; DATA="folder table.csv ..." with film and digital (docs/data.md)
	@$(call each,--data,DATA); $(BIN)/python -m training film_origin "$$@" $(ARGS)
	@$(call each,--data,DATA); $(BIN)/python -m training negative_condition "$$@" $(ARGS)

evaluate: .venv/dev.done ## Report on both networks with real pictures they never saw; DATA=folder NEGATIVES=folder
	@$(call each,--data,DATA); $(call each,--negatives,NEGATIVES); \
	$(BIN)/python -m training evaluate "$$@" --out "$(OUT)/evaluation" $(ARGS)

export: .venv/dev.done ## Turn trained weights into what Triton serves; refuses what fails parity
	$(BIN)/python -m export $(ARGS)

samples: .venv/dev.done ## Make the sample pictures again from licensed photographs
	$(BIN)/python -m training samples $(ARGS)

load: .venv/dev.done ## Load on a real server, 1 to 64 users, and a report; ARGS="--rates 10,20 --mix scan --seconds 60"
	@$(BIN)/python -m loadtest run --out "$(OUT)/load" $(ARGS)

tune: .venv/dev.done ## Find good settings for this machine by measuring; ARGS="--minutes 60" (safelight tune --help)
	@$(BIN)/safelight tune --out "$(OUT)/tune" $(ARGS)

perf: .venv/dev.done ## perf_analyzer over real pictures; ARGS="--rate 5:40:5"
	@$(BIN)/python -m loadtest.perf --fetch --out "$(OUT)/perf" $(ARGS)

peers: .venv/dev.done ## Other servers with the same networks, side by side with ours (hours); ARGS="--peers ray"
	$(BIN)/python -m loadtest.peers --out "$(OUT)/peers" $(ARGS)

app: .venv/app.done ## The web page, beside a running server (make serve)
	$(BIN)/streamlit run app/main.py $(ARGS)

clean: ## Remove the environment, caches, reports and runs; exported files and trained weights stay
	rm -rf .venv "$(OUT)" runs build *.egg-info .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Safelight needs Python 3.11 or 3.12 on the PATH; or name one: make run PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "Creating .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; $(PYTHON) -m virtualenv .venv; } || { rm -rf .venv; exit 2; }  # no half of one

.venv/%.done: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing the packages of the '$*' extra into .venv (a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	@touch $@
