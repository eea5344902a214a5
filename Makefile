# `make run` and `make test` do all set-up by themselves. `make help` lists the rest.
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JOBS ?= 2
# Of the tests. One of them has those with whole stacks, and most of the time waits for these.
WORKERS ?= 3
# Compiling all that is installed takes half the time, and most of it is never imported.
INSTALL := pip install --quiet --disable-pip-version-check --no-compile --require-hashes

.DEFAULT_GOAL := help
.PHONY: help run test demo fuzz simulate mutants faults drill planted bench check secrets audit terraform checkov fmt lock clean

help: ## what there is to make
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

$(READY): requirements.txt requirements-dev.txt .ci/axe.txt
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Hark needs Python 3.11 or later, this is " + sys.version.split()[0])'
	python3 -m venv --clear $(VENV)
	$(BIN)/python -m $(INSTALL) -r requirements.txt -r requirements-dev.txt
	$(BIN)/python -m $(INSTALL) --no-deps -r .ci/axe.txt
	@touch $@

run: $(READY) ## the whole system on this machine, until Ctrl-C (CHANNELS=email,sms: fewer; MTLS=1: with client certificates)
	@CHANNELS="$${CHANNELS-*}" exec $(BIN)/python -m emulator

demo: $(READY) ## one notification to every channel, with its timeline
	@CHANNELS="$${CHANNELS-*}" exec $(BIN)/python -m emulator.demo

test: $(READY) ## all tests, on the real emulators (COVERAGE=1: with coverage, which takes a fifth longer)
	$(BIN)/python -m pytest -n $(WORKERS) -rs $(if $(COVERAGE),--cov --cov-report=term:skip-covered)

fuzz: $(READY) ## many requests made from /openapi.json, to a system of its own (N=1000 of each operation, SEED=)
	@exec $(BIN)/python -m tests.e2e.fuzz $(or $(N),1000) $(SEED)

simulate: $(READY) ## histories on fakes, with a crash possible at each await (N=1000, or SEED= to see that one)
	@exec $(BIN)/python -m tests.simulation $(or $(N),1000) $(addprefix --seed ,$(SEED))

mutants: $(READY) ## small changes of the core, one at a time: whether a fast test catches each (ONLY=shared/delivery/state_machine.py)
	@exec $(BIN)/python -m tests.mutants --jobs $(JOBS) $(ONLY)

faults: $(READY) ## the system under load and faults, and whether anything was lost: 30 minutes and the drain (SEED=, FAULTS=--help)
	@test -e /usr/lib/x86_64-linux-gnu/faketime || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  { apt-get install --quiet=2 --yes --no-install-recommends faketime || { apt-get update --quiet=2 && \
	  apt-get install --quiet=2 --yes --no-install-recommends faketime; }; } >/dev/null 2>&1; } || true
	@exec $(BIN)/python -m tests.faults $(addprefix --seed ,$(SEED)) $(FAULTS)

drill: $(READY) ## what goes wrong under load, what Hark does then, and which alerts come: 12 minutes (ONLY=provider)
	@command -v prometheus >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  { apt-get install --quiet=2 --yes --no-install-recommends prometheus || { apt-get update --quiet=2 && \
	  apt-get install --quiet=2 --yes --no-install-recommends prometheus; }; } >/dev/null 2>&1; } || true
	@exec $(BIN)/python -m tests.drill $(ONLY) $(DRILL)

planted: $(READY) ## that the fault harness catches twenty-seven planted bugs, one at a time in a copy: 45 minutes (ONLY=relay_off)
	@exec $(BIN)/python -m tests.faults.planted $(ONLY)

check: $(READY) secrets ## the static checks
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry functions shared

# Unverified: to verify a secret it would be sent to its service, and one that is revoked there would pass.
secrets: $(READY) ## that no file has a secret
	git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --no-verify --plugin .ci/hark_keys.py --exclude-files '(requirements[^/]*|axe|checkov|oldest-pips)\.txt$$'

audit: $(READY) ## whether a dependency has a known vulnerability (AUDIT=--report: say it, and do not fail)
	$(BIN)/python .ci/audit.py $(AUDIT) $(BIN)/pip-audit --disable-pip --require-hashes -r requirements.txt -r requirements-dev.txt

terraform: ## whether infra/ is formatted and valid, and its tests (where the provider can be had)
	@.ci/terraform

# In an environment of its own, made anew when its lock changes: it pins what the rest needs newer.
CHECKOV := $(VENV)/checkov
checkov: $(READY) ## whether infra/ keeps to what checkov asks; each exception is in the file, with its reason
	@cmp -s .ci/checkov.txt $(CHECKOV)/lock || { python3 -m venv --clear $(CHECKOV) && \
	  $(CHECKOV)/bin/python -m $(INSTALL) -r .ci/checkov.txt && cp .ci/checkov.txt $(CHECKOV)/lock; }
	@$(CHECKOV)/bin/checkov --directory infra --framework terraform --skip-download --compact --quiet

fmt: $(READY) ## format, and fix what ruff can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# With the extras: without them pip before 23.3 takes a newer release than the locked one, and stops for want of its hash.
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --no-strip-extras --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links
lock: $(READY) ## pin what requirements*.in name (add UPGRADE=--upgrade for newer versions)
	$(COMPILE) $(UPGRADE) -o requirements.txt requirements.in
	$(COMPILE) $(UPGRADE) -o requirements-dev.txt requirements-dev.in
	$(COMPILE) $(UPGRADE) -o bench/requirements.txt bench/requirements.in
	$(COMPILE) $(UPGRADE) -o .ci/checkov.txt .ci/checkov.in

# The peers have an environment of their own, too: nothing that is deployed or tested is to find Celery by accident.
PEERS := $(VENV)/bench
$(PEERS)/.ready: requirements.txt bench/requirements.txt
	python3 -m venv --clear $(PEERS)
	$(PEERS)/bin/python -m $(INSTALL) -r requirements.txt -r bench/requirements.txt
	@touch $@

bench: $(READY) $(PEERS)/.ready ## every figure of docs/performance/, in about twenty minutes (BENCH=--short: in four)
	@command -v redis-server >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  apt-get update --quiet=2 && apt-get install --quiet=2 --yes --no-install-recommends redis-server; } || \
	  echo 'bench: there is no redis-server, so the peers are left out: apt-get install redis-server'
	$(BIN)/python -m bench.run $(BENCH) --out docs/performance/README.md --json docs/performance/figures.json --charts docs/performance

clean: ## remove what make and the tests have made
	rm -rf $(VENV) .run .coverage* .mypy_cache .ruff_cache .hypothesis .import_linter_cache
