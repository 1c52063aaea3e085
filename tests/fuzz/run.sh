#!/usr/bin/env bash
# Every fuzz target for FUZZ_SECONDS (10): first the seeds and what earlier runs found interesting, then new inputs. A finding
# ends the run; its input is kept in target/findings. FUZZ_SECONDS=3600 for a night, FUZZ_TARGET=paths for one target.
set -euo pipefail
cd "$(dirname "$0")"

command -v c++ >/dev/null || { echo "the fuzzer needs a C++ compiler: install g++ or clang" >&2; exit 1; }
cargo build --release --locked

host=$(rustc -vV | sed -n 's/^host: //p')
mkdir -p target/findings
for target in ${FUZZ_TARGET:-paths profiles envelopes frames streams}; do
    mkdir -p "target/corpus/$target"
    "target/$host/release/$target" -max_total_time="${FUZZ_SECONDS:-10}" -timeout=10 -max_len=4200 -dict="seeds/$target.dict" \
        -print_final_stats=1 -artifact_prefix="target/findings/$target-" "target/corpus/$target" "seeds/$target" \
        >"target/$target.log" 2>&1 || { cat "target/$target.log"; exit 1; }
    sed -n "s/^stat::number_of_executed_units: */fuzz $target: no findings, executions: /p" "target/$target.log"
done
