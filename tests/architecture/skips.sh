#!/usr/bin/env bash
# The nested builds of tier all notice a test that skips, and let those skip
# that may.
set -euo pipefail
source_dir=$1
# shellcheck source=tests/nested_build.sh
. "$source_dir/tests/nested_build.sh"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The end of a log of ctest.
cat >"$log" <<'END'
100% tests passed, 0 tests failed out of 900

The following tests did not run:
	 12 - RealData.Mnist (Skipped)
	 34 - RealData.FashionMnist (Skipped)
	567 - Shapes/ConvKernel.FastMatchesTheDefinitionWhereItRuns/odd (Skipped)
END
found=$(unexpected_skips "$log" | tr '\n' ' ')
[[ $found == "RealData.FashionMnist Shapes/ConvKernel."*"/odd " ]] ||
  { echo "found: $found"; exit 1; }
found=$(unexpected_skips "$log" '.*ConvKernel.*')
[[ $found == RealData.FashionMnist ]] || { echo "found: $found"; exit 1; }
