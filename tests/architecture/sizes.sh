#!/usr/bin/env bash
# No source file is longer than 500 lines and no file larger than 1 MB.
set -euo pipefail
cd "$1"

files() {
  find . \( -name 'build*' -o -name .git -o -name runs -o -name .cache \) -prune \
    -o -type f "$@" -print
}

found=$(files -size +1024k | sed 's/^/over 1 MB: /')
while IFS= read -r file; do
  lines=$(wc -l <"$file")
  if [[ $lines -gt 500 ]]; then
    found+=$'\n'"over 500 lines: $file ($lines)"
  fi
done < <(files \( -name '*.h' -o -name '*.cpp' -o -name '*.py' -o -name '*.sh' \
  -o -name '*.cmake' -o -name CMakeLists.txt -o -name mjolnir \))
if [[ -n $found ]]; then
  echo "$found"
  exit 1
fi
