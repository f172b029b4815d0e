# The commands of medpipe. Every one of them sets up what it needs first.
#   make demo                  the main job on synthetic films, from data to an answer of the served model
#   make demo TASK=NAME        a task of pipelines/tasks, in work/; DATA=PATH names its data
#   make demo DATA=PATH        the same on a MedMNIST archive or a folder of pictures, in work/; NAME=NAME names it
#   make test                  the tests            make lint   ruff, mypy, import contracts, bandit
#   make ui                    MLflow's pages       make serve  the champion, at port 5001; WORKERS=N
#   make tune TASK=NAME        look for better settings of a task; TRIALS=N
#   make reproduce MODEL=NAME/VERSION   train a registered version again and compare; WORKSPACE=DIR
#   make accept                what takes longer: everything above in a fresh clone
#   make lock                  renew the locked dependencies
#   make audit                 known vulnerabilities of the locked dependencies; asks the package index over the network
#   make sbom                  sbom.json, a bill of materials of what is locked; VARIANT=gpu
#   make doctor                what is installed, where everything is, what mends what is missing
#   make gc                    what takes space, and frees what nothing needs after asking
#   make reference             docs/task-file.md and docs/serving.md from the classes that they tell of
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3.11
VARIANT ?= cpu
# Relative: make takes a blank in a target's name for the end of it.
VENV := .venv
READY := $(VENV)/ready-$(VARIANT)
WORKSPACE ?= .
PORT ?= 5000
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Names reach Python as they were typed: neither make nor a shell reads what is in them.
unexport DATA TASK NAME MODEL WORKSPACE
export MEDPIPE_DATA := $(value DATA)
export MEDPIPE_TASK := $(value TASK)
export MEDPIPE_NAME := $(value NAME)
export MEDPIPE_MODEL := $(value MODEL)
export MEDPIPE_WORKSPACE := $(value WORKSPACE)
# Nothing phones home.
export MLFLOW_DISABLE_TELEMETRY := true
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION := false
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export GX_ANALYTICS_ENABLED := false

.PHONY: setup demo test lint ui serve tune reproduce accept lock clean doctor gc reference audit sbom

setup: $(READY)

# uv installs in seconds what takes pip minutes; it is told the index that pip is configured for. Where Python may write
# no bytecode, as in many containers, it has to be there beforehand: TensorFlow's import takes twice the time without.
$(READY): requirements/$(VARIANT).txt requirements/dev.txt requirements/uv.txt
	@case "$$(pwd -P)" in *:*|*$$'\n'*) \
	  echo "the path of this checkout holds a colon or a line break, at which programs split paths: move it to another folder"; \
	  exit 1;; esac
	@[ "$$(uname -sm)" = "Linux x86_64" ] \
	  || { echo "medpipe needs Linux on x86-64, this is $$(uname -sm): use such a machine, or a container of one"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null \
	  || { echo "medpipe needs Python 3.11 with venv: install it, or name it with make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "==> setting up $(notdir $(VENV)) ($(VARIANT)): once, a few minutes"
	@test -x $(VENV)/bin/python || "$(PYTHON)" -m venv $(VENV)
	@$(VENV)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@index=$$($(VENV)/bin/python -m pip config get global.index-url 2>/dev/null || true); \
	  VIRTUAL_ENV="$$(pwd -P)/$(VENV)" UV_DEFAULT_INDEX="$${PIP_INDEX_URL:-$${index:-$${UV_DEFAULT_INDEX:-}}}" \
	  $(VENV)/bin/uv pip sync -q $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode) --require-hashes \
	  requirements/$(VARIANT).txt $(if $(filter cpu,$(VARIANT)),requirements/dev.txt)
	@printf '%s/.\n' "$$(pwd -P)" > "$$($(VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/medpipe.pth"
	@$(VENV)/bin/python -c 'from pipelines.workspace import CHECKOUT, keep_printable, keep_private; \
	  keep_private(CHECKOUT); keep_printable(CHECKOUT)'
	@touch $@

demo: $(READY)
	@python -m pipelines.demo $(if $(value TASK),--task "$$MEDPIPE_TASK") \
	  $(if $(value NAME),--name "$$MEDPIPE_NAME") $(if $(value DATA),-- "$$MEDPIPE_DATA")

test: $(READY)
	@python -m pytest $(ARGS)

lint: $(READY)
	python -m ruff check .
	python -m ruff format --check .
	python -m mypy
	lint-imports
	bandit -q -c pyproject.toml -r components pipelines serving benchmarks
	python -m pipelines.steps --check

ui: $(READY)
	@python -m pipelines.ui --port $(PORT)

serve: $(READY)
	@python -m pipelines.serve $(if $(filter command,$(firstword $(origin PORT))),--port $(PORT)) \
	  $(if $(WORKERS),--workers $(WORKERS)) -- "$$MEDPIPE_WORKSPACE"

tune: $(READY)
	@python -m pipelines.tune $(if $(value TASK),--task "$$MEDPIPE_TASK") $(if $(TRIALS),--trials $(TRIALS)) \
	  $(if $(value DATA),-- "$$MEDPIPE_DATA")

reproduce: $(READY)
	@python -m pipelines.reproduce --workspace "$$MEDPIPE_WORKSPACE" -- "$$MEDPIPE_MODEL"

accept: $(READY)
	@python -m benchmarks.accept

lock:
	@test -x $(VENV)/bin/uv || { "$(PYTHON)" -m venv $(VENV); $(VENV)/bin/python -m pip install -q uv; }
	@cd requirements; compile() { ../$(VENV)/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command 'make lock' --python-version 3.11 --python-platform x86_64-manylinux_2_28 "$$@"; }; \
	compile ../pyproject.toml --extra cpu -o cpu.txt; \
	compile ../pyproject.toml --extra gpu -c cpu.txt -o gpu.txt; \
	compile ../pyproject.toml --extra cpu --extra dev -c cpu.txt -o dev.txt; \
	grep '^uv==' dev.txt | cut -d' ' -f1 > uv.in; compile uv.in -o uv.txt; rm uv.in

# Not part of lint: without a network nothing can be said. --strict: a package that the index says nothing of is an error.
audit: $(READY)
	pip-audit --strict --disable-pip --require-hashes -r requirements/$(VARIANT).txt
	pip-audit --strict --disable-pip --require-hashes -r requirements/dev.txt

sbom: $(READY)
	cyclonedx-py requirements requirements/$(VARIANT).txt --pyproject pyproject.toml --output-reproducible \
	  --output-format JSON --output-file sbom.json
	@echo "sbom.json: CycloneDX, every package of requirements/$(VARIANT).txt with its digests"

# What the stages wrote, the store and the workspaces; the environment stays.
clean:
	rm -rf work tuning mlruns mlflow.db mlflow.db.lock data/ingested data/private data/cleaned data/augmented data/model data/evaluation data/registered data/raw/chest_phantom

# Without the environment too: it says how to make it.
doctor:
	@"$$(test -x $(VENV)/bin/python && echo $(VENV)/bin/python || echo $(PYTHON))" -m pipelines.doctor -- "$$MEDPIPE_WORKSPACE"

gc: $(READY)
	@python -m pipelines.gc $(if $(YES),--yes) -- "$$MEDPIPE_WORKSPACE"

reference: $(READY)
	@python -m pipelines.reference
	@python -m serving.reference
