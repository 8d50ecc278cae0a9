# Builds, tests and tries fastmodbus in a virtual environment of its own; needs Python >= 3.11, a C compiler and make.
#
#   make demo [URL=tcp://host:port]     make test [ARGS="-k codec"]     make help
#
# Stamp files remember what is installed, so a second run rebuilds only after a source changed.

VENV ?= .venv
# The first interpreter that is new enough; `make PYTHON=/path/to/python` chooses another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

BIN := $(VENV)/bin
RUN := $(BIN)/python -m
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
CORE := $(wildcard src/fastmodbus/_core/*.py* src/fastmodbus/_core/*.pxd src/fastmodbus/_core/*.h)
BUILT := $(VENV)/stamp.build
URL ?=
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint format mirror types bench docs cross wheel debug coverage fuzz memcheck annotate clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*##  *\(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(BUILT) $(VENV)/stamp.demo  ## read a simulated device, or URL=tcp://host:port, and print what came of it
	@$(RUN) fastmodbus demo $(URL)

TESTED := $(VENV)/stamp.test $(VENV)/stamp.peers $(VENV)/stamp.formats

test: $(BUILT) $(TESTED)  ## build the package and run the tests (ARGS goes to pytest)
	$(RUN) pytest $(ARGS)

lint: $(VENV)/stamp.lint $(BUILT)  ## style of Python and Cython, and the direction of imports
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	PATH="$(abspath $(BIN)):$$PATH" cython-lint src tests/fuzz
	$(BIN)/lint-imports

format: $(VENV)/stamp.lint  ## put the Python files into shape
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

mirror:  ## the methods of the asyncio client, made from those of the blocking one
	@$(PYTHON) .ci/mirror.py

types: $(VENV)/stamp.types $(BUILT)  ## mypy --strict, and the core's stubs against the built core
	$(RUN) mypy
	$(RUN) mypy.stubtest --allowlist .ci/stubtest-allow.txt --ignore-unused-allowlist fastmodbus._core

bench: $(BUILT) $(VENV)/stamp.bench  ## the measurements, side by side (ARGS goes to the benchmarks)
	$(RUN) benchmarks $(ARGS)

docs: $(BUILT) $(VENV)/stamp.docs  ## the documentation in docs/_build; a warning is an error
	@rm -rf docs/generated
	$(RUN) sphinx --fail-on-warning --keep-going --quiet --builder html docs docs/_build

# "here" tries the same on this machine; the others need the compilers that .ci/run installs.
SYSTEMS ?= here windows macos armv7l

cross: $(BUILT) $(VENV)/stamp.cross  ## the core compiled and linked for Windows, macOS and 32-bit ARM (SYSTEMS="windows")
	@$(BIN)/python .ci/cross/check.py $(SYSTEMS)

# Stripped, as in a release: debug information makes a wheel five times as large.
wheel: $(VENV)/stamp.wheel  ## source distribution, and a wheel built from it, in dist/
	rm -rf dist
	LDFLAGS="$$LDFLAGS -Wl,-s" $(RUN) build --outdir dist

clean:  ## everything that was made here
	rm -rf $(VENV) build dist wheelhouse docs/_build docs/generated src/*.egg-info
	rm -f src/fastmodbus/_core/*.c src/fastmodbus/_core/*.so src/fastmodbus/_core/*.html

# --- environment and build ---------------------------------------------------------------------------------------

TOO_OLD := fastmodbus needs Python 3.11 or newer

$(VENV)/stamp.pip:
	@test -n "$(PYTHON)" || { echo "$(TOO_OLD), and none was found: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit("$(TOO_OLD): $(PYTHON) is " + sys.version if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --upgrade "pip>=25.1"
	@touch $@

# One stamp for each dependency group of pyproject.toml.
$(VENV)/stamp.%: $(VENV)/stamp.pip pyproject.toml
	$(INSTALL) --group $*
	@touch $@

$(BUILT): $(VENV)/stamp.pip pyproject.toml setup.py $(CORE)
	$(INSTALL) --group build
	$(INSTALL) --no-build-isolation --editable ".[cli]"
	@touch $@

# --- the core built another way ----------------------------------------------------------------------------------
# Each is compiled in a copy of the sources, so that neither its C files nor its objects meet those of the normal build,
# and comes before the normal build on the path.

COPIED := src setup.py pyproject.toml README.md LICENSE

define variant
	rm -rf build/$(1) && mkdir -p build/$(1)
	cp -Rp $(COPIED) build/$(1)
	rm -f build/$(1)/src/fastmodbus/_core/*.c build/$(1)/src/fastmodbus/_core/*.so
	cd build/$(1) && $(2) $(abspath $(BIN))/python setup.py --quiet build_ext --inplace
	@touch $@
endef

SANITIZE := address,undefined,float-cast-overflow
# The sanitizers' reports go to files, as pytest would keep them to itself when one ends the process. libstdc++ has to be
# there when the sanitizer starts, or the first C++ exception of any library ends the process.
DEBUG_RUN = LD_PRELOAD="$$($${CC:-cc} -print-file-name=libasan.so) $$($${CC:-cc} -print-file-name=libstdc++.so)" \
	ASAN_OPTIONS=detect_leaks=0:log_path=$(abspath build/debug/report) \
	UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:log_path=$(abspath build/debug/report) \
	PYTHONMALLOC=malloc PYTHONPATH=build/debug/src

build/debug/stamp: $(BUILT)
	$(call variant,debug,FASTMODBUS_CHECKS=1 FASTMODBUS_SANITIZE=$(SANITIZE))

debug: build/debug/stamp $(TESTED)  ## the tests on a core with every check, ASan and UBSan
	@rm -f build/debug/report.*
	@$(DEBUG_RUN) $(BIN)/python .ci/loaded_from.py build/debug/src
	$(DEBUG_RUN) $(RUN) pytest -o faulthandler_timeout=600 $(ARGS) || { cat build/debug/report.* 2>/dev/null; exit 1; }
	@! cat build/debug/report.* 2>/dev/null

build/coverage/stamp: $(BUILT)
	$(call variant,coverage,FASTMODBUS_GCOV=1)

# The C names Cython's sources as seen from src/, and sources that are none: Cython's own helpers. Its functions begin
# with two underscores, as those of a compiler do.
GCOVR := --root . --filter fastmodbus/_core/ --exclude '.*\.c$$' --include-internal-functions --print-summary \
	--gcov-ignore-errors=source_not_found --gcov-ignore-errors=no_working_dir_found
COVERAGE_TOOLS := $(TESTED) $(VENV)/stamp.coverage

coverage: build/coverage/stamp $(COVERAGE_TOOLS)  ## which lines of the core the tests reach
	@PYTHONPATH=build/coverage/src $(BIN)/python .ci/loaded_from.py build/coverage/src
	@find build/coverage -name '*.gcda' -delete
	PYTHONPATH=build/coverage/src $(RUN) pytest $(ARGS)
	@mkdir -p build/coverage/html
	cd build/coverage/src && $(abspath $(BIN))/gcovr $(GCOVR) --html-details ../html/index.html ../build

# Clang with its compiler-rt, and an interpreter with a shared library. What is found lies in build/found; how to keep
# inputs is told in docs/testing.md.
FUZZ := $(wildcard tests/fuzz/*.p* tests/fuzz/*.c)
SECONDS ?= 60
TARGETS ?= codec responder schedule session
FUZZ_SANITIZE := fuzzer-no-link,address,undefined
CLANG := CC=clang LDSHARED="clang -shared"
FUZZ_RUN = ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 FUZZ_PYTHON=$(abspath $(BIN))/python \
	PYTHONPATH=build/fuzz:build/fuzz/src

build/fuzz/stamp: $(BUILT) $(FUZZ)
	$(call variant,fuzz,$(CLANG) FASTMODBUS_SANITIZE=$(FUZZ_SANITIZE))
	$(CLANG) $(BIN)/python tests/fuzz/build.py --fuzzer build/fuzz

fuzz: build/fuzz/stamp  ## a search for inputs that the core gets wrong (SECONDS=60 TARGETS="session", ARGS to libFuzzer)
	$(BIN)/python tests/fuzz/corpus.py unpack build/found
	for target in $(TARGETS); do FUZZ_TARGET=$${target}_target $(FUZZ_RUN) build/fuzz/fuzz -max_total_time=$(SECONDS) \
		-timeout=10 -rss_limit_mb=1024 -max_len=600 -print_final_stats=1 -artifact_prefix=build/found/$$target- $(ARGS) \
		build/found/$$target || exit 1; done

# The interpreter itself is not free of what valgrind calls errors: what counts is whatever the core has a hand in. The
# report is in build/memcheck.log.
MEMCHECKED := tests/fuzz tests/core/test_session.py tests/core/test_quirks.py tests/core/test_retry.py \
	tests/core/test_units.py tests/core/test_detach.py tests/core/test_batches.py tests/core/test_streams.py

memcheck: $(BUILT) $(TESTED)  ## tests of the core under valgrind (ARGS goes to pytest)
	@mkdir -p build
	PYTHONMALLOC=malloc valgrind --quiet --num-callers=40 --log-file=build/memcheck.log $(RUN) pytest \
		-o faulthandler_timeout=3600 -k "not any_input" $(MEMCHECKED) $(ARGS)
	@if grep -n '__pyx_\|net\.h\|poller\.h' build/memcheck.log; then echo "see build/memcheck.log" >&2; exit 1; fi

build/annotate/stamp: $(BUILT)
	$(call variant,annotate,FASTMODBUS_ANNOTATE=1)

annotate: build/annotate/stamp  ## Cython's annotated HTML: which lines touch the interpreter
	@ls build/annotate/src/fastmodbus/_core/*.html
