# `make app` opens the app, `make test` checks everything; `make help` lists the rest.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8501
# Extra words for pytest, e.g. make test PYTEST_ARGS="-k gmm"
PYTEST_ARGS ?= -n auto --dist loadfile

# The folder of mocap17_test.npz and its like, for `make reproduce`
DIFFPOSE_DATA ?= ../shared/data
RESULTS := benchmarks/results

.DEFAULT_GOAL := help
.PHONY: help app test check lint format types unit setup setup-dev setup-js lock sbom manifest clean reproduce

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

PIP = $(BIN)/python -m pip --disable-pip-version-check
# requirements.lock has the hashes of every package, for this platform. Elsewhere, and with LOCK= (nothing), the same
# versions are installed without hashes. A file with another hash ends the installation.
LOCK ?= requirements.lock
LOCKED_FOR := Linux x86_64 3.11
PLATFORM = $(BIN)/python -c "import platform as p; print(p.system(), p.machine(), p.python_version()[:4])"
# Where torch for processors alone is, unless pip is set up for a place that has it.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

# A stamp is newer than its requirements file once that has been installed.
$(VENV)/.stamp-runtime: requirements.txt requirements.lock pyproject.toml | $(VENV)/bin/python
	@if [ -n "$(LOCK)" ] && [ "$$($(PLATFORM))" = "$(LOCKED_FOR)" ]; then \
		set -e; echo "Installing what $(LOCK) names, each file checked by its hash"; \
		sed -n '/^torch==/,/[^\\]$$/p' $(LOCK) > $(VENV)/torch.lock; \
		$(PIP) install --no-deps --require-hashes -r $(VENV)/torch.lock \
			|| { echo "torch for processors is not in pip's index: asking $(TORCH_INDEX)"; \
			$(PIP) install --no-deps --require-hashes --index-url $(TORCH_INDEX) -r $(VENV)/torch.lock; }; \
		$(PIP) install --no-deps --require-hashes -r $(LOCK); \
	else \
		echo "The lock file is for $(LOCKED_FOR), or was not wanted: the same versions without hashes"; \
		$(PIP) install -r requirements.txt; \
	fi
	$(PIP) install --no-deps -e .
	@touch $@

$(VENV)/.stamp-dev: requirements-dev.txt $(VENV)/.stamp-runtime
	$(PIP) install -r requirements-dev.txt
	# Left to itself it would bring two builds of OpenCV.
	$(PIP) install --no-deps rtmlib==0.0.16
	@touch $@

setup: $(VENV)/.stamp-runtime ## make .venv with what the app needs

setup-dev: $(VENV)/.stamp-dev ## ... and with what the tests need

app: setup ## open the app in a browser (PORT=8501)
	$(BIN)/python -m streamlit run app --server.port $(PORT)

# ESLint and TypeScript, at the versions of the lock file. The app needs neither.
node_modules/.stamp: package-lock.json $(VENV)/.stamp-dev
	$(BIN)/npm ci
	@touch $@

setup-js: setup-dev ## ... and with ESLint and TypeScript
	@if [ -x $(BIN)/npm ]; then $(MAKE) --no-print-directory node_modules/.stamp; \
		else echo "No Node in $(VENV): the browser's modules are not checked"; fi

# One tool of node_modules, where there is Node.
NODE = [ ! -x $(BIN)/node ] || $(BIN)/node node_modules

lint: setup-js ## ruff and ESLint: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(NODE)/eslint/bin/eslint.js app

types: setup-js ## mypy and TypeScript
	$(BIN)/mypy
	$(NODE)/typescript/bin/tsc

unit: setup-dev ## pytest alone
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: lint types ## lint and types: what to run before a commit

test: lint types unit ## everything that CI runs: lint, types, tests

# Programs about packages live in an environment of their own.
TOOLS := $(VENV)-tools
$(TOOLS)/.stamp: requirements-tools.txt
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --disable-pip-version-check -r requirements-tools.txt
	@touch $@

lock: $(TOOLS)/.stamp ## make requirements.lock of requirements.txt; TORCH_LINKS=folder if torch's wheel is at hand
	$(TOOLS)/bin/uv pip compile requirements.txt --output-file requirements.lock --quiet --generate-hashes \
		--python-version 3.11 --python-platform x86_64-manylinux_2_28 --custom-compile-command "make lock" \
		$(if $(TORCH_LINKS),--find-links $(TORCH_LINKS),--torch-backend cpu)

sbom: $(TOOLS)/.stamp ## make build/sbom.cdx.json (CycloneDX) and build/licences.md of what the app runs on
	$(MAKE) setup VENV=build/app
	$(TOOLS)/bin/cyclonedx-py environment build/app/bin/python --pyproject pyproject.toml --output-reproducible \
		-o build/sbom.cdx.json
	$(TOOLS)/bin/pip-licenses --python build/app/bin/python --format json --from mixed --with-urls \
		--with-license-file --no-license-path --ignore-packages pip setuptools diffpose-studio \
		--output-file build/licences.json
	$(TOOLS)/bin/python benchmarks/licences.py build/licences.json build/sbom.cdx.json build/licences.md

manifest: ## write the hashes of the weights in checkpoints/ to assets/weights.sha256
	cd checkpoints && sha256sum *.safetensors > ../assets/weights.sha256

# Every how many frames of a test clip are measured: 5 takes an hour, 50 ten minutes.
STRIDE ?= 50
EVALUATE = $(BIN)/diffpose evaluate --mixed-precision --workers 2 --overwrite
MOCAP17 = --data $(DIFFPOSE_DATA)/mocap17_test.npz
OPEN = --data $(DIFFPOSE_DATA)/mocap17_open_test.npz
FOOTAGE = --dataset footage --data $(DIFFPOSE_DATA)/real_footage.npz --stride 2 --tilt estimated --body estimated

reproduce: setup ## measure again every figure that the README shows, from the shipped weights (DIFFPOSE_DATA=folder)
	$(BIN)/diffpose detector-stats --data $(DIFFPOSE_DATA)/mocap17_val.npz > $(RESULTS)/detector_val.json
	$(EVALUATE) $(FOOTAGE) --json $(RESULTS)/real/footage_frame.json
	$(EVALUATE) $(FOOTAGE) --setting video --json $(RESULTS)/real/footage_video.json
	$(EVALUATE) --dataset lean --json $(RESULTS)/real/lean_frame.json
	$(EVALUATE) --dataset lean --setting video --json $(RESULTS)/real/lean_video.json
	$(EVALUATE) $(OPEN) --stride $(STRIDE) --json $(RESULTS)/open_test_frame.json
	$(EVALUATE) $(MOCAP17) --stride $(STRIDE) --json $(RESULTS)/mocap17_test_frame.json
	$(EVALUATE) $(MOCAP17) --stride 100 --tilt estimated --body estimated --json $(RESULTS)/mocap17_test_frame_fixed_camera.json
	$(EVALUATE) $(MOCAP17) --stride 100 --consecutive 8 --setting video --json $(RESULTS)/mocap17_test_video.json
	for input in confidences gaps; do \
		$(EVALUATE) $(MOCAP17) --stride 100 --input $$input --json $(RESULTS)/mocap17_test_frame_$$input.json \
			|| exit 1; \
	done
	$(EVALUATE) $(MOCAP17) --stride 200 --tilt estimated --input confidences \
		--json $(RESULTS)/mocap17_test_frame_fixed_camera_confidences.json
	$(EVALUATE) $(MOCAP17) --stride 400 --consecutive 2 --setting video --input confidences \
		--json $(RESULTS)/mocap17_test_video_confidences.json
	$(BIN)/diffpose calibrate --data $(DIFFPOSE_DATA)/mocap17_val.npz --data $(DIFFPOSE_DATA)/mocap17_open_val.npz \
		--test $(DIFFPOSE_DATA)/mocap17_test.npz --test $(DIFFPOSE_DATA)/mocap17_open_test.npz \
		--footage $(DIFFPOSE_DATA)/real_footage.npz \
		--stride 30 --test-stride 50 --mixed-precision --overwrite -o checkpoints/diffpose.calibration.json \
		--json $(RESULTS)/calibration_test_frame.json
	$(BIN)/diffpose calibrate --setting video --data $(DIFFPOSE_DATA)/mocap17_val.npz \
		--data $(DIFFPOSE_DATA)/mocap17_open_val.npz --test $(DIFFPOSE_DATA)/mocap17_test.npz \
		--test $(DIFFPOSE_DATA)/mocap17_open_test.npz --footage $(DIFFPOSE_DATA)/real_footage.npz \
		--stride 120 --test-stride 400 --mixed-precision --overwrite \
		-o checkpoints/diffpose_video.calibration.json --json $(RESULTS)/calibration_test_video.json
	$(BIN)/python -m benchmarks.golden
	$(BIN)/python -m benchmarks.results_tables

format: setup-dev ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove .venv and caches
	rm -rf $(VENV) $(TOOLS) node_modules .pytest_cache .ruff_cache .mypy_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
