# Needs make and Python 3.11-3.13; everything else is installed into .venv.

PYTHON ?= python3
# A PYTHON that was asked for is the only one tried.
PYTHONS = $(if $(filter file,$(origin PYTHON)),$(PYTHON) python3.13 python3.12 python3.11,$(PYTHON))
VENV = .venv
BIN = $(VENV)/bin
PYTEST_ARGS ?=
# Set by targets that run the tests in another environment: the file of versions to install, and which tests.
CONSTRAINTS =
TESTS =
# What Keras runs on: an extra of setup.cfg.
BACKEND = tensorflow

# TensorFlow reads both as it is imported: keep XLA's buffers between calls, and log no warnings. Without a GPU it
# logs the missing one and slow compilations as errors; errors that stop it are exceptions, too.
export TF_CPU_ALLOCATOR_USE_BFC ?= 1
export TF_CPP_MIN_LOG_LEVEL ?= $(if $(wildcard /dev/nvidia* /dev/kfd /dev/dxg),2,3)
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL = help
.NOTPARALLEL:
.PHONY: help demo test test-all test-oldest test-newest test-jax faults docs tutorials check format bench release clean distclean FORCE

help:
	@echo 'make demo       train an RNN-RBM on music and write a page that plays it to runs/demo'
	@echo 'make test       run the tests            (PYTEST_ARGS="-m \"not slow\" -k rbm")'
	@echo 'make test-all   the same, and those that take longest'
	@echo 'make test-oldest  the contracts alone, with python3.11 and the lowest versions that setup.cfg allows'
	@echo 'make test-newest  the same tests with python3.13'
	@echo 'make test-jax   the tests of layers, heads, energies, sound and metrics on JAX, without TensorFlow'
	@echo 'make faults     try damaged files, full disks and killed processes, for hours (PYTEST_ARGS="-k readers")'
	@echo 'make docs       build the site into site/, strictly, and test it'
	@echo 'make tutorials  execute the notebooks of docs/tutorials in place'
	@echo 'make check      formatter, linter and type checkers; changes nothing'
	@echo 'make format     apply the formatter and the fixes the linter is sure of'
	@echo 'make bench      time layers and samplers (installs torch and scikit-learn)'
	@echo 'make release    build the distributions into dist/ and try them in empty environments'
	@echo 'make clean      remove caches and build files'
	@echo 'make distclean  the same, $(VENV) and $(OTHERS); runs/ is yours and stays'
	@echo
	@echo 'Each installs what it needs into $(VENV) first. Another Python: make test PYTHON=python3.12'

demo: $(VENV)/.plot
	$(BIN)/python examples/music_rnn_rbm.py --out runs/demo --overwrite

# Each test file runs in one process: its tests share what is slow to make. tests/conftest.py has the order. Three
# processes on two cores: with more, all of it takes longer; with fewer, each keeps more of what XLA compiled, and grows.
test: $(VENV)/.test
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(TESTS) $(PYTEST_ARGS)

# With the tests that are marked `long`, too.
test-all:
	SEQLAYERS_TESTS=all $(MAKE) test

# Other environments: the same rules with another folder, in which Python and what is installed differ. A PYTHON that
# was asked for is taken here, too.
OTHERS = .venv-oldest .venv-newest .venv-jax
other_python = $(if $(filter file,$(origin PYTHON)),$(1),$(PYTHON))

# What each member of a folder promises, what files hold and what leaves the process: where versions of Keras and
# TensorFlow differ, it shows there.
CONTRACTS = tests/layers/contract tests/heads/test_contract.py tests/models/test_contract.py tests/runs \
    $(foreach name,export goldens imports loading package registration sampling,tests/test_$(name).py)

test-oldest:
	$(MAKE) test VENV=.venv-oldest PYTHON=$(call other_python,python3.11) \
	    CONSTRAINTS=tests/oldest.txt TESTS='$(CONTRACTS)'

test-newest:
	$(MAKE) test VENV=.venv-newest PYTHON=$(call other_python,python3.13)

# Which rooms run on JAX stands in tests/conftest.py.
test-jax:
	KERAS_BACKEND=jax $(MAKE) test VENV=.venv-jax BACKEND=jax

# The suites that `make test` runs with few tries, with many. One after the other: some measure memory and time.
faults: $(VENV)/.test
	SEQLAYERS_TESTS=all SEQLAYERS_FAULTS=long $(BIN)/python -m pytest tests/faults $(PYTEST_ARGS)

# A warning ends the build. Nothing is fetched. The variable silences advice of the theme on its successor.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
	SEQLAYERS_TESTS=all SEQLAYERS_SITE=site $(BIN)/python -m pytest tests/docs tests/test_package.py $(PYTEST_ARGS)
	@echo 'The site is built: open site/index.html, or put site/ on any web server.'

tutorials: $(VENV)/.docs
	SEQLAYERS_QUICK=0 $(BIN)/python docs/tools/execute.py

check: $(VENV)/.dev
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	PYTHONPATH="$(CURDIR)" $(BIN)/python -m basedpyright -p tests/as_a_user --pythonpath $(BIN)/python

format: $(VENV)/.dev
	$(BIN)/python -m ruff format .
	$(BIN)/python -m ruff check --fix .

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/speed.py

# RELEASING.md has what comes before and after.
release: $(VENV)/.release
	$(BIN)/python tools/release.py

clean:
	rm -rf build dist site *.egg-info .hypothesis .pytest_cache .ruff_cache .mypy_cache
	find . -path './.venv*' -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) $(OTHERS)

# One stamp for each extra that is installed. `dev` and `docs` hold `test`, which holds `plot`.
# .installing outlives only an installation that was killed.
$(VENV)/.plot $(VENV)/.test $(VENV)/.docs $(VENV)/.dev $(VENV)/.bench $(VENV)/.release: $(VENV)/.%: $(VENV)/.made setup.cfg pyproject.toml $(CONSTRAINTS)
	@touch $(VENV)/.installing
	$(BIN)/python -m pip install --quiet $(CONSTRAINTS:%=--constraint %) --editable '.[$(BACKEND),$*]' || { rm -f $(VENV)/.installing; exit 1; }
	@rm -f $(VENV)/.installing
	@case $* in dev|docs) touch $(VENV)/.plot $(VENV)/.test ;; test) touch $(VENV)/.plot ;; esac
	@touch $@

# Looked at on every run; touched, and so its extras installed again, only when the environment is made anew or
# somebody else's is taken over.
IN_RANGE = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
$(VENV)/.made: FORCE
	@if [ ! -e $(VENV)/.installing ] && $(BIN)/python -c 'import pip._internal; $(IN_RANGE)' 2>/dev/null; then \
	    [ ! -e $@ ] || exit 0; \
	    if $(BIN)/python -m pip --version >/dev/null 2>&1; then touch $@; exit; fi; \
	fi; \
	for python in $(PYTHONS); do \
	    if "$$python" -c 'import ensurepip, venv; $(IN_RANGE)' 2>/dev/null; then \
	        echo "making $(VENV) with $$python" && rm -rf $(VENV) && "$$python" -m venv $(VENV) && touch $@; exit; \
	    fi; \
	done; \
	echo 'seqlayers needs Python 3.11, 3.12 or 3.13 with its venv module. None found among: $(PYTHONS).' >&2; \
	echo 'Install one (Debian, Ubuntu: apt install python3 python3-venv) or name it: make <target> PYTHON=/path/to/python3' >&2; \
	exit 1

FORCE:
