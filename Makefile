# make train      sets up the environment and runs the main job
# make test       sets up the environment and runs the tests, but for those that take long
# make test-all   runs these, too
# make campaign   tries bad input of all kinds, and stops runs at any moment
# make demo       shows in about a minute what the shipped models do
# make reproduce  makes every experiment of docs/results.md and writes runs/results.md; started again, it resumes
# make page       builds the page that runs models in a browser, and serves it on this machine alone (needs Node.js)
# make page-test  builds it and tests it in headless Chromium
# make lint       checks style and formatting with ruff
# make lock       updates requirements.lock (needs uv: pip install uv)
#
# PYTHON=/path/to/python3.13 make ... chooses the interpreter, VENV=folder the environment; make page MODELS=exports/mine
# shows your own model.

VENV ?= .venv
CONFIG ?= configs/lavae.cfg
MODELS ?= saved_models/lavae,saved_models/nuclei
READY := $(VENV)/.ready
PAGE_PACKAGES := web/node_modules/.package-lock.json
MADE_BY_MAKE := $(VENV)/.made_by_make

ifneq ($(words $(VENV)),1)
$(error VENV=$(VENV) must be the path of a folder without spaces, which make cannot handle)
endif

.PHONY: setup train test test-all campaign demo reproduce page page-build page-test lint lock

setup: $(READY)

# An environment that make did not make for this folder is never cleared: it is taken as it is if tf_scenes is installed
# in it. What make began here, or an empty folder, it makes anew.
$(READY): requirements.lock setup.cfg pyproject.toml
	@if [ -n "$$(ls -A "$(VENV)" 2>/dev/null)" ] && [ "$$(cat "$(MADE_BY_MAKE)" 2>/dev/null)" != "$(CURDIR)" ]; then \
		"$(VENV)/bin/python" -c "import importlib.metadata as m; m.version('tf_scenes')" 2>/dev/null || { \
			echo "$(VENV) was not made by make in this folder, and tf_scenes is not installed in it: install it there (pip install -r" \
				"requirements.lock, then pip install --no-deps --no-build-isolation -e .), delete that folder, or name" \
				"another one: make VENV=folder ..." >&2; exit 1; }; \
	else \
		python=$$(sh tools/find_python.sh "$(PYTHON)") || exit 1; \
		echo "Setting up $(VENV) with $$($$python --version) ..."; \
		rm -rf "$(VENV)" && mkdir -p "$(VENV)" && echo "$(CURDIR)" >"$(MADE_BY_MAKE)" && $$python -m venv "$(VENV)" && \
		"$(VENV)/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.lock && \
		"$(VENV)/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . && \
		touch "$@" && echo "Ready: $(VENV)" || exit 1; \
	fi

train: setup
	"$(VENV)/bin/python" main.py --flagfile=$(CONFIG)

test: setup
	"$(VENV)/bin/python" -m pytest

test-all: setup
	"$(VENV)/bin/python" -m pytest -m "not campaign"

campaign: setup
	"$(VENV)/bin/python" -m pytest -m campaign

demo: setup
	"$(VENV)/bin/python" tools/demo.py

reproduce: setup
	"$(VENV)/bin/python" tools/reproduce.py $(ARGUMENTS)

page: page-build
	npm --prefix web run serve

page-build: $(PAGE_PACKAGES) setup
	"$(VENV)/bin/python" tools/page_models.py --models="$(MODELS)"
	npm --prefix web run build

# In folders of its own, so that a page that was built to be published stays.
page-test: $(PAGE_PACKAGES) setup
	"$(VENV)/bin/python" tools/page_models.py --output=web/test/public/models
	PAGE_PUBLIC=test/public PAGE_DIST=test/dist npm --prefix web run build
	PAGE_DIST=test/dist npm --prefix web test

$(PAGE_PACKAGES): web/package-lock.json
	@node -e "const [major, minor] = process.versions.node.split('.'); process.exit(major * 100 + Number(minor) < 2019 ? 1 : 0)" 2>/dev/null && \
		command -v npm >/dev/null || { echo "The page needs Node.js 20.19 or newer, with npm" >&2; exit 1; }
	npm --prefix web ci --no-audit --no-fund --loglevel=error
	@touch "$@"

lint: setup
	"$(VENV)/bin/ruff" check .
	"$(VENV)/bin/ruff" format --check .

lock:
	uv pip compile --universal --python-version 3.9 --extra dev --no-header --output-file requirements.lock setup.cfg
	sed -i.bak "1i # Exact versions of everything, direct or not, for Python 3.9 to 3.13. Written by make lock." requirements.lock && rm requirements.lock.bak
