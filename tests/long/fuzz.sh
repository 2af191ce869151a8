#!/usr/bin/env bash
# The readers of files under libFuzzer, ten minutes each.
FUZZ_SECONDS=600 exec bash "$1/tests/all/fuzz.sh" "$@"
