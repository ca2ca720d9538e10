# `make demo` and `make test` do all their own set-up; `make` says what else there is.
#
# Another Python wants another environment beside the first:
#     make test PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help demo test notebooks docs stress bench lint format wheel site-runtime \
    explorer-site browser clean

help:
	@echo "make demo           train a VAE on letters into runs/letters"
	@echo "make test           check style, then run all tests"
	@echo "make notebooks      run the notebooks and store what they show"
	@echo "make docs           build the site into site/"
	@echo "make bench          time training and log p(x) beside other packages"
	@echo "make stress         kill, damage and fill disks for about half an hour"
	@echo "make lint           check style only"
	@echo "make format         mend what of the style can be mended by a program"
	@echo "make wheel          build a wheel into dist/"
	@echo "make site-runtime   fetch LiteRT.js by npm, for keras-vae explore --site"
	@echo "make explorer-site  the explorer of runs/letters as a page, for make docs"
	@echo "make browser        install a Chromium that tests the explorer, where apt-get is"
	@echo "make clean          remove all that make made, except runs/"

demo: $(VENV)/installed
	$(BIN)/keras-vae train --dataset letters --hidden-units 512,256 --batch-size 256 \
	    --learning-rate 0.002 --epochs 30 --output runs/letters --overwrite

# As many as cores. Each takes up to 6 GB: with more of both, make test PROCESSES=8
PROCESSES ?= 2
test: lint
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --no-loadscope-reorder \
	    --durations 30

# Strictly: a link, an anchor or a name that leads nowhere ends it.
docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# The moments follow from the seed: make stress SEED=1
SEED ?= 0
stress: $(VENV)/installed-test
	$(BIN)/python -m tests.stress --kills 50 --interrupts 20 --damaged 200 \
	    --full-disks 40 --seed $(SEED)

# All of them, or one: make notebooks NOTEBOOK=01_quickstart
notebooks: $(VENV)/installed-test
	$(BIN)/python notebooks/make.py $(NOTEBOOK)

# With the peers that are compared, in an environment of its own.
bench:
	$(MAKE) VENV=.venv-bench .venv-bench/installed-bench
	.venv-bench/bin/python -m benchmarks.speed

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# setuptools would pack what an earlier build left behind.
wheel: $(VENV)/installed
	rm -rf build dist
	$(BIN)/python -m pip wheel --no-deps --wheel-dir dist .

# LiteRT.js, which computes in the page that keras-vae explore --site writes.
site-runtime:
	npm install --no-audit --no-fund --prefix site-runtime @litertjs/core@2.5.3

explorer-site: site-runtime
	test -d runs/letters || $(MAKE) demo
	$(BIN)/keras-vae explore runs/letters --site explorer-site

# Without one the explorer's tests are skipped.
browser:
	@command -v chromium chromium-browser google-chrome || \
	    { apt-get update && apt-get install --yes chromium; }

clean:
	rm -rf $(VENV) build dist site explorer-site *.egg-info .hypothesis .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written when an installation is complete, so that the next call installs
# nothing and an interrupted one is repeated. The package is installed in editable form:
# only a change of these files asks for a new installation.
PACKAGING := setup.cfg setup.py pyproject.toml

# compat: as a folder on Python's path. Found by a hook instead, the package would be
# hidden by the folder of the checkout, if that is called keras_vae too, from where one
# sees it.
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check \
    --config-settings editable_mode=compat --editable

$(VENV)/created:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { \
	    echo "keras_vae needs Python 3.11 or newer, and $(PYTHON) is: "`$(PYTHON) --version 2>&1`; \
	    echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12"; \
	    exit 1; } >&2
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/created $(PACKAGING)
	$(INSTALL) ".[tflite]"
	@touch $@

$(VENV)/installed-test: $(VENV)/created $(PACKAGING)
	$(INSTALL) ".[test]"
	@touch $@ $(VENV)/installed

$(VENV)/installed-docs: $(VENV)/created $(PACKAGING)
	$(INSTALL) ".[docs]"
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed benchmarks/requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check \
	    --requirement benchmarks/requirements.txt
	@touch $@
