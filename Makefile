# Raphus: everything there is to run. Needs Python 3.11 or later, make and git; takes uv where it is.

VENV := .venv
BIN := $(VENV)/bin
PACKAGES := domain ledger projections workflows api cli postgres telemetry simulator migrations dodo \
	reconciliation console
CODE := $(PACKAGES) tests windmill

# PYTHON=/path/to/python3 makes the environment with that one; else the first that is new enough.
CANDIDATES := $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python)
# Tests wait for some of their time: with a fifth worker two cores are not idle meanwhile.
WORKERS ?= 5
# The rules without I/O, and a slice of what PostgreSQL and HTTP do with them.
FAST := tests/unit $(addprefix tests/integration/,$(addsuffix .py,\
	api/test_explain api/test_reads cli/test_offline_queries ledger/test_ledger ledger/test_recorder \
	ledger/test_verification simulator/test_player_over_http windmill/test_docs \
	windmill/test_documented windmill/test_scripts))
ARGS ?=
# Tests start the same code in hundreds of processes, which would compile it anew each time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo serve test test-fast check format bench docs lock hooks clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed ## start the database and the server, play a simulated merchant, stay up
	@$(BIN)/raphus demo $(ARGS)

serve: $(VENV)/.installed ## start the server for real use; settings come from the environment
	@$(BIN)/raphus serve $(ARGS)

test: $(VENV)/.installed-dev ## run the tests; ARGS="-k refund" to choose, WORKERS=1 to debug
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-fast: $(VENV)/.installed-dev ## run a selection of them that takes about a minute
	@$(BIN)/pytest -n auto --dist worksteal --hypothesis-profile=fast $(FAST) $(ARGS)

check: $(VENV)/.installed-dev ## lint, formatting and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(CODE)

format: $(VENV)/.installed-dev ## format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: $(VENV)/.installed-dev ## measure the targets of docs/performance.md
	@$(BIN)/python -m tests.benchmarks $(ARGS)

docs: $(VENV)/.installed ## render docs/state-machines.md from the tables
	@$(BIN)/raphus docs --write

lock: ## pin every dependency with its hashes (needs uv); ARGS=--upgrade for newer versions
	@command -v uv >/dev/null || { echo "make lock needs uv on the PATH." >&2; exit 1; }
	$(LOCK) --group install --output-file requirements.txt
	$(LOCK) --group dev --constraints requirements.txt --output-file requirements-dev.txt

hooks: $(VENV)/.installed-dev ## run the quick checks before each commit
	@$(BIN)/pre-commit install

clean: ## remove the environment, caches and built files (no data)
	rm -rf $(VENV) dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find $(CODE) -type d -name __pycache__ -prune -exec rm -rf {} +

LOCK = uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(ARGS)

# The environment is made once, and filled again when a lock or pyproject.toml changes.
$(VENV)/.installed: requirements.txt pyproject.toml $(BIN)/python
	$(call install,requirements.txt)
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements.txt pyproject.toml $(BIN)/python
	$(call install,requirements-dev.txt)
	@touch $(VENV)/.installed $@

define install
@echo "Installing $(1) into $(VENV)" >&2; \
if command -v uv >/dev/null; then \
    pip="uv pip"; to="--python $(BIN)/python"; \
else \
    pip="$(BIN)/python -m pip --disable-pip-version-check"; to=; \
    $$pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; \
fi; \
$$pip install $$to --quiet --require-hashes -r $(1) && \
$$pip install $$to --quiet --no-deps --no-build-isolation --no-index --editable .
endef

$(BIN)/python:
	@python=; for candidate in $(CANDIDATES); do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        python=$$candidate; break; \
	    fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "Raphus needs Python 3.11 or later, and none of these is: $(CANDIDATES)" >&2; \
	    echo "Install it, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	fi; \
	rm -rf $(VENV); \
	if command -v uv >/dev/null; then \
	    uv venv --quiet --python "$$python" $(VENV); \
	elif "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	    "$$python" -m venv $(VENV); \
	else \
	    echo "$$python has no venv module: install it (Debian: python3-venv), or uv." >&2; \
	    exit 1; \
	fi
