# Every target sets up .venv by itself; nothing has to be activated.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help test test-slow test-long test-combinations test-kills test-storm test-tpu-compile tpu-table experiments-page parity docs lint format demo check-tpu-requirements wheel clean

PYTHON := .venv/bin/python
READY := .venv/.ready
UNFINISHED := .venv-unfinished
PIP := $(PYTHON) -m pip --disable-pip-version-check
# In the order of the files: with the fewest tests first, as xdist would have it the other way round,
# the slowest file would be left to the end, alone.
PYTEST := $(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=5

# TensorFlow's start-up notes would bury what a target has to say.
test test-slow test-long test-combinations test-kills test-storm test-tpu-compile demo: export TF_CPP_MIN_LOG_LEVEL := 3

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1	/p' Makefile | while IFS='	' read -r name text; do \
	    printf '  make %-24s %s\n' "$$name" "$$text"; \
	done

# The stamp is written last, so an interrupted set-up is begun again by the next `make`. It is begun
# from nothing: pip falls over packages that it was stopped in the middle of. UNFINISHED lies outside
# .venv, to survive an interrupted removal too.
$(READY): setup.py
	@if [ -e $(UNFINISHED) ]; then rm -rf .venv; fi
	@touch $(UNFINISHED)
	@if ! $(PYTHON) -m pip --version >/dev/null 2>&1; then \
	    found=; \
	    for candidate in python3.11 python3; do \
	        if "$$candidate" -c "$$CAN_MAKE_VENV" >/dev/null 2>&1; then found=$$candidate; break; fi; \
	    done; \
	    if [ -z "$$found" ]; then \
	        rm -f $(UNFINISHED); \
	        echo "make: found neither python3.11 nor a python3 of version 3.11 or 3.12 that can make a virtual environment (Debian: apt install python3.11-venv)" >&2; \
	        exit 2; \
	    fi; \
	    echo "creating .venv with $$("$$found" --version)"; \
	    "$$found" -m venv .venv; \
	fi
	@echo "installing keras-perceiver-ar and what its tests need into .venv (about 4 GB, some minutes)"
	@$(PIP) install -qq -e '.[dev]'
	@rm -f $(UNFINISHED)
	@touch $@

# Run, not only looked up: a pyenv shim exists for versions that are not active.
define CAN_MAKE_VENV
import ensurepip, sys, venv
sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))
endef
export CAN_MAKE_VENV

# In parts, as TensorFlow keeps what a process has once allocated: ten gigabytes in the end.
test: $(READY) ## run the tests: all on TensorFlow, those of the model also on JAX
	@echo "tests on the TensorFlow backend"
	@KERAS_BACKEND=tensorflow $(PYTEST) -m "not slow" tests/keras_perceiver_ar tests/golden
	@KERAS_BACKEND=tensorflow $(PYTEST) -m "not slow" tests/pipelines
	@KERAS_BACKEND=tensorflow $(PYTEST) -m "not slow" tests \
	    --ignore=tests/keras_perceiver_ar --ignore=tests/golden --ignore=tests/pipelines
	@echo "tests of the model on the JAX backend"
	@KERAS_BACKEND=jax $(PYTEST) -m "not slow" tests/keras_perceiver_ar tests/golden \
	    tests/pipelines/experiment

test-slow: $(READY) ## run the slow tests: replicas, signals, README, docs (a quarter of an hour)
	@KERAS_BACKEND=tensorflow $(PYTEST) -m "slow and not long" tests

test-long: $(READY) ## run what takes longest: several machines, kills, the demonstration, slow tests on JAX
	@KERAS_BACKEND=tensorflow $(PYTEST) -m long tests
	@KERAS_BACKEND=jax $(PYTEST) -m slow tests/keras_perceiver_ar tests/golden \
	    tests/pipelines/experiment

test-combinations: $(READY) ## run the model in every pair of its options, on both backends (an hour)
	@for backend in tensorflow jax; do \
	    KERAS_BACKEND=$$backend PERCEIVER_AR_COMBINATIONS=all \
	        $(PYTEST) --dist worksteal tests/keras_perceiver_ar/test_combinations.py \
	        tests/keras_perceiver_ar/generation/test_exactness.py || exit 1; \
	done

test-kills: $(READY) ## kill training, exports, and what reads batches, twenty times each (a quarter of an hour; test-slow kills less)
	@KERAS_BACKEND=tensorflow PERCEIVER_AR_KILLS=20 $(PYTEST) tests/distribution/test_kills.py \
	    tests/pipelines/data/test_order_of_processes.py tests/savedmodels/test_kills.py

# One process, as what it prints of rates and memory is what it is run for.
test-storm: $(READY) ## ask a served model 2,000 things at once (a minute; test-slow asks fewer)
	@KERAS_BACKEND=tensorflow PERCEIVER_AR_STORM=2000 $(PYTHON) -m pytest -q -s tests/serving/test_storm.py

test-tpu-compile: $(READY) ## compile tiny steps with the real TPU compiler (4 GB the first time; some minutes)
	@$(PYTHON) -m pipelines.compile_tpu.environments
	@KERAS_BACKEND=tensorflow $(PYTEST) -m tpu_compile tests/pipelines/compile_tpu

tpu-table: $(READY) ## write the table of docs/tpu.md anew, from docs/tpu.jsonl
	@$(PYTHON) -m pipelines.compile_tpu.table --records=docs/tpu.jsonl --page=docs/tpu.md

experiments-page: $(READY) ## draw docs/experiments/*.csv and write docs/experiments.md anew
	@$(PYTHON) -m pipelines.experiment.page

parity: $(READY) ## measure again how equal the model is to the original: docs/parity.md
	@$(PYTHON) -m tests.golden.parity_report

docs: export TF_CPP_MIN_LOG_LEVEL := 3
docs: export KERAS_BACKEND := tensorflow
# From the beginning each time: what was read before would not warn again.
docs: $(READY) ## build the site of docs/ and the docstrings: docs/_build/html/index.html
	@$(PYTHON) -m sphinx --fail-on-warning --fresh-env -q -d docs/_build/doctrees docs docs/_build/html
	@echo "docs/_build/html/index.html"

lint: $(READY) ## check the rules and the formatting
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .

format: $(READY) ## format the code and mend what ruff can mend by itself
	@$(PYTHON) -m ruff check --fix-only .
	@$(PYTHON) -m ruff format .

# Through the environment and `$(value …)`, so that quotes and dollars in the text stay text.
demo: export DEMO_TEXT := $(value TEXT)
demo: export DEMO_OUTPUT := $(value OUTPUT)
demo: $(READY) ## train a small model and show it at work: make demo [TEXT="…"] [OUTPUT=folder]
	@$(PYTHON) -m pipelines.demo $${DEMO_TEXT:+--text "$$DEMO_TEXT"} $${DEMO_OUTPUT:+--output "$$DEMO_OUTPUT"}

check-tpu-requirements: $(READY) ## check that the TPU requirements resolve, without `tensorflow`
	@$(PIP) install --dry-run --ignore-installed -qq --report .venv/tpu.json -r requirements-tpu.txt
	@$(PIP) install --dry-run --ignore-installed -qq --report .venv/tpu-no-deps.json \
	    --no-deps -r requirements-tpu-no-deps.txt
	@$(PYTHON) -c "$$CHECK_TPU" .venv/tpu.json .venv/tpu-no-deps.json

# `tensorflow-cpu` and its like hold the same files as `tensorflow-tpu`, so they are refused as well.
define CHECK_TPU
import json, re, sys
chosen = {}
for report in sys.argv[1:]:
    for item in json.load(open(report))["install"]:
        name = re.sub("[-_.]+", "-", item["metadata"]["name"]).lower()
        chosen[name] = item["metadata"]["version"]
print("\n".join(sorted(f"{name}=={version}" for name, version in chosen.items())))
clash = {"tensorflow", "tensorflow-cpu", "tf-nightly", "tensorflow-intel"} & set(chosen)
if clash:
    sys.exit(f"requirements-tpu: {sorted(clash)} would overwrite tensorflow-tpu")
endef
export CHECK_TPU

wheel: $(READY) ## build dist/keras_perceiver_ar-*.whl
	@rm -rf build
	@$(PIP) wheel -qq --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/*.whl

clean: ## remove .venv, caches and builds
	rm -rf .venv .venv-tpu-* $(UNFINISHED) build dist docs/_build keras_perceiver_ar.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
