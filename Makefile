# The two commands: `make demo` and `make test`. Both install what is missing on Debian 12 and can be run again.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
# Debian leaves the sbin of mosquitto and mke2fs out of a plain user's path.
export PATH := $(HOME)/.cargo/bin:$(PATH):/usr/sbin:/sbin
# Seconds of fuzzing per target inside `make test`; `make fuzz FUZZ=3600` for a campaign.
FUZZ ?= 30
# Sections that `make scte35` generates for the two crates, and for threefive, which takes a second for two thousand.
SECTIONS ?= 2000000

# Power cuts of one machine in `make powercut`, a boot each: half a minute, more on a busy builder.
N ?= 20

.PHONY: help demo test lint docs unit fuzz powercut capture deb scte35 bench print clean
help: ## this list
	@sed -n 's/^\([a-z0-9]*\):.*## /\1\t/p' Makefile | expand -t 10

demo: ## three cameras, a broker and Vedette on this machine; Ctrl-C ends it
	@tests/setup demo
	@cargo build --locked --bins
	@tests/demo/run

test: ## everything: formatting, lints, documents, unit, live, QEMU and fuzz tests
	@tests/setup test
	@$(MAKE) --no-print-directory lint docs unit fuzz

lint:
	cargo fmt --all --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --package vedette-gst --all-targets -- -D warnings
	cargo deny --workspace --log-level error check bans licenses sources
	shellcheck .ci/run tests/setup tests/demo/run tests/fuzz/run tests/vm/install-qemu tests/vm/image.sh tests/vm/recorder/*.sh \
	  tests/busybox/rcS tests/busybox/story.sh buildroot/package/vedette/S99vedette \
	  systemd/debian/postinst systemd/debian/postrm buildroot/release buildroot/board/vedette/post-build.sh \
	  buildroot/package/vedette/S99vedette tests/busybox/rcS tests/busybox/story.sh

docs:
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --locked --no-deps --document-private-items --quiet

unit: target/debian/vedette-test.deb
	cargo nextest run --locked --no-fail-fast --package vedette-gst
	cargo nextest run --locked --no-fail-fast

# The package as the QEMU test installs it: the same files, built with the profile the tests already built.
target/debian/vedette-test.deb: $(shell find src systemd config Cargo.toml Cargo.lock -type f 2>/dev/null)
	cargo build --locked --bins
	cargo deb --locked --quiet --profile dev --no-build --output $@

deb: ## the packages for a recording node, in target/debian/
	@tests/setup test
	cargo deb --locked
	cargo deb --locked --package vedette-gst --multiarch foreign

fuzz:
	tests/fuzz/run $(FUZZ)

powercut: target/debian/vedette-test.deb ## a virtual machine whose mains fail N times while the store writes
	CUTS=$(N) cargo nextest run --locked --test vm --run-ignored only --no-capture many_cuts

capture: target/debian/vedette-test.deb ## the node probe's test trees anew, from a QEMU guest with RAID, NVMe and network cards
	VEDETTE_CAPTURE=1 cargo nextest run --locked --test vm --no-capture a_recorder

scte35: ## our SCTE 35 decoder against two crates and threefive, over SECTIONS generated sections
	@tests/setup test
	SCTE35_SECTIONS=$(SECTIONS) SCTE35_THREEFIVE=20000 cargo nextest run --locked --no-capture --test scte35

bench: ## speed and memory against peers in the same run; numbers go to BENCHMARKS.md
	cargo bench --locked
	cargo bench --locked --package vedette-gst

print: ## rewrites the committed copies of what the program prints
	cargo build --locked --bins
	target/debug/vedette print config > config/full.toml
	target/debug/vedette print metrics > METRICS.md
	target/debug/vedette print rules --dir config/rules
	target/debug/vedette print dashboard > config/grafana/recording-node.json

clean:
	cargo clean
