#!/bin/sh
# Build the compiled core and put it where the project's own Python finds it.
set -eu
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ringback/target}"
cargo build --quiet --release --locked -p ringback-python -p ringback-pixels
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
# Renamed into place: a running process keeps the file it has mapped.
cp "$CARGO_TARGET_DIR/release/libringback_core.so" "$site/.ringback_core.new"
mv -f "$site/.ringback_core.new" "$site/ringback_core.abi3.so"
cp "$CARGO_TARGET_DIR/release/ringback-pixels" .venv/bin/.ringback-pixels.new
mv -f .venv/bin/.ringback-pixels.new .venv/bin/ringback-pixels
