#!/usr/bin/env bash
# Finds or makes a Rust compiler that builds wasm32-unknown-unknown, and prints its path; all else goes to stderr.
#
#   toolchain.sh            the first that works of: $LOCKGATE_WASM_RUSTC, the installed rustc,
#                           the installed rustc after `rustup target add`, the toolchain below
#   toolchain.sh --debian   the toolchain below, whatever else there is
#
# Where no target can be downloaded, Debian still has what is needed: `rustc-web` is a recent compiler with
# the source of its own std. Both are unpacked below a prefix, nothing is installed, and std is built once
# (two minutes, 550 MB). The linkers, rust-lld and wasm-component-ld, come with the installed Rust.
#
#   LOCKGATE_WASM_TOOLCHAIN   that prefix; default $XDG_CACHE_HOME/lockgate-wasm or ~/.cache/lockgate-wasm
set -euo pipefail

target=wasm32-unknown-unknown
say() { echo "wasm toolchain: $*" >&2; }
fail() { say "$@"; exit 1; }
builds_wasm() { compgen -G "$("$1" --print target-libdir --target $target 2>/dev/null)/libstd-*.rlib" >/dev/null; }

installed_rustc() {
  if [ -n "${LOCKGATE_WASM_RUSTC:-}" ]; then
    builds_wasm "$LOCKGATE_WASM_RUSTC" || fail "LOCKGATE_WASM_RUSTC=$LOCKGATE_WASM_RUSTC has no std for $target"
    echo "$LOCKGATE_WASM_RUSTC"; return
  fi
  # The compiler itself, not rustup's stand-in, which would answer for another folder's toolchain.
  local rustc; rustc=$(rustc --print sysroot)/bin/rustc
  if ! builds_wasm "$rustc" && command -v rustup >/dev/null; then
    say "asking rustup for $target"
    timeout 300 rustup target add $target >&2 || say "rustup cannot provide it here"
  fi
  builds_wasm "$rustc" && echo "$rustc"
}

# One Debian package unpacked below a folder. apt checks what it downloads against Debian's signatures.
unpack() {
  local package=$1 into=$2
  (cd "$downloads" && apt-get download -q "$package" >>"$log" 2>&1) ||
    fail "apt-get cannot download $package; see $log"
  mkdir -p "$into"
  dpkg-deb --fsys-tarfile "$downloads/${package}"_*.deb | tar -x -C "$into" "${@:3}"
  rm -f "$downloads/${package}"_*.deb
}

# The package of $1's dependencies whose name matches $2: it carries a version in its name.
dependency() { sed -nE "/^ *\|?Depends: $2\$/{s/.*: //p;q}" <<<"$(apt-cache depends "$1" 2>/dev/null)"; }

unpack_compiler() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    fail "no $target in this Rust, and no apt to get another from: run 'rustup target add $target' on a machine with a network"
  has_candidate() { [[ $(apt-cache policy rustc-web 2>/dev/null) =~ Candidate:\ [0-9] ]]; }
  has_candidate || apt-get update -q >>"$log" 2>&1 || true
  has_candidate || fail "no package rustc-web here (Debian 12 has it); see $log"
  downloads=$prefix/downloads; rm -rf "$downloads" "$compiler" "$source"; mkdir -p "$downloads"
  local std llvm
  std=$(dependency libstd-rust-web-dev 'libstd-rust-web-[0-9.]*')
  llvm=$(dependency "$std" 'libllvm[0-9]*')
  [ -n "$std" ] && [ -n "$llvm" ] || fail "rustc-web does not depend on what it used to: std '$std', llvm '$llvm'"
  say "unpacking rustc-web, its libraries and the source of its std below $prefix"
  for package in rustc-web libstd-rust-web-dev "$std" "$llvm"; do
    unpack "$package" "$compiler" --exclude=./usr/share
  done
  unpack rust-web-src "$source" --strip-components=5 --wildcards './usr/src/rustc-*/library'
  rm -rf "$downloads"
  touch "$prefix/unpacked"
}

write_front() {
  local tools=$1 there=$compiler/usr/lib/rustlib/$host/bin
  mkdir -p "$there" "$prefix/bin"
  ln -sfn "$tools/rust-lld" "$tools/wasm-component-ld" "$there/"
  printf '#!/bin/sh\nLD_LIBRARY_PATH="%s${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "%s" "$@"\n' \
    "$compiler/usr/lib/x86_64-linux-gnu" "$compiler/usr/bin/rustc" >"$front"
  chmod +x "$front"
}

# std's own crates, with their lockfile, as the compiler's makers build them; panics abort in every guest.
# Panic messages carry source paths: of std as the compiler's release would show it, of its dependencies without the registry.
build_std() {
  say "building std for $target"
  local build=$prefix/std-build libraries=$compiler/usr/lib/rustlib/$target/lib flags
  export RUSTC=$front RUSTC_BOOTSTRAP=1 __CARGO_DEFAULT_LIB_METADATA=lockgate
  (
    cd "$source"
    cargo fetch -q --locked --manifest-path sysroot/Cargo.toml --target $target
    flags="-Zforce-unstable-if-unmarked -Cembed-bitcode=yes -Cpanic=abort --remap-path-prefix=$source=/rustc/library"
    for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do flags+=" --remap-path-prefix=$registry=/cargo"; done
    RUSTFLAGS=$flags CARGO_TARGET_DIR=$build CARGO_PROFILE_DIST_DEBUG=0 \
      cargo build --locked --profile dist --manifest-path sysroot/Cargo.toml --target $target
  ) >>"$log" 2>&1 || { tail -n 30 "$log" >&2; fail "std cannot be built; see $log"; }
  rm -rf "$libraries"; mkdir -p "$libraries"
  cp "$build/$target/dist/deps/"*.rlib "$libraries/"
  rm -rf "$build"
}

debian_rustc() {
  local tools; tools=$(rustc --print sysroot)/lib/rustlib/$host/bin
  for tool in rust-lld wasm-component-ld; do
    [ -x "$tools/$tool" ] || fail "$tools/$tool is missing: the installed Rust must be one from rustup"
  done
  mkdir -p "$prefix"; log=$prefix/log
  exec 9>"$prefix/lock"; flock 9
  if ! { [ -x "$front" ] && builds_wasm "$front"; }; then
    : >"$log"
    [ -e "$prefix/unpacked" ] || unpack_compiler
    write_front "$tools"
    build_std
  fi
  write_front "$tools"
  echo "$front"
}

host=$(rustc -vV | sed -n 's/^host: //p')
prefix=${LOCKGATE_WASM_TOOLCHAIN:-${XDG_CACHE_HOME:-$HOME/.cache}/lockgate-wasm}
mkdir -p "$prefix"; prefix=$(cd "$prefix" && pwd)
compiler=$prefix/compiler source=$prefix/std front=$prefix/bin/rustc

case ${1:-} in
  --debian) debian_rustc ;;
  '') installed_rustc || debian_rustc ;;
  *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
