# Everything that a newcomer types. `make help` lists it.

PYTHON ?=
VENV ?= .venv
ARGS ?=
VERSION ?=
WHEELS ?=
UV ?= uv
SHELL := /bin/sh
export PYTHON VENV ARGS VERSION WHEELS

# Without a .env the built-in demo goes on air; with one, the channel that it describes.
SETTINGS = $(if $(wildcard .env),--env-file .env,--demo)
SCRIPTS = $(wildcard scripts/*.sh ci/*.sh test/stands/*.sh test/smoke/*.sh deploy/*/*.sh) .ci/run deploy/sudoers.d/tg_video_streamer-deploy
COMPILE = $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate $(if $(UPGRADE),--upgrade) pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help run setup test test-long flaky slowest check bench lock release clean

help: ## Show what there is to type
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'
	@echo
	@echo "  PYTHON=python3.12 chooses the interpreter, VENV=folder the environment; ARGS=… goes to the program or to pytest."

run: ## Go on air: the demo, or the channel that .env describes
	@scripts/setup.sh run
	@exec $(VENV)/bin/tg-video-streamer run $(SETTINGS) $(ARGS)

setup: ## Make .venv with everything for running and testing
	@scripts/setup.sh dev

test: setup ## Test against real peers (under ten minutes on two cores)
	@scripts/install-test-packages.sh
	@scripts/test.sh short

test-long: setup ## Test with repetitions and soaks, and on every other Python found
	@scripts/install-test-packages.sh
	@scripts/test.sh long

flaky: ## Run the tests five times beside two busy loops, into bench/flaky.txt
	@scripts/flaky.sh

slowest: ## Print the slowest tests and files of the last `make test`
	@PYTHONPATH=test $(VENV)/bin/python -m stands.timings

check: setup ## Check style, types, import direction and scripts
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python ci/check_shape.py
	@scripts/install-test-packages.sh shellcheck
	shellcheck $(SCRIPTS)
	$(VENV)/bin/actionlint .github/workflows/*.yml
	$(VENV)/bin/hadolint deploy/docker/Dockerfile

bench: setup ## Measure, each number beside its rival's, into bench/RESULTS.md
	$(VENV)/bin/python bench/run.py $(ARGS)

lock: ## Pin all dependencies anew after a change of pyproject.toml; UPGRADE=1 takes the newest
	$(COMPILE) -o requirements.txt
	$(COMPILE) --extra build -o requirements-build.txt
	$(COMPILE) --extra fleet -o requirements-fleet.txt
	$(COMPILE) --extra dev --extra build --extra fleet -o requirements-dev.txt

release: setup ## Make dist/*.tar.gz and its checksum; WHEELS=1 puts every package in, for a host without a registry
	@scripts/release.sh

clean: ## Remove environments, caches and artefacts; keeps .env, playlist and state
	rm -rf .venv .venv-3.* .test-cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache artifacts dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
