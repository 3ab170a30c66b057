# SPDX-License-Identifier: Apache-2.0
# The commands people type; meson does the work. See docs/HACKING.md.

BUILD = build
# Debian's tools, whatever else stands in PATH.
MESON = /usr/bin/python3 /usr/bin/meson
SOURCES = $(shell git ls-files '*.c' '*.h' '*.cpp')
PROGRAM = $(shell git ls-files 'base/*.c' 'index/*.c' 'lock/*.c' 'bundle/*.c' 'cache/*.c' 'upstream/*.c' 'engine/*.c' 'config/*.c' 'server/*.c' 'control/*.c' 'cli/*.c')
SCRIPTS = $(shell git ls-files scripts bench .ci tests/fuzz | xargs -r grep -lE '^\#!/bin/(ba)?sh')

.PHONY: build run test check soak simulate fuzz demo bench install lint analyze format clean

build: $(BUILD)/build.ninja
	@ninja -C $(BUILD) >$(BUILD)/build.log || { cat $(BUILD)/build.log; exit 1; }

$(BUILD)/build.ninja:
	@scripts/bootstrap run
	@$(MESON) setup $(BUILD) >$(BUILD).log || { cat $(BUILD).log; exit 1; }
	@mv $(BUILD).log $(BUILD)/setup.log
	@echo "building, about half a minute"

run: build
	@exec $(BUILD)/wheelyard serve --announce

# All kinds of tests always run; each one's failure is ours. BESIDE runs when a core is free, beside the tests that
# measure something; 8 says that it failed.
BESIDE = SEED=1 WHEELYARD_PATIENCE=10 tests/fuzz/run 10
test:
	@scripts/bootstrap test
	@$(MAKE) --no-print-directory build
	@$(MESON) test -C $(BUILD) --timeout-multiplier 4 --print-errorlogs; unit=$$?; \
	tests/e2e/run --beside '$(BESIDE)'; e2e=$$(($$? & ~8)) fuzz=$$(($$? & 8)); \
	[ $$unit -eq 0 ] && unit=passed || unit=FAILED; [ $$e2e -eq 0 ] && e2e=passed || e2e=FAILED; \
	[ $$fuzz -eq 0 ] && fuzz=passed || fuzz=FAILED; \
	echo "unit tests: $$unit, end-to-end tests: $$e2e, fuzzers: $$fuzz"; \
	[ $$unit$$e2e$$fuzz = passedpassedpassed ]

# make check ROOM=engine/files: what a change in that room needs, in about a minute.
check:
	@scripts/bootstrap test
	@$(MAKE) --no-print-directory build
	@tests/check $(ROOM)

SECONDS = 600
fuzz:
	@scripts/bootstrap test
	@tests/fuzz/run $(SECONDS)

# make soak SECONDS=600: installs from mirrors with one fault after another.
soak:
	@scripts/bootstrap test
	@$(MAKE) --no-print-directory build
	@.venv/bin/python tests/e2e/lib/soak.py --seconds $(or $(SECONDS),600)

# make simulate SECONDS=600 [SEED=1]: flights in simulation; a failure prints the seed that repeats it.
SEED ?= $(shell date +%s)
simulate:
	@scripts/bootstrap test
	@$(MAKE) --no-print-directory build
	@$(BUILD)/tests/sim/simulate --seconds $(SECONDS) --seed $(SEED)

demo:
	@scripts/bootstrap demo
	@$(MAKE) --no-print-directory build
	@scripts/demo

bench:
	@scripts/bootstrap bench
	@$(MAKE) --no-print-directory build
	@bench/run

# For packagers: make install DESTDIR=/some/where PREFIX=/usr
PREFIX ?= /usr/local
install: $(BUILD)/build.ninja
	@$(MESON) configure $(BUILD) -Dprefix=$(PREFIX)
	@$(MAKE) --no-print-directory build
	@DESTDIR="$(DESTDIR)" $(MESON) install -C $(BUILD) --no-rebuild --quiet --strip

lint:
	@scripts/bootstrap lint
	@echo clang-format
	@clang-format --dry-run -Werror $(SOURCES)
	shellcheck $(SCRIPTS)
	/usr/bin/python3 tests/check_layers.py
	@for cc in gcc clang; do \
	  [ -e build-lint-$$cc/build.ninja ] || CC=$$cc $(MESON) setup -Dwerror=true build-lint-$$cc >/dev/null || exit 1; \
	  echo "$$cc -Werror"; ninja -C build-lint-$$cc --quiet || exit 1; \
	done
	@echo cppcheck
	@cppcheck --quiet --enable=warning,performance,portability --std=c11 -I . --suppressions-list=tests/cppcheck.txt \
	  --error-exitcode=1 $(PROGRAM)
	@echo "gcc -fanalyzer: base, index, lock"
	@for file in $(filter base/% index/% lock/%,$(PROGRAM)); do gcc $(ANALYZER) -c $$file -o /dev/null || exit 1; done
	@echo "clang-tidy: .clang-tidy"
	@echo $(PROGRAM) | xargs -n 8 -P $$(nproc) clang-tidy -quiet -p build-lint-clang 2>/dev/null

# gcc takes what a cleanup attribute frees, or a caller is given, for leaks; LeakSanitizer runs with every test.
ANALYZER = -std=c17 -D_GNU_SOURCE -I . -include base/banned.h -O1 -fanalyzer -Werror \
	-Wno-analyzer-malloc-leak $(shell pkg-config --cflags libcjson libxml-2.0 libzip zlib libzstd libcrypto)

# Every path through the program; 20 minutes of two cores. The analyzer does not know cleanup attributes either: what
# they free are leaks to it, what keeps them from freeing are dead stores. Padding is no fault.
ANALYSED = -*,clang-analyzer-*,-clang-analyzer-unix.Malloc,-clang-analyzer-deadcode.DeadStores,$\
	-clang-analyzer-optin.performance.Padding,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling
analyze:
	@scripts/bootstrap lint
	@[ -e build-lint-clang/build.ninja ] || CC=clang $(MESON) setup -Dwerror=true build-lint-clang >/dev/null
	@echo $(PROGRAM) | xargs -n 1 -P $$(nproc) clang-tidy -quiet -p build-lint-clang --checks='$(ANALYSED)' 2>/dev/null

format:
	clang-format -i $(SOURCES)

clean:
	rm -rf $(BUILD) $(BUILD)-*
