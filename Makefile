# Every verb sets up what it needs; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell command -v /usr/bin/python3 || command -v python3)
QUIETLY := packaging/quietly
UV := .venv/bin/uv
LOCKS := packaging/locks
APT := chromium daemontools iproute2 libnss3-tools lintian mmdebstrap openssh-client pebble postgresql python3-venv socat systemd-container testssl.sh
export UV_PYTHON_DOWNLOADS := never
export UV_LINK_MODE := copy
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help setup demo test faults bench lint lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: build/stamps/apt build/stamps/venv build/stamps/crossbar build/stamps/web build/stamps/promtool ## install everything into this checkout

build/stamps/apt: Makefile
	@mkdir -p build/stamps
	@packaging/apt-install $(APT)
	@touch $@

# A stamp, not .venv/bin/uv itself: a half-installed one must not count after an interruption.
build/stamps/uv: $(LOCKS)/bootstrap.txt | build/stamps/apt
	@echo "setup: python environment"
	@$(QUIETLY) $(PYTHON) -m venv --clear .venv
	@$(QUIETLY) .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@

build/stamps/venv: build/stamps/uv $(LOCKS)/controller.txt pyproject.toml
	@$(QUIETLY) $(UV) pip sync -q --python .venv/bin/python --require-hashes $(LOCKS)/controller.txt
	@$(QUIETLY) $(UV) pip install -q --python .venv/bin/python --no-deps --build-constraints $(LOCKS)/build.txt -e .
	@touch $@

build/stamps/crossbar: build/stamps/uv $(LOCKS)/crossbar.txt $(LOCKS)/build.txt
	@echo "setup: Crossbar environment"
	@$(QUIETLY) $(UV) venv -q --clear --python .venv/bin/python build/crossbar
	@$(QUIETLY) $(UV) pip sync -q --python build/crossbar/bin/python --require-hashes --build-constraints $(LOCKS)/build.txt $(LOCKS)/crossbar.txt
	@touch $@

build/stamps/web: build/stamps/venv $(wildcard ionman/web/*.js ionman/web/*.mjs ionman/web/package*.json ionman/web/source/*)
	@echo "setup: web page"
	@$(QUIETLY) npm --prefix ionman/web ci
	@$(QUIETLY) npm --prefix ionman/web run build
	@touch $@

build/stamps/promtool: packaging/promtool | build/stamps/apt
	@$(QUIETLY) packaging/promtool $(CURDIR)/build/tools
	@touch $@

demo: setup ## the whole chain on three lab hosts, or on loopback where lab hosts are impossible
	@.venv/bin/ionman demo

test: setup ## everything: lint, unit, real Crossbar, real svc, real apt, lab hosts, a real browser
	@$(MAKE) lint
	@.venv/bin/pytest -n 2 --dist loadgroup --no-loadscope-reorder

faults: setup ## replace, scale and break the service on three hosts under load, by svc and by systemd (about an hour)
	@.venv/bin/pytest -x -s tests/faults

bench: setup ## what a call costs: asked of the authorizer or not, through proxy workers or not; 500 sessions that come back (about 15 minutes)
	@.venv/bin/python -m tests.bench.rights
	@.venv/bin/python -m tests.bench.workers
	@.venv/bin/python -m tests.bench.returning

clean: ## remove what was built in this checkout (labs stay: ionman lab down)
	@rm -rf build .venv ionman/web/node_modules ionman/web/static/ionman.js

lock: build/stamps/uv ## renew the locks from their sources
	@cd $(LOCKS) && for name in bootstrap build; do ../../$(UV) pip compile -q --python-version 3.11 --no-header --generate-hashes $$name.in -o $$name.txt; done
	@$(UV) pip compile -q --python-version 3.11 --no-header --generate-hashes --override $(LOCKS)/overrides.txt $(LOCKS)/crossbar.in -o $(LOCKS)/crossbar.txt
	@$(UV) pip compile -q --python-version 3.11 --no-header --generate-hashes --override $(LOCKS)/overrides.txt pyproject.toml -o $(LOCKS)/runtime.txt
	@$(UV) pip compile -q --python-version 3.11 --no-header --generate-hashes --override $(LOCKS)/overrides.txt -c $(LOCKS)/runtime.txt --extra host pyproject.toml -o $(LOCKS)/host.txt
	@$(UV) pip compile -q --python-version 3.11 --no-header --generate-hashes --override $(LOCKS)/overrides.txt -c $(LOCKS)/runtime.txt --all-extras pyproject.toml $(LOCKS)/bootstrap.in -o $(LOCKS)/controller.txt
	@cp $(LOCKS)/runtime.txt examples/demo/requirements.lock

lint: build/stamps/venv ## ruff and mypy (ansible-lint is among the tests)
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy
