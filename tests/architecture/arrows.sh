#!/usr/bin/env bash
# Reads every #include below SOURCE and fails on an arrow that points back, on
# a public header that includes more than the standard library and Mjolnir's
# own public headers, and (to prove that it looks) on three planted mistakes.
set -euo pipefail
source_dir=$1

declare -A sees=(
  [core]="core"
  [io]="core io"
  [data]="core io data"
  [layers]="core layers"
  [curvature]="core layers curvature"
  [optim]="core layers curvature optim"
  [models]="core layers models"
  [testing]="core layers testing"
  [train]="core io data layers curvature optim models train"
)

# check ROOT: prints each forbidden include as file: include, if there is one
check() {
  local root=$1 file include room target is_public
  while IFS=: read -r file include; do
    file=${file#"$root/"}
    room=${file%%/*}
    include=$(sed -E 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*//; s/[[:space:]]*(\/\/.*)?$//' <<<"$include")
    is_public=0
    if [[ $file == *.h && ! $file =~ /(kernels|detail)/ ]]; then
      is_public=1
    fi
    target=
    case $include in
      '<mjolnir/'*) target=${include#<mjolnir/} ;;
      '"'*) target=${include#\"} ;;
    esac
    target=${target%[>\"]}
    if [[ -n $target ]]; then
      if [[ " ${sees[$room]} " != *" ${target%%/*} "* ]]; then
        echo "$file: $include: $room does not see ${target%%/*}"
      elif [[ $is_public -eq 1 && $target =~ /(kernels|detail)/ ]]; then
        echo "$file: $include: a public header includes a private one"
      fi
    elif [[ $is_public -eq 1 && ! $include =~ ^\<[a-z_0-9]+\>$ &&
      $file != core/xtensor.h ]]; then
      echo "$file: $include: a public header includes another library"
    fi
  done < <(cd "$root" && find "${!sees[@]}" -type f \( -name '*.h' -o -name '*.cpp' \) \
    -exec grep -HE '^[[:space:]]*#[[:space:]]*include' {} + 2>/dev/null)
}

found=$(check "$source_dir")
if [[ -n $found ]]; then
  echo "$found"
  exit 1
fi

planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
mkdir -p "$planted"/{core,layers,optim}
echo '#include <mjolnir/layers/dense.h>' >"$planted/core/a.cpp"
echo '#include "core/detail/check.h"' >"$planted/layers/b.h"
echo '#include <xtensor/xarray.hpp>' >"$planted/optim/c.h"
if [[ $(check "$planted" | wc -l) -ne 3 ]]; then
  echo "the check overlooks a planted mistake:"
  check "$planted"
  exit 1
fi
