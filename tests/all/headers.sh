#!/usr/bin/env bash
# Every public header compiles alone, included twice, without a warning, under
# g++ and clang++ (and clang++-19, where that is installed) in C++17 and C++20.
set -euo pipefail
include=$2/include
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

compilers=(g++ clang++)
if command -v clang++-19 >/dev/null; then
  compilers+=(clang++-19)
fi
for compiler in "${compilers[@]}"; do
  command -v "$compiler" >/dev/null || { echo "no $compiler here"; exit 1; }
done

# check COMPILER STANDARD HEADER
check() {
  local file
  file=$(mktemp --suffix=.cpp --tmpdir="$scratch")
  printf '#include <mjolnir/%s>\n#include <mjolnir/%s>\n' "$3" "$3" >"$file"
  "$1" "-std=$2" -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Werror \
    -I "$include" "$file" >"$file.log" 2>&1 || {
    echo "$1 -std=$2 <mjolnir/$3>:"
    head -n 20 "$file.log"
    return 1
  }
}
export -f check
export include scratch

# build/include may hold a link to a header that is gone since.
mapfile -t headers < <(cd "$include/mjolnir" && find . -name '*.h' \
  -exec test -e {} \; -print | sed 's|^\./||' | sort)
for compiler in "${compilers[@]}"; do
  for standard in c++17 c++20; do
    printf "$compiler $standard %s\n" "${headers[@]}"
  done
done | xargs -P "$(nproc)" -L 1 bash -c 'check "$@"' check
echo "${#headers[@]} headers, ${compilers[*]}"
