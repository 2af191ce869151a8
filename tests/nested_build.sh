# shellcheck shell=bash
# Read by the tests that build Mjolnir once more in another way. Builds lie
# beside build/, so that ccache, where there is one, sees the same paths.

export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$source_dir}
launcher=()
if command -v ccache >/dev/null; then
  launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
fi

# quietly LOG COMMAND...: the output goes to LOG, its end is shown on failure
quietly() {
  local log=$1
  shift
  if ! "$@" >"$log" 2>&1; then
    echo "failed: $*"
    grep -E 'error|FAILED|warning' "$log" | head -n 40 || true
    tail -n 20 "$log"
    return 1
  fi
}

# build_in FOLDER CMAKE_ARGUMENT...: configures and builds everything there
build_in() {
  local folder=$1 started=$SECONDS
  shift
  mkdir -p "$folder"
  (cd "$source_dir" && quietly "$folder/configure.log" \
    cmake "$@" -B "$folder" -G Ninja "${launcher[@]}")
  quietly "$folder/build.log" cmake --build "$folder" --parallel "$(nproc)"
  echo "built ${folder##*/} in $((SECONDS - started)) s"
}

# What may skip in a nested build; docs/testing.md says why.
may_skip='RealData\.(Mnist|Cifar10)'
may_skip+='|Environment\.OtherFlavoursOfOpenBlasAreReported'
# And what needs oneDNN, in a build without it.
# shellcheck disable=SC2034
needs_onednn='(.*/)?ConvKernel(Fast)?\..*'
needs_onednn+='|Backend\.(TheReferenceNeverAsksOneDnnForAProduct|AutoDoes)'

# run_fast FOLDER [REGEX]: the fast tests of a build; what failed runs again,
# aloud. A test that skips fails, but for those above and those of REGEX.
run_fast() {
  local run=(ctest --test-dir "$1" --parallel "$(nproc)" --no-tests=error)
  local skipped
  if ! "${run[@]}" -L '^fast$' >"$1/ctest.log" 2>&1; then
    tail -n 30 "$1/ctest.log"
    "${run[@]}" --rerun-failed --output-on-failure 2>&1 | cut -c 1-200 |
      tail -n 200
    return 1
  fi
  skipped=$(unexpected_skips "$1/ctest.log" "${2:-}")
  if [[ -n $skipped ]]; then
    printf '%s\n' "these tests skipped, and none of them may:" "$skipped"
    return 1
  fi
  grep -E 'tests passed|Total Test time' "$1/ctest.log"
}

# unexpected_skips LOG [REGEX]: names from the list at the end of ctest's log
unexpected_skips() {
  sed -nE 's/^[[:space:]]*[0-9]+ - (.*) \(Skipped\)$/\1/p' "$1" |
    grep -vxE "$may_skip${2:+|$2}" || true
}
