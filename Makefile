# Saldo: `make help` says what there is.

PYTHON ?= python3
WORKERS ?= auto
BIN := .venv/bin
SALDO := $(BIN)/python -m deploy.embedded
CLUSTERED := $(BIN)/python -m deploy.cluster

.DEFAULT_GOAL := help
CHECKS := check-types check-audit check-style check-layers check-generated
.PHONY: $(CHECKS) help up down reset status env test unit check bench restore-drill faults upgrade mutation format contracts lock release \
	styleguide letters pictures audit \
	cluster cluster-down cluster-reset cluster-status cluster-stop cluster-start \
	dist install browser venv

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[1mmake %-15s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: install ## Install what is missing, start everything, load the demo, drive the journey
	@$(SALDO) up

down: ## Stop everything; the data stays
	@[ ! -x $(BIN)/python ] || $(SALDO) down

reset: ## Stop everything and delete all data, those of a cluster too
	@[ ! -x $(BIN)/python ] || [ ! -d .saldo/cluster ] || $(CLUSTERED) reset
	@[ ! -x $(BIN)/python ] || $(SALDO) reset

status: ## Show the processes
	@[ -x $(BIN)/python ] || { echo "Nothing is installed yet: make up"; exit 1; }
	@$(SALDO) status

cluster: install ## Start a cluster on this machine: its nodes twice and thrice, two of each process
	@$(CLUSTERED) up $(ARGS)

cluster-down: ## Stop the cluster; the data stays
	@[ ! -x $(BIN)/python ] || $(CLUSTERED) down

cluster-reset: ## Stop the cluster and delete its data
	@[ ! -x $(BIN)/python ] || $(CLUSTERED) reset

cluster-status: ## Show the processes of the cluster, and who leads
	@[ -x $(BIN)/python ] || { echo "Nothing is installed yet: make cluster"; exit 1; }
	@$(CLUSTERED) status

cluster-stop: ## Stop machines or processes of the cluster for good (NODE="pg-1 mq-2", KILL=1)
	@$(CLUSTERED) stop $(NODE) $(if $(KILL),--kill)

cluster-start: ## Start them again (NODE=pg-1)
	@$(CLUSTERED) start $(NODE)

env: ## Print the settings as shell variables: eval "$(make -s env)"
	@[ -x $(BIN)/python ] || { echo "Nothing is installed yet: make up" >&2; exit 2; }
	@$(SALDO) env

test: browser ## Run all tests, against real nodes and in a real browser (WORKERS=1: on one core; WHOLE=1: all combinations)
	$(if $(WHOLE),SALDO_TEST_WHOLE=1 SALDO_TEST_ALL_BUGS=1 SALDO_TEST_INJECTORS=all )$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=10

unit: venv ## Run the tests that need no node
	$(BIN)/python -m pytest tests/unit

check: venv ## Check style, types, layers and that generated contracts are current
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(CHECKS)

check-types:
	$(BIN)/mypy

check-style:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-layers:
	$(BIN)/lint-imports

check-generated:
	$(BIN)/python -m shared.contracts --check
	$(BIN)/python -m gateway.openapi_file --check
	$(BIN)/python -m tests.security.asvs --check

check-audit:
	$(BIN)/python -m tests.audit

audit: venv ## Fail where a locked package has a known hole (SALDO_AUDIT=required, offline)
	$(BIN)/python -m tests.audit

bench: install ## Measure the ledger and the bus, each beside its reference
	$(BIN)/python -m tests.bench

restore-drill: venv ## Restore the latest backup into a scratch server, and prove it (DATA=, KEYS=, ARGS=)
	@$(BIN)/python -m deploy.restore_drill --data $(or $(DATA),/backup/data) \
		$(if $(KEYS),--keys $(KEYS),--without-keys) $(ARGS)

faults: install ## Break an installation under load, and judge it (MINUTES=10 SEED=, ONLY=, REPLAY=, BOOKS=2, BUGS=1, CLUSTER=1, ON=)
	@$(if $(filter tests,$(CLUSTER)),SALDO_TEST_CLUSTER=1 $(BIN)/python -m pytest tests/faults/cluster, \
		$(BIN)/python -m tests.faults $(if $(BUGS),bugs,--minutes $(or $(MINUTES),10) \
		$(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY)) $(if $(REPLAY),--replay $(REPLAY)) \
		$(if $(BOOKS),--books $(BOOKS)) $(if $(ON),--on $(ON),$(if $(filter machines,$(CLUSTER)),--machines,$(if $(CLUSTER),--cluster)))))

upgrade: install ## Roll this version out over an older commit while payers pay (FROM=commit, CLUSTER=1: on a cluster)
	SALDO_TEST_UPGRADE=$(if $(CLUSTER),cluster,1) $(if $(FROM),SALDO_UPGRADE_FROM=$(FROM)) \
		$(BIN)/python -m pytest tests/faults/test_rolling_upgrade.py

mutation: venv ## Mutate the modules of money, and count what the tests notice
	$(BIN)/python -m tests.mutation

format: venv ## Put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

contracts: venv ## Regenerate the descriptions of events and API, and the table of ASVS
	$(BIN)/python -m shared.contracts
	$(BIN)/python -m gateway.openapi_file
	$(BIN)/python -m tests.security.asvs

styleguide: venv ## Build the page of all components of the cabinet, and print its address
	@$(BIN)/python -W ignore -m gateway.cabinet.styleguide

letters: venv ## Write every letter in both languages, and print where to look at them
	@$(BIN)/python -W ignore -m services.cli notifications preview --all --folder .saldo/letters

pictures: browser ## Take the pictures of the instruction and of the README anew
	SALDO_TEST_PICTURES=take $(BIN)/python -m pytest tests/browser/test_pictures.py -k pictures_show -q

lock: ## Regenerate requirements.lock (needs uv)
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--python-version 3.11 --extra dev pyproject.toml -o requirements.lock

release: venv ## Tag VERSION=1.2.3, build its wheel and its image
	$(BIN)/python -m deploy.release $(VERSION)

dist: venv ## Build wheel and image of the version that is checked out
	$(BIN)/python -m deploy.release --build-only

install: ## Install what is missing, without starting anything
	@$(PYTHON) deploy/embedded/install.py

browser: ## Install what is missing, with Chromium for the browser tests
	@$(PYTHON) deploy/embedded/install.py --with-browser

venv:
	@$(PYTHON) deploy/embedded/install.py --venv-only
