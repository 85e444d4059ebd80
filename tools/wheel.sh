#!/usr/bin/env bash
# Builds dist/tercet-*.whl: the package, the binary and every library that Debian 12's
# neighbours may lack, under names of its own. Called by ./dev wheel, under its lock.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly BIN=$PWD/.deps/venv/bin

up_to_date() {
  local wheel
  wheel=$(ls dist/tercet-*.whl 2>/dev/null) || return 1
  [[ $(wc -l <<<"$wheel") == 1 ]] || return 1
  [[ -z $(find src python cmake CMakeLists.txt LICENSE .deps/*.stamp tools/wheel.sh \
    tools/notices.py -name __pycache__ -prune -o -newer "$wheel" -print -quit) ]]
}

if up_to_date; then
  echo "dist/ is up to date: $(ls dist/tercet-*.whl)"
  exit 0
fi

rm -rf dist build/wheel-raw
# By the name that the presets compile with, which ccache goes by.
CXX=c++ PATH=$BIN:$PATH "$BIN/python" -m build --wheel --no-isolation \
  --outdir build/wheel-raw python >build/wheel.log 2>&1 ||
  { tail -n 60 build/wheel.log >&2; exit 1; }

# Arrow's and ONNX Runtime's private copies are in no folder that the loader knows.
LD_LIBRARY_PATH=$PWD/.deps/arrow/lib:$PWD/.deps/onnxruntime/lib PATH=$BIN:$PATH \
  "$BIN/auditwheel" repair --strip --wheel-dir dist build/wheel-raw/tercet-*.whl \
  >build/auditwheel.log 2>&1 || { tail -n 20 build/auditwheel.log >&2; exit 1; }
"$BIN/python" tools/notices.py dist/tercet-*.whl
ls -sh dist/tercet-*.whl
