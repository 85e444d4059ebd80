#!/usr/bin/env bash
# Builds dist/tercet-*.whl: the package, the binary and every library that Debian 12's
# neighbours may lack, under names of its own. Called by ./dev wheel, under its lock.
#
#   tools/wheel.sh [PYTHON...]   one wheel for each of these interpreters, 3.11 or newer; by default
#                                for that of .deps/venv
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly ROOT=$PWD BIN=$PWD/.deps/venv/bin

up_to_date() {
  local wheel
  wheel=$(ls dist/tercet-*-"$1"-*.whl 2>/dev/null) || return 1
  [[ $(wc -l <<<"$wheel") == 1 ]] || return 1
  [[ -z $(find src python cmake CMakeLists.txt LICENSE .deps/*.stamp tools/wheel.sh \
    tools/requirements-wheel.txt tools/notices.py -name __pycache__ -prune -o -newer "$wheel" \
    -print -quit) ]]
}

# What another interpreter needs to build, in an environment of its own.
environment() {
  local python=$1 folder=$ROOT/build/wheel-venv-$2
  if ! cmp -s tools/requirements-wheel.txt "$folder/pins.txt"; then
    rm -rf "$folder"
    "$python" -m venv "$folder"
    "$folder/bin/python" -m pip --quiet --disable-pip-version-check install --no-deps \
      --require-hashes -r tools/requirements-wheel.txt
    cp tools/requirements-wheel.txt "$folder/pins.txt"
  fi
  echo "$folder/bin"
}

wheel() {
  local python=$1 tag bin=$BIN
  tag=$("$python" -c 'import sys
version = sys.version_info[:2]
if version < (3, 11):
    sys.exit("wheel: Python 3.11 or newer is needed, this is %d.%d" % version)
print("cp%d%d" % version)')
  if up_to_date "$tag"; then
    echo "dist/ is up to date: $(ls dist/tercet-*-"$tag"-*.whl)"
    return
  fi
  rm -rf dist/tercet-*-"$tag"-*.whl build/wheel-raw
  [[ $python == "$BIN/python" ]] || bin=$(environment "$python" "$tag")
  # By the name that the presets compile with, which ccache goes by.
  CXX=c++ PATH=$bin:$BIN:$PATH "$bin/python" -m build --wheel --no-isolation \
    --outdir build/wheel-raw python >build/wheel.log 2>&1 ||
    { tail -n 60 build/wheel.log >&2; exit 1; }

  # Arrow's and ONNX Runtime's private copies are in no folder that the loader knows.
  LD_LIBRARY_PATH=$PWD/.deps/arrow/lib:$PWD/.deps/onnxruntime/lib PATH=$BIN:$PATH \
    "$BIN/auditwheel" repair --strip --wheel-dir dist build/wheel-raw/tercet-*.whl \
    >build/auditwheel.log 2>&1 || { tail -n 20 build/auditwheel.log >&2; exit 1; }
  "$BIN/python" tools/notices.py dist/tercet-*-"$tag"-*.whl
  ls -sh dist/tercet-*-"$tag"-*.whl
}

for python in "${@:-$BIN/python}"; do
  wheel "$python"
done
