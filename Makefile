# `make acceptance` runs the suite, `make test` the project's own tests. Both do their own set-up.
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin

.PHONY: help setup acceptance acceptance-real test measurements mutation site server-matrix clean

help:
	@echo "make acceptance        test the server: a real one if present, else the reference server; ARGS=\"...\""
	@echo "make acceptance-real   the same on the real mistralrs, built first when it is missing (18 to 28 minutes)"
	@echo "make test              the project's own tests"
	@echo "make measurements      measure the figures of docs/measurements.md again"
	@echo "make mutation          change the code that a verdict comes from: each change has to fail a test (minutes)"
	@echo "make server-matrix     the matrix of servers in the README, from finished runs; ARGS=\"FOLDER...\""
	@echo "make site              the documents as a site, in reports/site"
	@echo "make clean             remove the environment and the reports (not the shared cache)"

setup:
	@$(PYTHON) tools/setup.py

acceptance: setup
	@$(BIN)/acceptance run $(ARGS)

acceptance-real: setup
	@$(BIN)/acceptance get mistralrs
	@$(BIN)/acceptance run --target real $(ARGS)

test: setup
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

measurements: setup
	@$(BIN)/python tools/measure.py $(ARGS)

mutation: setup
	@$(PYTHON) tools/setup.py --group mutation
	@$(BIN)/python tools/mutation.py $(ARGS)

site: setup
	@$(BIN)/python -m tools.site

server-matrix: setup
	@$(BIN)/python -m tools.server_matrix $(ARGS)

clean:
	rm -rf .venv .cache reports/*
