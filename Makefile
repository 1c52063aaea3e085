# What a developer does here. `make` alone lists it.
.DEFAULT_GOAL := help

help: ## list what can be made
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

build: ## the binary: target/release/lockgate
	cargo build --release --locked -p lockgate-cli

demo: ## watch the main job done on real input, step by step
	cargo build --release --locked -p lockgate-cli -p lockgate-demo
	target/release/lockgate-demo

test: lint resolver policies mcp-servers ## formatting, clippy, docs, every test, and some seconds of fuzzing: what CI runs
	cargo test --workspace --locked --doc
	cargo nextest run --workspace --locked
	tests/fuzz/run.sh

resolver: ## the other resolver of paths, which the gate's tests ask the same questions, with its own test
	cargo test --locked --manifest-path tests/resolver/Cargo.toml --target-dir tests/resolver/target

policies: ## the tests of the guests' own logic (policies and their SDK), on this machine and not in WebAssembly
	cargo test --locked --manifest-path guest/Cargo.toml -p lockgate-policy --all-features
	cargo test --locked --manifest-path guest/Cargo.toml -p 'lockgate-guest-policy-*' --lib

mcp-servers: ## the MCP servers of the tests, from PyPI, into target/mcp-servers
	tests/e2e/mcp-servers/install.sh

mcp-clients: build ## the official clients of MCP at `lockgate mcp`; downloads them, from npm and PyPI
	tests/peer/mcp.py

fuzz: ## every fuzz target for FUZZ_SECONDS (10 unless told), new inputs each time; what it finds is in tests/fuzz/target/findings
	tests/fuzz/run.sh

lint: ## formatting, clippy and docs, warnings denied
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path guest/Cargo.toml
	cargo fmt --all --check --manifest-path tests/fuzz/Cargo.toml
	cargo fmt --all --check --manifest-path tests/resolver/Cargo.toml
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

soak: ## names exchanged under running file calls, 10^8 times on each path back end; EXCHANGES=N for another number
	LOCKGATE_EXCHANGES=$(or $(EXCHANGES),100000000) cargo test --workspace --locked --test gate attack_05 -- --nocapture --test-threads 1

bench: ## figures beside their floors; PEER="command that prints a ws URL" adds another server, BENCH="--quick" and the like
	cargo build --release --locked -p lockgate-cli -p lockgate-bench
	target/release/lockgate-bench run --server "target/release/lockgate serve" $(if $(PEER),--peer "$(PEER)") $(BENCH)

guests: ## rebuild guest/dist from source; fetches a wasm toolchain the first time
	guest/build.sh

audit: ## licences, sources and duplicates of dependencies, and advisories where their database can be reached
	cargo deny check bans licenses sources
	cargo deny --manifest-path tests/resolver/Cargo.toml check bans licenses sources
	cargo deny check advisories

.PHONY: help build demo test resolver policies mcp-servers mcp-clients fuzz lint soak bench guests audit
