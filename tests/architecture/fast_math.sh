#!/usr/bin/env bash
# -ffast-math makes isnan() false for every NaN: such a build must not compile.
set -euo pipefail
include=$2/include
compile() {
  echo '#include <mjolnir/core/types.h>' |
    "${CXX:-c++}" -std=c++17 -fsyntax-only -I "$include" "$@" -x c++ - 2>&1
}
compile -O2
for flag in -ffast-math -ffinite-math-only -Ofast; do
  if output=$(compile "$flag"); then
    echo "$flag was accepted"
    exit 1
  fi
  if ! grep -q 'Mjolnir cannot be compiled with -ffast-math' <<<"$output"; then
    echo "$flag was refused for another reason:"
    echo "$output"
    exit 1
  fi
done
