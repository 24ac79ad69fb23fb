# Everything below makes its own set-up: a virtual environment with the pinned dependencies.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run test install lint bench soak clean

run: install
	@$(BIN)/shequn run

# Coverage is counted in the same run; tests/with-postgres starts a PostgreSQL if it is there.
# Two at once, a file always in one process, the long ones (acceptance) first: many tests wait for
# programs, not for this one.
test: install lint
	@tests/with-postgres $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not soak" --cov --cov-report=term:skip-covered

soak: install
	@tests/with-postgres $(BIN)/python -m pytest -m soak -s

bench: install
	@$(BIN)/python tests/benchmarks/bench.py

lint: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Shequn needs Python 3.11 or later")'
	@echo "Installing into $(VENV): about a minute, once …"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev --editable .
	@touch $(STAMP)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
