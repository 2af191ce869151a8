#!/usr/bin/env bash
# extract.sh FOLDER FILE...: writes every ```cpp block of the Markdown files to
# FOLDER/<file>_<n>.cpp and prints, per block, "name standard run". A block
# with main() is a program that a test runs; others are only compiled. A
# comment on the line above a block changes that:
#
#   <!-- in main -->           statements: main() is put around them
#   <!-- C++17 -->             compiled as C++17 (default: C++20)
#   <!-- run with: s/5/1/ -->  this sed command shortens what the test runs
set -euo pipefail
folder=$1
shift
mkdir -p "$folder"
rm -f "$folder"/*.cpp

for file in "$@"; do
  name=$(basename "$file" .md)
  awk -v prefix="$folder/${name//[^A-Za-z0-9]/_}" '
    /^```/ && inside { inside = 0; close(out); next }
    /^```cpp$/ {
      out = prefix "_" ++count ".cpp"
      printf "// %s\n", comment > out
      inside = 1
      next
    }
    inside { print > out; next }
    { comment = ($0 ~ /^<!--.*-->$/) ? $0 : "" }
  ' "$file"
done

for snippet in "$folder"/*.cpp; do
  [[ -e $snippet ]] || continue
  comment=$(head -n 1 "$snippet")
  body=$(tail -n +2 "$snippet")
  standard=20 run=no
  case $comment in
    *'<!-- C++17 -->'*) standard=17 ;;
    *'<!-- run with: '*)
      command=${comment#*run with: }
      body=$(sed -E "${command% -->}" <<<"$body")
      ;;
    *'<!-- in main -->'*) body="int main() {"$'\n'"$body"$'\n'"}" ;;
  esac
  if [[ $body != *'#include'* ]]; then
    body="#include <mjolnir/mjolnir.h>
#include <cstdio>
namespace mj = mjolnir;
$body"
  fi
  [[ $body != *'int main('* ]] || run=yes
  printf '%s\n' "$body" >"$snippet"
  echo "$(basename "$snippet" .cpp) $standard $run"
done
