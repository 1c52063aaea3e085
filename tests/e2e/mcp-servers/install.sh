#!/usr/bin/env bash
# Installs the MCP servers of the tests from PyPI into target/mcp-servers, at the versions and with the hashes of requirements.txt. Does nothing where they are there.
set -euo pipefail
cd "$(dirname "$0")"
servers=${CARGO_TARGET_DIR:-../../../target}/mcp-servers

if ! cmp -s requirements.txt "$servers/requirements.txt"; then
    rm -rf "$servers"
    python3 -m venv "$servers"
    "$servers/bin/pip" install --quiet --disable-pip-version-check --no-input --require-hashes --requirement requirements.txt
    # Last, so that a half is done again.
    cp requirements.txt "$servers/requirements.txt"
fi
