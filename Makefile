# The commands of this project. A machine needs python3 (3.11 or newer) and make; the rest is
# installed into .venv, once. `make train` and `make test` are the two to know.

PYTHON ?= python3
VENV   ?= .venv
PEERS  ?= .venv-peers
PY      = $(VENV)/bin/python
READY   = $(VENV)/.installed
# PyTorch's default build for Linux carries GPU libraries; a CPU build of the same version will do.
PEER_PACKAGES ?= torch==2.13.0 jax autograd mygrad scikit-learn

.DEFAULT_GOAL := help
.PHONY: help install train lecture test thorough bench peers docs clean

help:
	@echo "make train     install, train a network on handwritten digits, draw its curves"
	@echo "make lecture   draw the figures of the lecture into out/lecture"
	@echo "make test      install, check format, lint, types, docstring examples; run all tests"
	@echo "make thorough  the tests again with many more random cases each"
	@echo "make bench     reverse mode against finite differences; tape overhead; kernels"
	@echo "make peers     install the other libraries next to ours and race them"
	@echo "make docs      write docs/ops.md from the registry of operations"
	@echo "make clean     remove the environments and everything generated"

train: $(READY)
	$(PY) examples/train.py $(ARGS)

lecture: $(READY)
	$(PY) examples/lecture/all.py $(ARGS)

test: $(READY)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(PY) -m pytest -n auto --dist worksteal --doctest-modules autograd_core nn optim benchmarks/harness.py tests

thorough: $(READY)
	HYPOTHESIS_PROFILE=thorough $(PY) -m pytest tests

bench: $(READY)
	$(PY) -m benchmarks.finite_differences
	$(PY) -m benchmarks.overhead
	$(PY) -m benchmarks.kernels

peers: $(PEERS)/.installed
	$(PEERS)/bin/python -m benchmarks.peers $(ARGS)
	$(PEERS)/bin/python -m benchmarks.overhead

docs: $(READY)
	$(PY) -c "import autograd_core.catalogue as c; print(c.catalogue(), end='')" > docs/ops.md

install: $(READY)

# A stamp file remembers that the installation is complete, so later runs start at once.
$(READY): pyproject.toml
	@$(call need_python)
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(PEERS)/.installed: pyproject.toml
	@$(call need_python)
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[viz]' $(PEER_PACKAGES)
	@touch $@

define need_python
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
    echo "This project needs Python 3.11 or newer, but '$(PYTHON)' is older or missing." \
         "Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }; \
$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
    echo "This Python cannot make virtual environments." \
         "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
endef

clean:
	rm -rf $(VENV) $(PEERS) out build dist .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf *.egg-info
