#!/usr/bin/env bash
# thor_by_hand prints the numbers that its own first comment states, once from
# the formulas and once from the optimizer.
set -euo pipefail
output=$("$2/examples/thor_by_hand")
mapfile -t stated < <(sed -n 's|^//  *\(\(-\{0,1\}[0-9.]\{8,\} *\)\{4\}\)$|\1|p' \
  "$1/examples/thor_by_hand.cpp" | sed 's/  */ /g; s/^ //; s/ $//')
[[ ${#stated[@]} -eq 2 ]] || { echo "the comment states no update"; exit 1; }
for row in "${stated[@]}"; do
  count=$(sed 's/  */ /g; s/^ //; s/ $//' <<<"$output" | grep -cxF -e "$row" || true)
  if [[ $count -ne 2 ]]; then
    printf '%s\n' "'$row' comes $count times, not twice, in:" "$output"
    exit 1
  fi
done
