# The Procfile's commands, and ours, are those of .venv.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help run test test-long coverage test-servers test-poolers fuzz bench bench-memory bench-lock flames chaos pictures lint audit lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

# Ctrl-C ends a program that Python still imports, as it ends any other: without a traceback. `nohup` may ignore it.
QUIET = from signal import *; getsignal(SIGINT) is default_int_handler and signal(SIGINT, SIG_DFL)
START = import runpy; runpy.run_module('tasks.cli.run', run_name='__main__', alter_sys=True)

run: .venv/installed .env ## Set up and start everything; Ctrl-C stops it
	@exec python -c "$(QUIET); $(START)"

# A test that waits for processes leaves a third of a core idle, so three at a time keep two cores busy; those of a
# file stay together, and the files in their order, because the long ones come first.
PYTEST = pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

test: .venv/developed ## Run the tests, but the long ones
	$(PYTEST)

test-long: .venv/developed ## Run those that live through outages, deploys and thousands of payments; a quarter of an hour
	$(PYTEST) -m long

# Of both kinds; others take a cluster, a machine or an image.
BOTH = -m "not cluster and not deployment"

# What a test kills writes nothing down; the rest of the table is what no test reaches.
coverage: .venv/developed ## Run all of them and print which lines of the product they do not reach
	coverage erase
	coverage run -m $(PYTEST) $(BOTH)
	@coverage combine --quiet
	coverage report

# The tests that run RabbitMQ have it in their names; to all others its version makes no difference. OWN is empty
# where `make test` has just run them on the machine's own.
OWN = own
test-servers: .venv/developed ## Run the tests of RabbitMQ on RabbitMQ 4, on the machine's own, and on a cluster
	@if python -m tests.services; then four=4; else echo "Going on with the machine's own RabbitMQ."; fi; code=0; \
	for version in $$four $(OWN); do \
		echo "On one node of RabbitMQ ($$version):"; \
		TEST_RABBITMQ=$$version $(PYTEST) tests/integration tests/acceptance $(BOTH) -k rabbitmq || code=1; \
	done; \
	echo "On a cluster of RabbitMQ ($${four:-own}):"; \
	TEST_RABBITMQ=$${four:-own} pytest tests/acceptance -m cluster || code=1; \
	exit $$code

test-deployments: .venv/developed ## Deploy as the pages say, on machines and images of their own, and all at its narrowest
	$(PYTEST) tests/acceptance -m deployment

# Those that use PostgreSQL have it in their names. A pooler refuses what it does not know, or drops it.
test-poolers: .venv/developed ## Run the tests of PostgreSQL through PgBouncer
	@code=0; for pooler in strict ignoring; do echo "Through PgBouncer ($$pooler):"; \
		TEST_DATABASE_POOLER=$$pooler $(PYTEST) tests/integration $(BOTH) -k PostgreSQL || code=1; \
	done; exit $$code

fuzz: .venv/developed ## Send a million odd requests; CASES=1000 SEED=7 for others
	python -m tests.fuzz $(or $(CASES),1000000) $(or $(SEED),1)

# ONLY picks scenarios, as in `make bench ROUNDS=2 SECONDS=5 ONLY=door`.
bench: .venv/developed ## Measure ours beside what a merchant would use instead; an hour and a half
	python -m benchmarks --rounds $(or $(ROUNDS),5) --seconds $(or $(SECONDS),10) --only "$(ONLY)"

bench-memory: .venv/developed ## Print memory over a million deliveries; DELIVERIES=50000 for fewer
	python -m benchmarks.endurance $(DELIVERIES)

flames: .venv/developed ## Draw where receiver and worker spend their time
	pip install --quiet --require-hashes -r benchmarks/requirements.txt
	python -m benchmarks.flames

chaos: .venv/developed ## Break everything, on servers of its own, and count what was lost; an hour
	python -m tests.chaos $(CHAOS)

pictures: .venv/developed ## Draw the docs' pictures anew; needs Chromium and Prometheus
	python -m tests.pictures

# Whether the reference names every setting, command, metric, answer and event type.
REFERENCE = $(addprefix tests/unit/test_,reference_docs.py command_docs.py event_type_docs.py connect_docs.py payload_docs.py)
# Passwords of examples and of servers that only tests start are no secrets; hashes are not scanned.
lint: .venv/developed ## Check style, types and the boundaries between modules, and look for secrets
	ruff check
	ruff format --check
	mypy
	lint-imports
	pytest --quiet $(REFERENCE)
	@git ls-files -z ':!*requirements*.txt' | xargs -0 detect-secrets-hook \
		--exclude-secrets '^(guest|pass|password|secrets?|hidden|coinflow_test|whsec_|NOTIFY_URL_CRM)$$'

audit: .venv/developed ## Look up known vulnerabilities of what is deployed; needs the internet
	@pip install --quiet uv
	uv tool run pip-audit@2.10.1 --strict --require-hashes --disable-pip --requirement requirements-telemetry.txt

LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" $(UPGRADE) pyproject.toml

lock: .venv/developed ## Recompile requirements*.txt; UPGRADE=--upgrade takes the newest versions
	pip install --quiet uv
	$(LOCK) --output-file requirements.txt
	$(LOCK) --constraint requirements.txt --all-extras --output-file requirements-telemetry.txt
	$(LOCK) --constraint requirements-telemetry.txt --all-extras --group dev --output-file requirements-dev.txt

BENCH_LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make bench-lock" $(UPGRADE) requirements.in --output-file requirements.txt

bench-lock: .venv/developed ## Recompile what the benchmark and its peers are built from
	pip install --quiet uv
	for folder in . peers/fastapi_celery peers/django_celery; do (cd benchmarks/$$folder && $(BENCH_LOCK)) || exit 1; done
	for peer in express_amqplib express_bullmq; do npm install --prefix benchmarks/peers/$$peer --package-lock-only \
		--omit-lockfile-registry-resolved --no-audit --no-fund || exit 1; done

clean: ## Remove what was built; .env and the state under var/ stay
	rm -rf .venv build *.egg-info .*_cache .hypothesis
	find receiver tasks tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} +

.env:
	umask 077; cp .env.example .env

# What production needs and no more, so that what is missing there is missed here.
.venv/installed: requirements.txt
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
		if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
		then echo "Setting up .venv with $$($$python --version); the first time takes half a minute."; exec $$python -m venv .venv; fi; \
	done; \
	echo "No Python 3.11 or newer with its venv module was found. Install one (on Debian and Ubuntu:" \
		"python3 and python3-venv), or name it: make PYTHON=/path/to/python3" >&2; exit 1
	python -m pip install --quiet --require-hashes -r requirements.txt
	@ln -sf ../../bin/coinflowctl .venv/bin/coinflowctl
	@touch $@

.venv/developed: .venv/installed requirements-dev.txt
	python -m pip install --quiet --require-hashes -r requirements-dev.txt
	@touch $@
