# millrace: the front door. `make help` lists the targets; Meson and Ninja do the work behind it.
BUILD   := build
RELEASE := build-release
FUZZ    := build-fuzz
TSAN    := build-tsan
JOBS    := $(shell nproc)
SHARED  := $(wildcard ../shared)
export MILLRACE_SHARED := $(if $(SHARED),$(abspath $(SHARED)),)

SIM = tests/sim/$(if $(filter log,$(1)),log,serve/$(1))/sim-$(1)

.DEFAULT_GOAL := all
.PHONY: help all release demo check test test-engines engines bench fuzz sim golden oracle tidy format tsan \
        docs install setup setup-test clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what a build needs (Debian packages)
	@tools/setup.sh build

setup-test: ## install what the tests need too (Debian packages, small PyPI ones)
	@tools/setup.sh test

$(BUILD)/build.ninja: | setup
	@CC="$${CC:-gcc}" meson setup $(BUILD) -Db_sanitize=address,undefined -Dcheck_slow=true >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }; rm -f $(BUILD).log

$(RELEASE)/build.ninja: | setup
	@CC="$${CC:-gcc}" meson setup $(RELEASE) --buildtype=release -Doptimization=3 -Ddebug=true -Db_ndebug=false >$(RELEASE).log 2>&1 || { cat $(RELEASE).log; exit 1; }; rm -f $(RELEASE).log

all: $(BUILD)/build.ninja ## build with debug information and sanitizers
	@ninja -C $(BUILD) -j $(JOBS) --quiet

release: $(RELEASE)/build.ninja ## build the optimised program: build-release/src/cli/millrace
	@ninja -C $(RELEASE) -j $(JOBS) --quiet src/cli/millrace

demo: release ## 20 seconds from an API to a table, offline
	@tools/demo.sh $(RELEASE)/src/cli/millrace

check: all ## tidy, Clang's warnings, unit, golden, model, fault, sim and short fuzz tests: under three minutes
	@tools/tidy/tidy.py
	@tools/tidy/clang.py $(BUILD)
	@tests/run.py --build $(BUILD) --suites unit,golden,model,fault,sim,fuzz

test: setup-test all release ## everything that needs only Debian's packages and small PyPI ones
	@ninja -C $(RELEASE) -j $(JOBS) --quiet $(foreach part,log kafka cql,$(call SIM,$(part)))
	@tools/tidy/tidy.py
	@tools/tidy/clang.py $(BUILD)
	@tests/run.py --build $(BUILD) --release $(RELEASE) --suites unit,golden,model,fault,sim,fuzz,interop,crash

test-engines: test engines ## the tests that start real servers or need a toolchain too

engines: setup-test all release
	@tests/run.py --build $(BUILD) --release $(RELEASE) --suites engines

bench: setup $(RELEASE)/build.ninja ## measure for some ten minutes on a quiet machine; writes docs/benchmarks.md
	@ninja -C $(RELEASE) -j $(JOBS) --quiet src/cli/millrace tests/bench/format/bench-json \
		tests/bench/log/bench-log tests/bench/serve/webhook-load tests/bench/table/bench-table
	@tests/bench/bench.py --build $(RELEASE)

fuzz: setup-test ## make fuzz T=json [S=120]: libFuzzer on one target, or on all for S seconds each
	@CC=clang meson setup $(FUZZ) --reconfigure -Dfuzzers=true -Db_sanitize=address,undefined -Db_lundef=false >/dev/null 2>&1 || CC=clang meson setup $(FUZZ) -Dfuzzers=true -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
	@tests/fuzz/fuzz.py --build $(FUZZ) --seconds $(or $(S),120) $(if $(T),--target $(T),)

sim: release ## make sim PART=log|kafka|cql SEED=n replays one simulated run; N=n runs that many
	@ninja -C $(RELEASE) --quiet $(call SIM,$(or $(PART),log))
	@$(RELEASE)/$(call SIM,$(or $(PART),log)) $(if $(SEED),--seed $(SEED),--seeds 1 $(or $(N),10000))

golden: all ## rewrite the expected outputs of the golden tests; review the diff
	@GOLDEN_REWRITE=1 tests/run.py --build $(BUILD) --suites golden

oracle: release ## run the recorded answers in ../shared/oracle: make oracle [PART=sail-functions]
	@ninja -C $(RELEASE) --quiet
	@tools/oracle/all.sh $(RELEASE) $(PART)

tidy: all ## check floors, sizes and banned calls, and what Clang warns of
	@tools/tidy/tidy.py
	@tools/tidy/clang.py $(BUILD)

format: ## lay out all C files
	@git ls-files '*.c' '*.h' | xargs clang-format -i

tsan: setup-test ## unit tests of io and log under the thread sanitizer
	@test -d $(TSAN) || CC=gcc meson setup $(TSAN) -Db_sanitize=thread >/dev/null
	@ninja -C $(TSAN) -j $(JOBS) --quiet
	@tests/run.py --build $(TSAN) --suites unit --match '^(io|log)-'

docs: release ## write docs/configuration.md, commands.md, api.md and a part of kafka-compatibility.md from the tables
	@tools/gen/docs.py $(RELEASE)/src/cli/millrace

install: release ## copy the program to PREFIX/bin (/usr/local)
	@install -D $(RELEASE)/src/cli/millrace $(or $(PREFIX),/usr/local)/bin/millrace

clean: ## remove the build folders
	@rm -rf $(BUILD) $(RELEASE) $(FUZZ) $(TSAN)
