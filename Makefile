# Everything a user does with the project. All that is made lives under data/, or where
# SEGMENT_OF_ONE_DATA says.
SHELL := /bin/bash
PYTHON ?= python3.11
export SQL
PORT ?= 3000
PERSONS ?= 20000
RUN := .venv/bin/python -m orchestration

.PHONY: help demo build recipe query explain explain-segment card rules train predict sync erase import-mautic backtest ui bench test lint \
	clean setup
.DEFAULT_GOAL := help

help: ## Say what each command does
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1|/' \
		| column -t -s '|'

setup: .venv/ready ## Set up the virtual environment with the locked versions

.venv/ready: requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is not there: install it, or name \
	it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "$(PYTHON) \
	is not Python 3.11: name one, make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Setting up .venv with the versions of requirements.lock (once, one to three minutes)"
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch .venv/ready

demo: setup ## Make the demo group (PERSONS=20000), load, check, build and publish it
	@$(RUN) demo --persons $(PERSONS)

build: setup ## Load what is new in the landing folder, check, build, publish (AS_OF=2026-06-30)
	@$(RUN) build $(if $(AS_OF),--as-of $(AS_OF)) $(if $(ACCEPT),--accept) $(if $(FORCE),--force)

recipe: setup ## Write a real data set into the landing folder (NAME=online_retail_ii FILES=folder)
	@$(RUN) recipe "$(NAME)" "$(FILES)"

rules: setup ## Check the rules of segments in seconds, without a build (AS_OF=2026-06-30)
	@$(RUN) rules $(if $(AS_OF),--as-of $(AS_OF))

query: setup ## Query what was published (SQL="select ..." AS_OF=date of a replay)
	@$(RUN) query "$$SQL" $(if $(AS_OF),--as-of $(AS_OF))

explain: setup ## Say why records are one customer, or two (WHO="customer" or WHO="record record")
	@$(RUN) explain $(WHO)

explain-segment: setup ## Say why a customer is in a segment or not (WHO=customer SEGMENT=new_buyer)
	@$(RUN) explain-segment "$(WHO)" "$(SEGMENT)"

card: setup ## Show all that is known of one customer, with reasons (WHO=customer)
	@$(RUN) card "$(WHO)"

train: setup ## Learn the linkage model anew from the customers of the last build
	@$(RUN) train

predict: setup ## Score every buyer by the last build; the next build shows it (TRAIN=yes)
	@$(RUN) predict $(if $(TRAIN),--train)

sync: setup ## Send audiences as syncs/ says (NAME=champions HOW=dry_run, validate or live ACCEPT=yes)
	@$(RUN) sync $(NAME) $(if $(HOW),--how $(HOW)) $(if $(ACCEPT),--accept)

erase: setup ## Forget people everywhere and prove it (WHO="e-mail, phone, customer or record", or all who asked)
	@$(RUN) erase "$(WHO)"

import-mautic: setup ## Land contacts, tags, stages and withdrawals of Mautic (BRAND=domowo)
	@$(RUN) import-mautic "$(BRAND)"

backtest: setup ## Judge the predictions on real data sets (FILES=folder)
	@$(RUN) backtest "$(FILES)"

ui: setup ## Open Dagster's UI on the same project (PORT=3000)
	@$(RUN) ui --port $(PORT)

bench: setup ## Run a benchmark and print its figures (NAME=build, exports, growth, identity, accuracy, linkage, predictions, segments, timeline, truth; SIZE=200000)
	@$(RUN) bench "$(NAME)" $(if $(SIZE),--size $(SIZE))

test: setup ## Pass every test
	@.venv/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: setup ## Check style and types
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/sqlfluff lint models --processes 2

clean: ## Remove all that was made under data/; landing files included
	@if [ -e .venv/ready ]; then $(RUN) clean; fi
