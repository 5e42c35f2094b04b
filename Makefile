# `make compare` and `make test` need nothing but make and Python 3.11 to 3.13; both set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Runs at once: one a core on a CPU, so that each has a thread of its own.
JOBS ?= $(shell $(PYTHON) -c "import os; print(min(os.cpu_count() or 1, 8))")

.PHONY: setup compare test processors audit check lint types bench bench-gpu fuzz coverage mutation calibrate-quick kill-test site lock clean

setup: $(READY)

# Rebuilt only when the lock or the package list changes. uv when it is on PATH (18 s), else pip (93 s).
$(READY): requirements.lock pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
	  VIRTUAL_ENV=$(VENV) uv pip install --quiet --compile-bytecode -r requirements.lock && \
	  VIRTUAL_ENV=$(VENV) uv pip install --quiet --no-deps -e . ; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e . ; \
	fi
	@touch $(READY)

compare: $(READY)
	$(BIN)/python -m experiments.train study=losses hydra/launcher=joblib hydra.launcher.n_jobs=$(JOBS)

test: $(READY)
	$(BIN)/python -m pytest -n auto --dist worksteal

# Properties over generated inputs, 10,000 examples each: 2 hours of CPU time, in proportion to FUZZ_EXAMPLES.
FUZZ_EXAMPLES ?= 10000
fuzz: $(READY)
	HYPOTHESIS_PROFILE=fuzz FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest -n auto -m hypothesis

# The losses' tests as other processors would run them.
processors: $(READY)
	PYTHON=$(BIN)/python .ci/processors

# Branches of the losses and the statistics; the kernels once uncompiled too, as coverage cannot see into compiled code.
coverage: $(READY)
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest tests/losses tests/frontier tests/inference tests/comparison \
	  tests/evaluation/test_histogram_builder.py tests/criteria/test_build.py \
	  tests/report/checklist/test_seesaw_display.py
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m coverage run -m pytest -W ignore::RuntimeWarning \
	  tests/losses/test_loss_properties.py tests/losses/test_loops_in_threads.py
	$(BIN)/python -m coverage combine
	$(BIN)/python -m coverage report --fail-under=95

# Small changes of the losses and the statistics, each of which a test must notice; hours. MUTATE=FILE for one file,
# MUTANTS=40 for a sample of each.
MUTANTS ?= 1000
mutation: $(READY)
	$(BIN)/python tests/tools/mutants.py --at-most $(MUTANTS) $(if $(MUTATE),--only $(MUTATE))

# Error rates on simulated studies, a few hundred a row: fails where coverage below .92, or more false claims than the
# level, are shown. The whole calibration is `python -m experiments.calibrate`.
calibrate-quick: $(READY)
	$(BIN)/python -m experiments.calibrate parts=[coverage,ugly,collapse,families] out_dir=outputs/calibration_quick \
	  fail=true coverage.n_gaussian=1000 coverage.n_histogram=60 ugly.n_gaussian=500 ugly.n_histogram=60 \
	  collapse.n_studies=2000 families.n_studies=100

# A small study killed at 25 random moments and started again, in each way it can run; an hour where cores are shared.
kill-test: $(READY)
	$(BIN)/python tests/tools/killed_study.py --kills 25 --workers 0
	$(BIN)/python tests/tools/killed_study.py --kills 25 --workers 2
	$(BIN)/python tests/tools/killed_study.py --kills 25 --joblib
# Known weaknesses of the pinned versions. Fails where one is found; without a network it says so and passes.
audit:
	PYTHON=$(PYTHON) .ci/audit

# The documentation as a site, build/site/html/index.html; warnings are errors. Without a network the tool cannot be had:
# it says so and passes.
site: $(READY)
	PYTHON=$(BIN)/python .ci/site

check: lint types

# Speed beside what a user would otherwise pick; writes docs/performance.md.
bench: $(READY)
	$(BIN)/python -m benchmarks

bench-gpu: $(READY)
	$(BIN)/python -m benchmarks --gpu

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

# Refresh the pinned, hashed versions (needs uv).
lock:
	uv pip compile pyproject.toml --universal --generate-hashes --extra dev --python-version 3.11 \
	  --no-emit-index-url --no-annotate --no-header -o requirements.lock

clean:
	rm -rf $(VENV) outputs
