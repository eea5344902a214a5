# `make run` and `make test` do all set-up by themselves. `make help` lists the rest.
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help run test demo fuzz check secrets audit terraform checkov fmt lock clean

help: ## what there is to make
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

$(READY): requirements.txt requirements-dev.txt
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Hark needs Python 3.11 or later, this is " + sys.version.split()[0])'
	python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt -r requirements-dev.txt
	@touch $@

run: $(READY) ## the whole system on this machine, until Ctrl-C (MTLS=1: with client certificates)
	@exec $(BIN)/python -m emulator

demo: $(READY) ## one notification to every channel, with its timeline
	@exec $(BIN)/python -m emulator.demo

test: $(READY) ## all tests, on the real emulators, with coverage
	$(BIN)/python -m pytest -n $(JOBS) --cov --cov-report=term:skip-covered

fuzz: $(READY) ## many requests made from /openapi.json, to a system of its own (N=1000 of each operation, SEED=)
	@exec $(BIN)/python -m tests.e2e.fuzz $(or $(N),1000) $(SEED)

check: $(READY) secrets ## the static checks
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry functions shared

# Unverified: to verify a secret it would be sent to its service, and one that is revoked there would pass.
secrets: $(READY) ## that no file has a secret
	git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --no-verify --plugin .ci/hark_keys.py --exclude-files '^requirements.*\.txt$$'

audit: $(READY) ## whether a dependency has a known vulnerability
	$(BIN)/python .ci/audit.py $(BIN)/pip-audit --disable-pip --require-hashes -r requirements.txt -r requirements-dev.txt

terraform: ## whether infra/ is formatted and valid, and its tests (where the provider can be had)
	@.ci/terraform

# In an environment of its own: it pins what the rest needs newer.
CHECKOV := $(VENV)/checkov
checkov: $(READY) ## whether infra/ keeps to what checkov asks; each exception is in the file, with its reason
	@test -x $(CHECKOV)/bin/checkov || { python3 -m venv $(CHECKOV) && $(CHECKOV)/bin/pip install --quiet --disable-pip-version-check checkov==3.3.30; } || \
	  { rm -rf $(CHECKOV); echo 'checkov: NOT CHECKED, it could not be installed'; exit 0; }; \
	  $(CHECKOV)/bin/checkov --directory infra --framework terraform --skip-download --compact --quiet

fmt: $(READY) ## format, and fix what ruff can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links
lock: $(READY) ## pin what requirements*.in name (add UPGRADE=--upgrade for newer versions)
	$(COMPILE) $(UPGRADE) -o requirements.txt requirements.in
	$(COMPILE) $(UPGRADE) -o requirements-dev.txt requirements-dev.in

clean: ## remove what make and the tests have made
	rm -rf $(VENV) .run .coverage* .mypy_cache .ruff_cache .hypothesis .import_linter_cache
