#!/usr/bin/env bash
# Every shell script of the tree, read by shellcheck.
set -euo pipefail
cd "$1"
mapfile -t scripts < <(find tests bench .ci -type f \( -name '*.sh' -o -name run \))
# The file that others read comes in their places.
shellcheck -x mjolnir cmake/mjolnir.in "${scripts[@]}"
echo "$((${#scripts[@]} + 2)) scripts"
