#!/usr/bin/env bash
# Installs what the tests need, builds, and runs every suite; then the suites unit,
# simulation, contract, api and system again under ASan and UBSan, and those of them that
# have threads under TSan; then the fuzz targets for a while. The last line is "N passed,
# N failed", counted in test cases over all runs, with ", N skipped" where some could not be
# run on this machine.
#
#   ./run_tests.sh [--fast] [--suite NAME]...
#
#   --fast         without the sanitizer builds and the fuzz targets
#   --suite NAME   only this suite (unit, simulation, contract, api, system, tidy, fuzz, ...)
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"

fast=false
suites=()
while (($# > 0)); do
  case "$1" in
    --fast) fast=true ;;
    --suite)
      [[ $# -ge 2 ]] || { echo "run_tests.sh: --suite needs a name" >&2; exit 2; }
      suites+=("$2")
      shift
      ;;
    -h | --help)
      sed -n '2,/^set/s/^# \{0,1\}//p' run_tests.sh
      exit 0
      ;;
    *)
      echo "run_tests.sh: unknown option $1" >&2
      exit 2
      ;;
  esac
  shift
done

logs=()

# run DIRECTORY SUITES WITHOUT MESON-OPTIONS...: sets the build up, builds and tests it, but not
# what is in the suite WITHOUT. What fails is found in its log, or by its missing, in the end.
run() {
  local directory=$1 chosen=$2 without=$3
  shift 3
  echo "== $directory: ${chosen:-all suites}"
  local arguments=()
  for suite in $chosen; do
    arguments+=(--suite "$suite")
  done
  [[ -z $without ]] || arguments+=(--no-suite "$without")
  local log="$directory/meson-logs/testlog.json"
  rm -f "$log"
  logs+=("$log")
  if [[ ! -e $directory/build.ninja ]]; then
    meson setup "$@" "$directory" . || return 0
  fi
  meson test -C "$directory" --print-errorlogs "${arguments[@]}" || true
}

# Those of these suites that were asked for, on one line.
chosen_of() {
  local suite chosen=()
  for suite in "$@"; do
    if ((${#suites[@]} == 0)) || [[ " ${suites[*]} " == *" $suite "* ]]; then
      chosen+=("$suite")
    fi
  done
  echo "${chosen[*]-}"
}

# What was compiled in another folder counts here too.
export CCACHE_NOHASHDIR=1

scripts/install-packages.sh tests
if [[ ${suites[*]-} != fuzz ]]; then
  run build "${suites[*]-}" "" --buildtype=release
fi
# Lines are all that reports need of debug information; the rest takes a quarter of the time
# of compiling.
sanitizer_options=(-Doptimization=1 -Ddebug=false -Db_lundef=false -Ddefault_library=static
  -Dexamples=false -Dbench=false)
sanitized=$(chosen_of unit simulation contract api system)
threaded=$(chosen_of unit contract api system)
if ! $fast && [[ -n $sanitized ]]; then
  # A report ends the process: whoever watches it sees the failure.
  export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
  export TSAN_OPTIONS=halt_on_error=1:suppressions=$PWD/tests/support/tsan-suppressions.txt
  # Things take longer; deadlines in tests are multiplied by this.
  export FRANCINE_TEST_SLOWNESS=5
  # What ASan notices anyway, and what this processor does not mind, would take nearly half
  # of the time of compiling. (The fuzz targets are built with all of UBSan.)
  run build-asan "$sanitized" "" "${sanitizer_options[@]}" -Db_sanitize=address,undefined \
    '-Dcpp_args=-g1 -fno-sanitize=null,object-size,alignment,vptr'
fi
if ! $fast && [[ -n $threaded ]]; then
  # Embree as packaged is not instrumented: TSan would see races that are none.
  # (Nor does it know the fences in Asio, which g++ warns of and which it does not need.)
  run build-tsan "$threaded" one-thread "${sanitizer_options[@]}" -Db_sanitize=thread \
    -Dembree=disabled '-Dcpp_args=-g1 -Wno-tsan'
fi
if ! $fast && { ((${#suites[@]} == 0)) || [[ " ${suites[*]} " == *" fuzz "* ]]; }; then
  # Each target tries new inputs for FRANCINE_FUZZ_SECONDS.
  CXX=clang++-19 run build-fuzz fuzz "" "${sanitizer_options[@]}" -Dfuzz=true -Dcpp_args=-g1
fi

python3 scripts/count_tests.py "${logs[@]}"
