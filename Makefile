PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ROOMS := actors billing_core controller pc_daemon schemas
WORKERS ?= $(shell $(PYTHON) -c "import os; print(os.cpu_count() or 1)")

.PHONY: demo test test-faults soak check format lock clean

demo: $(STAMP)
	$(BIN)/clubctl demo

test: $(STAMP)
	.ci/install-servers
	# The suite starts hundreds of our own processes; none of them should compile us again.
	$(BIN)/python -m compileall -q $(ROOMS)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder \
		--durations 15 --durations-min 5 -m "not faults"

# The rows of docs/durability.md with real processes; the figures go to build/faults.jsonl, one JSON
# object a row. Backups, lost disks and the archive's kills are in `make test`.
test-faults: $(STAMP)
	.ci/install-servers
	FAULTS_SESSIONS=$${FAULTS_SESSIONS:-200} FAULTS_REPORT=build/faults.jsonl \
		$(BIN)/python -m pytest tests/faults tests/integration/test_host_faults.py

# Simulated chains under random faults, on all cores; a failing seed says how to play it again.
soak: $(STAMP)
	$(BIN)/clubctl sim soak --seeds $${SOAK_SEEDS:-10000}

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 -p pc_daemon
	$(BIN)/mypy --platform win32 tests/windows/*.py
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The lock carries hashes and no index address, so it installs from any mirror.
lock:
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
		-o requirements.lock

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $(STAMP)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
