# The commands that people type. `make` alone lists them.

PEOPLE ?= 100000
DETERMINE ?= 1000000
RECONCILE ?= 1000000
CLUSTER_PEOPLE ?= 100000
INSTANCES_PEOPLE ?= 100000
HISTORY ?= 120
HISTORY_LINES ?= 10000
TRANSFERS ?= 50000

# Where cargo puts what it builds.
TARGET := $(or $(CARGO_TARGET_DIR),$(CARGO_BUILD_TARGET_DIR),target)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-cluster test-exports test-instances lint lint-deploy bench bench-accounts bench-history bench-peers prepare

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

setup: ## Find or install PostgreSQL, NATS and Rust
	@deploy/setup

# The quick build: who tries it out waits a minute for it, and not five.
demo: setup ## A month's payout from beginning to end, on servers of its own
	cargo build -p ansinh
	$(TARGET)/debug/ansinh demo --checker tests/checker/credits.py

test: ## All tests, on servers of their own
	@deploy/setup --for-tests
	cargo build -p ansinh
	$(TARGET)/debug/ansinh servers exec -- cargo test --workspace

test-cluster: setup ## A pay day, CLUSTER_PEOPLE=100000, on three NATS servers, of which each may end
	cargo build --release -p ansinh
	CLUSTER_PEOPLE=$(CLUSTER_PEOPLE) $(TARGET)/release/ansinh servers exec -- \
	  cargo test --release -p tests --test it -- --nocapture cluster

test-instances: setup ## A pay day, INSTANCES_PEOPLE=100000, with two instances of each service, of which one may end
	cargo build --release -p ansinh
	INSTANCES_PEOPLE=$(INSTANCES_PEOPLE) $(TARGET)/release/ansinh servers exec -- \
	  cargo test --release -p tests --test it -- --nocapture instances

# Unoptimized, they would take longer than all other tests together.
test-exports: ## Files of 2,000,001 rows in each format: complete, and memory stays flat
	cargo test --release -p ansinh --lib -- --ignored --test-threads 1 two_million

lint: ## Format and lints, as before a commit
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

lint-deploy: ## Units, Dockerfile and chart, by the linters that pip and Debian have
	deploy/lint

bench: setup ## Measure a payout, PEOPLE=100000, one payment, determining, DETERMINE=1000000, and matching
	cargo build --release -p ansinh
	$(TARGET)/release/ansinh bench --people $(PEOPLE)
	$(TARGET)/release/ansinh bench --people $(PEOPLE) --unsealed
	$(TARGET)/release/ansinh bench --latency
	$(TARGET)/release/ansinh bench --determine --people $(DETERMINE)
	$(TARGET)/release/ansinh bench --reconcile --people $(RECONCILE)
	cargo run --release --quiet -p rules --example pace -- services/eligibility/programmes

bench-accounts: setup ## Measure links imported and people found, PEOPLE=100000
	cargo build --release -p ansinh
	$(TARGET)/release/ansinh bench --accounts --people $(PEOPLE)

bench-history: setup ## Measure a month before and after HISTORY=120 earlier runs of HISTORY_LINES=10000
	cargo build --release -p ansinh
	$(TARGET)/release/ansinh bench --people $(PEOPLE) --history-runs $(HISTORY) --history-lines $(HISTORY_LINES)

bench-peers: setup ## Measure other ledgers beside ours on one PostgreSQL, TRANSFERS=50000
	cargo build --release -p ansinh
	cargo build --release --manifest-path tests/peers/Cargo.toml --target-dir $(TARGET)/peers
	$(TARGET)/release/ansinh servers exec -- $(TARGET)/peers/release/peers $(TRANSFERS)

# A query that was changed does not build before it is prepared, so a program that was built
# before the change does as well.
prepare: setup ## For developers: describe the SQL queries in .sqlx again
	@cargo sqlx --version >/dev/null 2>&1 || { \
	  echo 'make prepare needs sqlx-cli: cargo install sqlx-cli --no-default-features --features postgres,rustls' >&2; \
	  exit 1; }
	@test -x $(TARGET)/debug/ansinh || cargo build -p ansinh
	$(TARGET)/debug/ansinh servers exec -- sh -c \
	  'cargo sqlx database reset -y --source migrations && cargo sqlx prepare --workspace -- --all-targets'
