#!/usr/bin/env bash
# Builds the fuzz targets of tests/fuzz with clang 19 in build-fuzz, and runs each:
#
#   scripts/fuzz.sh [SECONDS]    for so many seconds each; default 20
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

export FRANCINE_FUZZ_SECONDS=${1:-20}
if [[ ! $FRANCINE_FUZZ_SECONDS =~ ^[0-9]+$ ]]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' scripts/fuzz.sh >&2
  exit 2
fi
if [[ ! -e build-fuzz/build.ninja ]]; then
  CXX=clang++-19 meson setup -Dfuzz=true -Dexamples=false -Dbench=false -Db_lundef=false \
    -Doptimization=1 -Ddebug=false -Dcpp_args=-g1 -Ddefault_library=static build-fuzz .
fi
exec meson test -C build-fuzz --suite fuzz --print-errorlogs
