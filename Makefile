# Everything here sets up what it needs: Python 3.11 or newer with venv, make and git are enough.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
ANJU := $(VENV)/bin/anju

.PHONY: demo test test-slow laws api-laws coverage chaos fuzz check format hooks site bench brokers prose roles sbom audit lock clean
.DEFAULT_GOAL := help

help:
	@echo "make demo       a whole community on this machine, with live alerts (stop it with Ctrl-C)"
	@echo "make test       the tests for every change, on a real database and a real broker (eight minutes)"
	@echo "make test-slow  the slow tests, the recorded meters, and every law with all of its examples (nine minutes)"
	@echo "make laws       every law of the tests without servers with ten times its examples (most of an hour)"
	@echo "make api-laws   Schemathesis over the API, 500 requests to every operation (a quarter of an hour)"
	@echo "make coverage   the share of the code that the tests without servers run, which may not fall (a minute)"
	@echo "make chaos      every fault, with a table of what became of the messages (most of an hour)"
	@echo "make check      format, lint, types, import layers, rules, migrations, spelling, the site"
	@echo "make format     what ruff can put right by itself"
	@echo "make site       the documentation as a site, English and Chinese, into site/"
	@echo "make hooks      the quick checks before each commit"
	@echo "make fuzz       hunts for messages that break the decoder (a minute; Linux on amd64)"
	@echo "make bench      the measurements of docs/performance.md (FULL=1 for full size)"
	@echo "make brokers    NATS, Mosquitto and RabbitMQ side by side, into docs/operations.md (FULL=1: an hour)"
	@echo "make prose      how docstrings and comments read, by file, worst first (FILES=\"rules ingest/worker.py\")"
	@echo "make roles      what each role may do, by the code, into docs/roles.md"
	@echo "make sbom       the list of all packages of the lock, in CycloneDX's format, into dist/"
	@echo "make audit      known vulnerabilities of the packages of the lock (asks PyPI)"
	@echo "make lock       resolve the dependency ranges of pyproject.toml anew"
	@echo "make clean      remove what the other targets made in this folder"

# The tests start a thousand processes of Python. Where the environment forbids bytecode files each of them would compile
# all of its modules again, which doubles the CPU time of a run.
unexport PYTHONDONTWRITEBYTECODE

# urllib3-future, which niquests brings, would install itself in the place of urllib3, against the hashes of the lock, with a
# hook in every start of Python. Built from its source with this variable it stays beside it.
SYNC := URLLIB3_NO_OVERRIDE=true VIRTUAL_ENV=$(CURDIR)/$(VENV) $(VENV)/bin/uv pip sync --quiet --require-hashes \
  --no-binary urllib3-future --reinstall-package urllib3-future --reinstall-package urllib3 --compile-bytecode

$(READY): requirements.lock pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Anju needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 ..."; exit 1; }
	@echo "==> Python environment in $(VENV)"
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv module is missing. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.7'
	@$(SYNC) requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(VENV)/bin/uv pip install --quiet --no-deps --editable .
	@touch $@

demo: $(READY)
	@$(ANJU) up --demo

# Six workers, because tests of servers wait much. Files that share an expensive fixture run in one of them (GROUPS in
# tests/conftest.py).
PYTEST_ARGUMENTS := -m pytest --durations 20
PYTEST := $(VENV)/bin/python $(PYTEST_ARGUMENTS) --numprocesses 6

# A part of them: make test TESTS=tests/integration/api
test: $(READY)
	@$(PYTEST) $(TESTS) -m "not slow and not recorded_data and not chaos" --hypothesis-profile quick

# A law runs in both: here with all of its examples.
test-slow: $(READY)
	@$(PYTEST) -m "(slow or recorded_data or hypothesis) and not chaos" --hypothesis-profile full

# The hunt for examples that no run has drawn yet: make laws LAWS="-k notify"
laws: $(READY)
	@$(PYTEST) tests/unit -m hypothesis --hypothesis-profile thorough $(LAWS)

# A part of it: make api-laws LAWS="-k silences"
api-laws: $(READY)
	@$(PYTEST) tests/integration/api/test_api_schema.py --hypothesis-profile thorough $(LAWS)

# Of the tests without servers: the same figure on every machine. They wait for nothing, so a worker for each core will do.
coverage: $(READY)
	@$(VENV)/bin/coverage erase
	@$(VENV)/bin/coverage run $(PYTEST_ARGUMENTS) --numprocesses auto tests/unit tests/architecture -m "not recorded_data" --hypothesis-profile quick
	@$(VENV)/bin/coverage combine --quiet
	@$(VENV)/bin/coverage report

# Smaller, or again: make chaos CHAOS="--chaos-seconds 60 --chaos-backlog 50000 --randomly-seed=42"
# A flood of a minute, not 3 GiB and 10 million readings: make chaos CHAOS="-k flood --chaos-flood-mib 20 --chaos-flood-readings 60000"
# The table of docs/operations.md: make chaos CHAOS="--chaos-page docs/operations.md"
chaos: $(READY)
	@$(VENV)/bin/python -m pytest tests/chaos -m "" --randomly-dont-reorganize $(CHAOS)

check: $(READY)
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/mypy tests/helpers
	@$(VENV)/bin/lint-imports
	@$(ANJU) rules check
	@$(VENV)/bin/squawk store/migrations/*.sql
	@$(VENV)/bin/typos
	@$(VENV)/bin/python -m tools.site

format: $(READY)
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

# The matrix of roles in docs/roles.md.
roles: $(READY)
	@$(VENV)/bin/python -m tools.roles

site: $(READY)
	@$(VENV)/bin/python -m tools.site

hooks: $(READY)
	@$(VENV)/bin/prek install

# An hour, going on from what the last run learned: make fuzz FUZZ="--seconds 3600 --corpus ~/anju-corpus"
fuzz: $(READY)
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(VENV)/bin/uv pip install --quiet --requirements pyproject.toml --extra fuzz
	@$(VENV)/bin/python tests/fuzz/fuzz_decoder.py $(FUZZ)

bench: $(READY)
	@$(VENV)/bin/python -m benchmarks $(if $(FULL),--full)

brokers: $(READY)
	@$(VENV)/bin/python -m benchmarks.brokers --write $(if $(FULL),--full)

prose: $(READY)
	@$(VENV)/bin/python -m tools.prose $(FILES)

# Every package of the lock with its hashes, for the release: dist/anju.cdx.json in CycloneDX's format.
sbom: $(READY)
	@mkdir -p dist
	@$(VENV)/bin/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements.lock \
	  --pyproject pyproject.toml --output-reproducible --of JSON --output-file dist/anju.cdx.json

# Known vulnerabilities of the packages of the lock, by PyPI's advisories.
audit: $(READY)
	@$(VENV)/bin/uv tool run --quiet --from pip-audit==2.10.1 pip-audit --requirement requirements.lock --require-hashes \
	  --disable-pip --strict

lock:
	@test -x $(VENV)/bin/uv || { $(PYTHON) -m venv $(VENV) && $(VENV)/bin/python -m pip install --quiet 'uv>=0.7'; }
	@$(VENV)/bin/uv pip compile pyproject.toml --extra dev --extra bench --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --upgrade --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV) site .anju .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
