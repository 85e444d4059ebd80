#!/usr/bin/env bash
# ./dev test: its stages, each ending with the closing line of its runner. All stages run, and
# one that fails fails the whole.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly ROOT=$PWD PYTHON=$PWD/.deps/venv/bin/python
readonly JOBS=${JOBS:-$(nproc)} FUZZ_SECONDS=${FUZZ_SECONDS:-5}
readonly WHEEL_VENV=$ROOT/.deps/venv-mlflow

# The sanitizers see our code only: Arrow, RocksDB and ONNX Runtime come compiled.
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1
export LSAN_OPTIONS=suppressions=$ROOT/tools/lsan.supp:print_suppressions=0
# Without its detector of deadlocks, which aborts at a fork: the memory allocator in Arrow's library
# then takes more locks at once than it can count.
export TSAN_OPTIONS=suppressions=$ROOT/tools/tsan.supp:halt_on_error=1:history_size=4
export TSAN_OPTIONS+=:detect_deadlocks=0
export UBSAN_OPTIONS=print_stacktrace=1

summary=()
failed=0

# stage TITLE COMMAND…
stage() {
  local title=$1 start=$SECONDS status=0
  shift
  printf '\n== %s\n' "$title"
  "$@" || status=$?
  local word=passed
  ((status == 0)) || { word=FAILED; failed=1; }
  summary+=("$(printf '%-8s %5d s  %s' "$word" $((SECONDS - start)) "$title")")
  return $status
}

finish() {
  printf '\n== summary\n'
  printf '%s\n' "${summary[@]}"
  printf '%-8s %5d s\n' total "$SECONDS"
  exit $failed
}

build() { PRESET=$1 ./dev build "${@:2}"; }

unit_tests() {
  ctest --test-dir "build/$1" --output-on-failure -j "${2:-$JOBS}" --timeout "${3:-600}" \
    --no-tests=error
}

# One run a folder, since files of two folders may have one name. pytest says 5 when there is
# nothing to run.
pytest_folders() {
  local folder status failures=0
  for folder in python/tests tests examples; do
    [[ -d $folder ]] || continue
    status=0
    PYTHONPATH=$ROOT/build/release/python${PYTHONPATH:+:$PYTHONPATH} \
      TERCET_BINARY=$ROOT/build/release/tercet PATH=$ROOT/build/release:$PATH \
      "$PYTHON" -m pytest -q --durations=5 "$folder" </dev/null || status=$?
    ((status == 0 || status == 5)) || failures=1
  done
  return $failures
}

sanitized() {
  build "$1" tests && unit_tests "$1" "$JOBS" 1200
}

# Each fuzzer for a few seconds, from its seeds in tests/fuzz/NAME if there are any.
fuzz() {
  build asan fuzzers || return
  local fuzzer name passes=0 failures=0
  for fuzzer in build/asan/fuzzers/*_fuzz; do
    [[ -x $fuzzer ]] || continue
    name=$(basename "$fuzzer")
    mkdir -p "build/asan/fuzz/corpus/$name" "build/asan/fuzz/found"
    local seeds=()
    [[ -d tests/fuzz/$name ]] && seeds=("tests/fuzz/$name")
    if "$fuzzer" -max_total_time="$FUZZ_SECONDS" -timeout=60 -rss_limit_mb=4096 \
      -artifact_prefix="build/asan/fuzz/found/$name-" "build/asan/fuzz/corpus/$name" "${seeds[@]}" \
      >"build/asan/fuzz/$name.log" 2>&1; then
      passes=$((passes + 1))
      echo "$name: $(grep -E '^Done' "build/asan/fuzz/$name.log")"
    else
      failures=$((failures + 1))
      echo "$name: see build/asan/fuzz/$name.log and build/asan/fuzz/found/"
      tail -n 30 "build/asan/fuzz/$name.log"
    fi
  done
  echo "fuzz: $passes passed, $failures failed"
  ((failures == 0))
}

# What a machine reads of the style, and the types that checkers of the package's users see.
lint() {
  local status=0
  "$PYTHON" tools/tidy.py || status=1
  python3 tools/setup.py venv-lint || return
  (cd python && "$ROOT/.deps/venv-lint/bin/mypy" --config-file ../tools/mypy.ini \
    --cache-dir ../build/mypy -p tercet) || status=1
  return $status
}

# The wheel, installed beside mlflow and its pyarrow, runs the README's Python.
wheel() {
  ./dev wheel || return
  python3 tools/setup.py venv-mlflow || return
  "$WHEEL_VENV/bin/python" -m pip --quiet --disable-pip-version-check install --no-deps \
    --no-index --force-reinstall dist/tercet-*-cp311-*.whl || return
  in_clean_environment -m pytest -q tools/wheel_test.py </dev/null
}

docs() { in_clean_environment -m pytest -q tools/docs_test.py </dev/null; }

# Nothing of the build is on a path here.
in_clean_environment() {
  env -u PYTHONPATH -u LD_LIBRARY_PATH PATH="$WHEEL_VENV/bin:/usr/bin:/bin" \
    "$WHEEL_VENV/bin/python" "$@"
}

quick=false
case ${1:-} in
  '') ;;
  --quick) quick=true ;;
  --asan)
    stage 'address sanitizer: unit tests and cases' sanitized asan
    finish
    ;;
  --tsan)
    stage 'thread sanitizer: unit tests and cases' sanitized tsan
    finish
    ;;
  --fuzz)
    stage 'fuzzers' fuzz
    finish
    ;;
  --wheel)
    stage 'the wheel beside mlflow' wheel
    stage 'the commands of the docs' docs
    finish
    ;;
  *)
    echo "dev test: no option '$1'; see ./dev --help" >&2
    exit 2
    ;;
esac

stage 'lint' lint
if stage 'build' build release; then
  stage 'unit tests and cases' unit_tests release
  stage 'pytest' pytest_folders
fi
$quick && finish
stage 'fuzzers' fuzz
stage 'address sanitizer: unit tests and cases' sanitized asan
if stage 'the wheel beside mlflow' wheel; then
  stage 'the commands of the docs' docs
fi
finish
