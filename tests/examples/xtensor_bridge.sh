#!/usr/bin/env bash
# The example prints the numbers that its first comment states.
set -euo pipefail
diff <(sed -n '/^[^/]/q; s|^//     ||p' "$1/examples/xtensor_bridge.cpp") \
  <("$2/examples/xtensor_bridge")
