# Three commands: `make lab`, `make report`, `make test`. Each sets up what it needs, from python3 alone.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
QUARTER ?= 2026Q3
DATA ?= data/sample
OUT ?= reports
# The locks are complete: left to resolve, pip looks past them for extras such as coverage[toml].
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

.PHONY: help lab report style test test-slow test-lowest docs fuzz format lock wheelhouse sbom release clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1 #/' | column -t -s '#'

lab: $(VENV)/.ready ## JupyterLab on notebooks/start_here.ipynb: LAB=--allow-root
	$(BIN)/stockcust lab -- $(LAB)

report: $(VENV)/.ready ## One PDF per branch: DATA=data/sample QUARTER=2026Q3 OUT=reports
	$(BIN)/stockcust report "$(DATA)" --quarter "$(QUARTER)" --out "$(OUT)"

style: $(VENV)/.ready-test ## Style alone, before each commit
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

test: style ## Style, types and all quick tests
	$(BIN)/mypy & $(BIN)/python -m pytest -p no:randomly -m "not slow" --numprocesses auto \
		--dist loadscope --no-loadscope-reorder && wait $$!

test-slow: $(VENV)/.ready-engines ## Databases, Spark, Dask, whole batches: half a gigabyte more
	$(BIN)/python -m pytest -p no:randomly -m slow

test-lowest: ## A whole report with the lowest versions that are allowed (needs uv)
	rm -rf build/lowest
	uv venv --quiet build/lowest/venv
	uv pip install --quiet --python build/lowest/venv --resolution lowest-direct .
	cd build/lowest && venv/bin/stockcust sample --out bank --branches 10 --customers 1000
	cd build/lowest && venv/bin/stockcust report bank --quarter 2026Q3

docs: $(VENV)/.ready-docs ## Documentation, read without a network: build/docs/index.html
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/docs

fuzz: $(VENV)/.ready-test ## Reading by random bytes and cells, for minutes: FUZZ_EXAMPLES=2000
	FUZZ_EXAMPLES=$(or $(FUZZ_EXAMPLES),2000) $(BIN)/python -m pytest -p no:randomly tests/reading/test_any_bytes.py

format: $(VENV)/.ready-test ## Put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## Pin all dependencies anew (needs uv)
	uv lock --upgrade
	uv export --quiet --no-dev --no-emit-project --group build --output-file requirements.lock
	uv export --quiet --no-emit-project --only-group test --output-file requirements-test.lock
	uv export --quiet --no-emit-project --only-group docs --output-file requirements-docs.lock
	uv export --quiet --no-emit-project --only-group engines --output-file requirements-engines.lock

wheelhouse: $(VENV)/.ready ## All wheels for a machine without internet: build/wheelhouse
	rm -rf build/wheelhouse
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
		--only-binary :all: --requirement requirements.lock --dest build/wheelhouse
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir build/wheelhouse .
	cp requirements.lock build/wheelhouse

sbom: $(VENV)/.ready ## Licences and versions of all that runs (CycloneDX): build/sbom.json
	$(BIN)/python docs/make_sbom.py build/sbom.json

release: $(VENV)/.ready ## Wheel and sdist of a tag that names the version: TAG=v0.1.0
	@test "$(TAG)" = "v$$($(BIN)/hatchling version)" || { echo "TAG=$(TAG) is not this version."; exit 2; }
	$(BIN)/hatchling build --directory build/release

clean: ## Remove the environment and all reports
	rm -rf $(VENV) build dist "$(OUT)"/20*

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --require-hashes --requirement requirements.lock
	$(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready requirements-test.lock
	$(PIP_INSTALL) --require-hashes --requirement requirements-test.lock
	@touch $@

$(VENV)/.ready-docs: $(VENV)/.ready requirements-docs.lock
	$(PIP_INSTALL) --require-hashes --requirement requirements-docs.lock
	@touch $@

$(VENV)/.ready-engines: $(VENV)/.ready-test $(VENV)/.ready-docs requirements-engines.lock
	$(PIP_INSTALL) --require-hashes --requirement requirements-engines.lock
	@touch $@
