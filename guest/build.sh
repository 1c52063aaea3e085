#!/usr/bin/env bash
# Builds every guest component from source into guest/dist, with a manifest of what was built from what.
#
#   build.sh [--debian]     the option goes to toolchain.sh
#   build.sh --sources      prints the digest of the sources and builds nothing
#
# The bytes depend on the sources and the compiler only: every path that rustc could write into a component (the
# workspace, the registry's cache, std's source, the build folder) is replaced by a made-up one. So a component names neither
# the machine nor the registry that it was built with, and two machines with one compiler build the same bytes.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
target=wasm32-unknown-unknown

# SHA-256 over what sha256sum prints for each source file, in the order of the paths' bytes. tests/e2e/tests/guests_dist.rs computes the same.
sources() {
  (
    cd "$root"
    find guest wit -type d \( -path guest/dist -o -name target \) -prune -o \
      -type f \( -name '*.rs' -o -name '*.toml' -o -name '*.lock' -o -name '*.wit' \) -print0 |
      LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
  )
}

[ "${1:-}" != --sources ] || { sources; exit; }

rustc=$("$root/guest/toolchain.sh" "$@")
compiler=$("$rustc" --version)
build=${CARGO_TARGET_DIR:-$root/guest/target}
cargo_home=${CARGO_HOME:-$HOME/.cargo}
export RUSTC=$rustc CARGO_TARGET_DIR=$build
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS # any of them would replace the flags of guest/.cargo/config.toml

cd "$root/guest" # cargo reads .cargo/config.toml from here upwards
cargo fetch -q --locked
flags="\"--remap-path-prefix=$root=/lockgate\",\"--remap-path-prefix=$build=/build\""
flags+=",\"--remap-path-prefix=$("$rustc" --print sysroot)/lib/rustlib/src/rust=/rustc\""
for registry in "$cargo_home"/registry/src/*; do flags+=",\"--remap-path-prefix=$registry=/cargo\""; done

release=$build/$target/release
rm -f "$release"/*.wasm
cargo build --locked --release --target $target --config "target.$target.rustflags=[$flags]"

dist=$root/guest/dist
rm -rf "$dist.new"; mkdir "$dist.new"
components=
for built in "$release"/*.wasm; do
  name=$(basename "$built" .wasm); name=${name//_/-}
  [ "$(head -c 8 "$built" | od -An -tx1 | tr -d ' \n')" = 0061736d0d000100 ] || { echo "$built is no component" >&2; exit 1; }
  cp "$built" "$dist.new/$name.wasm"
  digest=$(sha256sum "$built" | cut -d' ' -f1) bytes=$(stat -c %s "$built")
  components+=$(printf '    { "component": "%s", "sha256": "%s", "bytes": %d }' "$name" "$digest" "$bytes"),$'\n'
  printf '%-24s %8d bytes  %s\n' "$name" "$bytes" "$digest"
done
cat >"$dist.new/manifest.json" <<M
{
  "sources": "$(sources)",
  "compiler": "$compiler",
  "components": [
${components%,$'\n'}
  ]
}
M
rm -rf "$dist"; mv "$dist.new" "$dist"
