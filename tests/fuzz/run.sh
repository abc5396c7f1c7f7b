#!/usr/bin/env bash
# Runs one fuzz target on its kept corpus: run.sh PROGRAM CORPUS. It tries new inputs
# for FRANCINE_FUZZ_SECONDS (20); those that reach new code are kept beside the
# program, in NAME.found, and what breaks it in NAME.broken-*. (libFuzzer would end with
# 77 then, which a test suite takes for "skipped".)
set -euo pipefail

program=$1
corpus=$2
mkdir -p "$program.found"
exec "$program" -max_total_time="${FRANCINE_FUZZ_SECONDS:-20}" -timeout=10 -rss_limit_mb=1024 \
  -max_len=20000 -error_exitcode=1 -print_final_stats=1 -verbosity=1 -artifact_prefix="$program.broken-" \
  "$program.found" "$corpus"
