# All tasks of this repository; `make help` lists them.

PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PEER   ?= .venv-bench
DATA   ?= ../shared/data

# Each process that a test starts would compile the application anew
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup tools demo test test-served test-side-by-side test-unit check reference bench references parity accuracy lock image image-test image-again comparison clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## /	/' | expand -t 12

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --editable '.[dev,train]'
	$(BIN)/python deploy/image/cuda_runtime.py
	touch $@

setup: $(READY)  ## Make the virtual environment

# System packages for the tests: a PACS, DCMTK's senders, PostgreSQL, a browser, other programs that write RTSTRUCT and read PDF
tools:  ## Install Orthanc, DCMTK, PostgreSQL, Chromium, plastimatch, poppler, openssl, a C compiler if missing (Debian, needs root)
	@test -f /usr/share/orthanc/plugins/libOrthancDicomWeb.so && test -x /usr/bin/storescu \
	&& command -v openssl >/dev/null && command -v cc >/dev/null && command -v chromium >/dev/null \
	&& command -v plastimatch >/dev/null && command -v pdftotext >/dev/null \
	&& ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 \
	|| { apt-get update -q && DEBIAN_FRONTEND=noninteractive \
	apt-get install -y -q orthanc orthanc-dicomweb dcmtk postgresql chromium plastimatch poppler-utils openssl gcc libc6-dev; }

demo: $(READY)  ## Simulate a CT of a fractured pelvis, segment it, show the result
	$(BIN)/osteon demo

check: $(READY)  ## Lint, format, types, import contracts, the generated reference
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/make_reference.py

reference: $(READY)  ## Write docs/reference from the models that read the files
	$(BIN)/python docs/make_reference.py --write

# The last packager of MONAI Deploy, in a folder of its own: the SDK installs a newer version that cannot package
HOLOSCAN_CLI := build/peers/holoscan
$(HOLOSCAN_CLI): | $(READY)
	$(BIN)/python -m pip install --quiet --target $@ holoscan-cli==4.2.0

# One thread each: two processes share the cores. Each keeps to neighbouring tests, which share their set-up
test-unit: $(READY)  ## The fast tests: no root, no network, no other programs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist worksteal -m "not real_data" tests/unit

# The other tests wait for most of their time: for processes, pauses, peers. So three share two cores, the longest
# files first, and beside them, with the least priority, run all tests that neither start processes nor depend on
# the clock
SIDE_BY_SIDE := tests/slow/operators tests/slow/training tests/slow/osteon tests/slow/benchmarks \
	tests/slow/app/cli tests/slow/app/run tests/slow/app/node/segment tests/service/app/run tests/service/app/cli
test: $(READY) $(HOLOSCAN_CLI) tools  ## All tests
	$(MAKE) --no-print-directory --jobs 2 test-served test-side-by-side

test-served:
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder tests/slow tests/service \
	$(SIDE_BY_SIDE:%=--ignore=%) --durations=15

# Says what it found at its end, so that the progress of the longer one can be read
test-side-by-side:
	mkdir -p build
	OMP_NUM_THREADS=1 nice -n 19 $(BIN)/python -m pytest -q -n auto --dist worksteal tests/unit $(SIDE_BY_SIDE) \
	--durations=40 > build/side_by_side.txt 2>&1; code=$$?; cat build/side_by_side.txt; exit $$code

# The peer has its own environment, because its pins differ from ours.
$(PEER)/.ready:
	$(PYTHON) -m venv $(PEER)
	$(PEER)/bin/python -m pip install --quiet torch==2.13.0 nnunetv2==2.8.1
	touch $@

bench: $(READY) $(PEER)/.ready tools  ## Speed and memory, each as a ratio against a named peer in the same run
	$(BIN)/python -m benchmarks.chain --peer $(PEER)/bin/python
	$(BIN)/python -m benchmarks.networks.published --peer $(PEER)/bin/python
	$(BIN)/python -m benchmarks.networks.radiographs --peer $(PEER)/bin/python
	ulimit -s 32768; $(BIN)/python -m benchmarks.dicom.reading
	$(BIN)/python -m benchmarks.dicom.seg
	$(BIN)/python -m benchmarks.reporting
	$(BIN)/python -m benchmarks.start
	$(BIN)/python -m benchmarks.imports
	$(BIN)/python -m benchmarks.node.receive
	$(BIN)/python -m benchmarks.node.studies

# Version 1 pins old libraries, which the part that runs here does not need
references: $(READY) $(PEER)/.ready  ## Output of nnU-Net itself for the synthetic models; kept in tests/references
	rm -rf build/nnunet
	$(BIN)/python -m tests.support.packages.synthetic_nnunet_v1 build/nnunet/models
	$(PEER)/bin/python -m pip install --quiet --no-deps --target build/nnunet/v1 nnunet==1.7.1
	$(PEER)/bin/python tests/nnunet_references.py build/nnunet/models tests/references/nnunet_v2.npz
	PYTHONPATH=build/nnunet/v1 $(PEER)/bin/python tests/nnunet_v1_references.py \
	build/nnunet/models tests/references/nnunet_v1.npz
	PYTHONPATH=build/nnunet/v1 $(PEER)/bin/python tests/largest_references.py tests/references/largest.npz

# FULL=--full: only FracSegNet's two, with their own number of features; takes an hour or two
PARITY := build/parity$(FULL)
parity: $(READY) $(PEER)/.ready  ## Published networks against nnU-Net itself on real bones: the table in docs/models.md
	rm -rf $(PARITY)
	$(BIN)/python -m benchmarks.networks.parity make $(PARITY) --data $(DATA) $(FULL)
	$(PEER)/bin/python -m pip install --quiet --no-deps --upgrade --target build/nnunet/v1 nnunet==1.7.1
	for image in real_bone semi-real_CT; do \
	PYTHONPATH=build/nnunet/v1 $(PEER)/bin/python tests/nnunet_v1_references.py \
	$(PARITY)/$$image $(PARITY)/$$image/v1.npz labels && \
	$(PEER)/bin/python tests/nnunet_references.py \
	$(PARITY)/$$image $(PARITY)/$$image/v2.npz labels || exit 1; done
	$(BIN)/python -m benchmarks.networks.parity compare $(PARITY) $(FULL)

# HELD_OUT="001=MODELS 002=MODELS" adds networks that never saw these patients. FOLDS: cross-validation.json of a
# training on radiographs; BASELINE: the folder of a finished ResNet-18
accuracy: $(READY)  ## Accuracy on real and simulated CTs and on radiographs: docs/*accuracy.md and the model cards
	$(BIN)/python -m benchmarks.accuracy --data $(DATA) $(addprefix --held-out ,$(HELD_OUT))
	$(BIN)/python -m benchmarks.bodies --data $(DATA)
	$(BIN)/python -m benchmarks.accuracy.radiographs --data $(DATA) $(addprefix --cross-validation ,$(FOLDS)) \
	$(addprefix --baseline ,$(BASELINE))

# TORCH_WHEELS: a page or folder with torch's wheels for CPUs, which PyPI does not have
TORCH_WHEELS ?= https://download.pytorch.org/whl/cpu/torch/
LOCK := $(BIN)/uv pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_36 \
	--only-binary :all: --generate-hashes --no-header --no-annotate --upgrade
# Holoscan needs these only for tensors on a GPU
CUDA_ONLY := cupy-cuda13x cuda-python cuda-bindings cuda-core cuda-pathfinder

lock: $(READY)  ## Pin the images' wheels with their hashes
	$(LOCK) --find-links $(TORCH_WHEELS) requirements.txt deploy/image/extras.in deploy/image/cpu.in \
	-o deploy/image/requirements.cpu.lock $(addprefix --no-emit-package ,$(CUDA_ONLY))
	$(LOCK) requirements.txt deploy/image/extras.in -o deploy/image/requirements.cuda.lock
	$(LOCK) deploy/image/tools.in -o deploy/image/tools.lock

# TOOL: docker, podman or buildah; VARIANT: cpu or cuda; IMAGE_ARGS: more arguments of the tool, such as
# a mirror's pip.conf (--volume) or another base (--build-arg BASE_IMAGE=...)
TAG     ?= osteon
VARIANT ?= cpu
image: $(READY)  ## Build the container image
	$(BIN)/osteon package --tag $(TAG) $(addprefix --tool ,$(TOOL)) --variant $(VARIANT) -- \
	--build-arg TORCH_WHEELS=$(TORCH_WHEELS) $(IMAGE_ARGS)

# Without a daemon, set buildah's isolation and storage: BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
image-test: $(READY)  ## Test the image that buildah built: not root, read-only, without a network; then its node
	@command -v bwrap >/dev/null && command -v podman >/dev/null || apt-get install -y -q bubblewrap podman
	test -e build/peers/docker_compose* || $(BIN)/python -m pip download --quiet --no-deps --dest build/peers \
	docker-compose==1.29.2
	OSTEON_IMAGE=$(TAG) $(BIN)/python -m pytest -q -s tests/image/checks.py tests/image/node_checks.py \
	tests/image/engine_checks.py

image-again: $(READY)  ## Build the image again from scratch, and check that both are the same
	$(MAKE) image TAG=$(TAG)-again IMAGE_ARGS="$(IMAGE_ARGS) --no-cache"
	OSTEON_IMAGE=$(TAG) OSTEON_AGAIN=$(TAG)-again $(BIN)/python -m pytest -q -s tests/image/same_checks.py

comparison: $(READY)  ## Short trainings, one for each variant; their table in docs/training.md
	$(BIN)/python -m research.comparison --package models/pelvis --data $(DATA)

clean:  ## Remove everything that was built
	rm -rf $(VENV) $(PEER) build out
