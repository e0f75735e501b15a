# The menu. Meson does the work. Plain `make` and `make install` say which packages are missing;
# every other target names the packages that it needs on a fresh Debian 12, and installs them.
SHELL = /bin/bash
.SHELLFLAGS = -o pipefail -c
BUILD ?= build
PREFIX ?= /usr/local

all: ## build the library and the command into build/ (KERNEL=1: with pagepool kernel; takes clang)
	@scripts/deps --needed $(if $(KERNEL),kernel,run)
	@$(MAKE) --no-print-directory build

build:
	@test -f $(BUILD)/build.ninja || \
		meson setup $(BUILD) --prefix=$(PREFIX) -Dtests=false >/dev/null
	@$(if $(KERNEL),meson configure $(BUILD) -Dkernel=enabled)
	@$(if $(filter file,$(origin PREFIX)),,meson configure $(BUILD) --prefix=$(PREFIX))
	@ninja --quiet -C $(BUILD) build.ninja >$(BUILD)/configure.log || { cat $(BUILD)/configure.log; exit 1; }
	@ninja --quiet -C $(BUILD) | grep -v 'no work to do' || test $${PIPESTATUS[0]} = 0

run: deps-run build ## the main demonstration: real packets through a device that vanishes, with proof
	@scripts/run $(BUILD)/tool/pagepool

check: ## all tests: gcc; clang, AddressSanitizer and UBSan, ThreadSanitizer: what differs there
	@scripts/deps check
	@scripts/check gcc clang asan tsan $(MODEL)

model: ## check the subtle protocols in every interleaving: the models (spin), and the code itself
	@scripts/deps check
	@scripts/check model

explore-acquires: ## weaken each acquire and fence of the pool, one at a time: a scenario must detect it; some twenty minutes
	@scripts/deps check
	@scripts/check acquires

check-quick: ## the tests of one plain build
	@scripts/deps check
	@scripts/check gcc

check-machines: ## the core on i386, armhf, arm64, riscv64, ppc64el, s390x (qemu-user), and with musl (MACHINES=ci: some of them)
	@scripts/deps machines
	@scripts/check-machines $(MACHINES)

check-arm64: ## unit tests, laws and stress on a kernel with 16 KiB pages, Debian's for arm64, in QEMU
	@scripts/deps arm64
	@scripts/check-arm64 $(PROGRAMS)

check-debian: ## the core and DPDK's handler with other Debian releases, as root: SUITES="bullseye trixie sid"
	@scripts/deps machines mmdebstrap debian-archive-keyring
	@scripts/check-debian $(or $(SUITES),bullseye trixie sid)

check-vm: ## tests on a real kernel's IOMMU in QEMU; builds a kernel once, then takes some nine minutes
	@scripts/deps vm libdpdk-dev dpdk-dev
	@scripts/check-vm $(CASES)

bench-vm: ## the cost of mapping and unbind on that IOMMU, every size (ICOUNT=0: by the clock)
	@scripts/deps vm
	@ALL=1 scripts/check-vm measure
	@sed -n 's/^# //p' out/vm/measure.tap

check-kernel: ## the kernel's page_pool, stock and ours, in QEMU; builds three kernels once
	@scripts/deps vm linux-source-6.1 iproute2 ethtool python3-yaml coccinelle zstd debian-archive-keyring
	@scripts/check-kernel $(CASES)

check-kernel-quick: ## the same as modules on kernels that Debian built; fetched once, some minutes
	@scripts/deps vm coccinelle zstd debian-archive-keyring
	@scripts/check-kernel-quick $(CASES)

check-dpdk: ## DPDK's own tests on the mempool handler, and Open vSwitch (its package starts its service)
	@scripts/deps check libdpdk-dev dpdk-dev openvswitch-switch-dpdk iproute2
	@scripts/check dpdk

bench-dpdk: ## DPDK's performance test on the mempool handler beside its own, on a quiet machine
	@scripts/deps check libdpdk-dev dpdk-dev
	@test -f out/dpdk/build.ninja || \
		meson setup out/dpdk -Dwerror=true -Ddpdk=enabled -Dtool=disabled >/dev/null
	@meson test -C out/dpdk --benchmark --verbose dpdk-perf

check-xdp: ## AF_XDP on veth pairs in namespaces of its own, beside tcpdump and others (root)
	@scripts/deps check iproute2 ethtool iputils-ping iperf3 nginx-light curl util-linux
	@scripts/check xdp

check-ktools: ## pagepool kernel on this machine's kernel, on veth pairs in namespaces of its own (root)
	@scripts/deps check iproute2 util-linux
	@scripts/check ktools

check-ktools-vm: ## the same on kernels that Debian built, in QEMU: 6.1, 6.12, 7.2; fetched once (CASES=...)
	@scripts/deps check
	@scripts/deps vm iproute2 util-linux
	@scripts/check-ktools-vm $(CASES)

check-net: ## libpagepool-net on veth pairs in namespaces of its own (root)
	@scripts/deps check iproute2 ethtool iputils-ping iperf3 util-linux
	@scripts/check net

bench-xdp: ## packets a second beside tcpdump, dumpcap and plain loops, long samples (root)
	@scripts/deps check iproute2 ethtool
	@test -f out/gcc/build.ninja || meson setup out/gcc -Dwerror=true >/dev/null
	@ninja --quiet -C out/gcc
	@SECONDS_EACH=$(or $(SECONDS_EACH),2) ROUNDS=$(or $(ROUNDS),5) tests/net/xdp/bench.sh \
		out/gcc/tool/pagepool out/gcc/tests/net/xdp/gen out/gcc/tests/net/xdp/plain

check-files: ## run every capture file below DIR=... through capture and replay, and check the result with other readers
	@scripts/deps run python3 tshark zstd
	@test -d "$(DIR)" || { echo "make check-files DIR=FOLDER: which folder has the capture files?" >&2; exit 2; }
	@$(MAKE) --no-print-directory build
	@scripts/check-files $(BUILD)/tool/pagepool "$(DIR)"

check-telemetry: ## telemetry under abuse, the probes by perf and bpftrace, the pages in Chromium (root)
	@scripts/deps telemetry
	@scripts/check telemetry

soak: ## a long stress test, plain and under both sanitizers (ROUNDS=100000)
	@scripts/deps check
	@scripts/soak $(or $(ROUNDS),100000)

fuzz: ## every fuzzer, for so many seconds each (T=60)
	@scripts/deps check
	@scripts/fuzz $(or $(T),60)

coverage: ## line and branch coverage of src/ by the tests, into out/coverage/
	@scripts/deps check gcovr
	@scripts/coverage

bench: bench-build ## benchmarks beside other libraries and the limits (QUICK=1: a minute; ONLY=ROW,...)
	@bench/run $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) \
		--json $(if $(QUICK)$(ONLY),out/bench/results.json,bench/results.json)
	@$(if $(QUICK)$(ONLY),:,bench/report)

bench-counts: bench-build ## instruction counts, valid on a noisy machine
	@scripts/deps run valgrind
	@bench/counts --json out/bench/counts.json

asm: deps-run build ## print the machine code of get and put, as released
	@scripts/deps run binutils
	@scripts/asm $(BUILD)/libpagepool.so

budget: ## store the instruction counts of get and put that `make check` enforces
	@scripts/deps check
	@scripts/budget

bench-debian: ## benchmarks beside the DPDK of another Debian release, as root: SUITE=sid, ONLY=ROW,...
	@scripts/deps machines mmdebstrap debian-archive-keyring
	@scripts/check-debian bench $(or $(SUITE),sid) $(ONLY)

bench-build:
	@scripts/deps run libdpdk-dev libjemalloc-dev libmimalloc-dev libjudy-dev gnuplot-nox python3 \
		valgrind strace
	@test -f out/bench/build.ninja || \
		meson setup out/bench -Dtests=false -Dbench=true >/dev/null
	@ninja --quiet -C out/bench

sample: ## regenerate tests/data/real.pcap from real clients (root, network namespaces)
	@tests/data/make-sample.sh

install: all ## install under PREFIX (/usr/local) and DESTDIR
	@meson install -C $(BUILD) --no-rebuild --quiet
	@test -n "$(DESTDIR)" || ! test -w /etc/ld.so.cache || PATH=$$PATH:/sbin:/usr/sbin ldconfig
	@echo "Installed under $(DESTDIR)$$(meson introspect --buildoptions $(BUILD) | \
		grep -o '"name": "prefix", "value": "[^"]*"' | cut -d'"' -f8)."

site: ## the documentation as static pages, into out/site/
	@scripts/deps check python3-markdown
	@scripts/site out/site && echo "out/site/index.html"

abi: deps-run build ## store the libraries' ABI in tests/abi/, after an intended change
	@scripts/deps check abigail-tools
	@scripts/abi $(BUILD)

deb: ## Debian packages of the working tree, into out/deb/
	@scripts/deps check build-essential debhelper dpkg-dev fakeroot lintian
	@scripts/deb

deb-test: deb ## test the packages in a clean Debian: install, build the examples, run everything (root)
	@scripts/deps check mmdebstrap
	@scripts/deb-test

format: ## format the C sources (.clang-format)
	@clang-format -i $$(git ls-files src include examples tests net tool telemetry bench dpdk | grep '\.[ch]$$')

clean: ## remove what was built
	@rm -rf $(BUILD) out

deps-run:
	@scripts/deps run

help: ## this menu
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: all build run check check-quick model soak coverage bench bench-counts asm budget \
	bench-build sample install format clean deps-run help check-vm fuzz check-dpdk abi deb \
	deb-test site check-net check-xdp bench-xdp check-telemetry bench-vm check-kernel check-kernel-quick \
	bench-dpdk bench-debian check-machines check-arm64 check-debian check-ktools explore-acquires check-files \
	check-ktools-vm
