#!/usr/bin/env bash
# Reads every #include below SOURCE and fails on an arrow that points back, on
# a public header that includes more than the standard library and Mjolnir's
# own public headers, on an example that includes a private header, and on
# oneDNN, xtensor or xsimd outside the files that are there for them. Planted
# mistakes prove that it looks.
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
  [examples]="core io data layers curvature optim models testing train examples mjolnir.h"
)

# Who may include a library below us: files of each pattern of includes.
declare -A used_by=(
  ['^[<"](oneapi/)?dnnl']="core/kernels/onednn.cpp"
  ['^[<"]xsimd/']="core/kernels/elementwise.cpp core/kernels/elementwise_vector.inc"
  ['^[<"]xtensor(-blas)?/']="core/detail/lapack.cpp core/kernels/gemm.cpp core/linalg.cpp core/xtensor.h train/config.cpp examples/xtensor_bridge.cpp"
)

# check ROOT: prints each forbidden include as file: include, if there is one
check() {
  local root=$1 file include room target is_public pattern
  while IFS=: read -r file include; do
    file=${file#"$root/"}
    room=${file%%/*}
    include=$(sed -E 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*//; s/[[:space:]]*(\/\/.*)?$//' <<<"$include")
    for pattern in "${!used_by[@]}"; do
      if [[ $include =~ $pattern && " ${used_by[$pattern]} " != *" $file "* ]]; then
        echo "$file: $include: this library is for ${used_by[$pattern]} alone"
      fi
    done
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
      if [[ $target != version.h && " ${sees[$room]} " != *" ${target%%/*} "* ]]; then
        echo "$file: $include: $room does not see ${target%%/*}"
      elif [[ $is_public -eq 1 && $target =~ /(kernels|detail)/ ]]; then
        echo "$file: $include: a public header includes a private one"
      elif [[ $room == examples && $target =~ /(kernels|detail)/ ]]; then
        echo "$file: $include: an example includes a private header"
      fi
    elif [[ $is_public -eq 1 && ! $include =~ ^\<[a-z_0-9]+\>$ &&
      $file != core/xtensor.h ]]; then
      echo "$file: $include: a public header includes another library"
    fi
  done < <(cd "$root" && find "${!sees[@]}" -type f \( -name '*.h' -o -name '*.cpp' -o -name '*.inc' \) \
    -exec grep -HE '^[[:space:]]*#[[:space:]]*include' {} + 2>/dev/null)
}

found=$(check "$source_dir")
if [[ -n $found ]]; then
  echo "$found"
  exit 1
fi

planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
mkdir -p "$planted"/{core/kernels,layers,optim,examples}
echo '#include <mjolnir/layers/dense.h>' >"$planted/core/a.cpp"
echo '#include "core/detail/check.h"' >"$planted/layers/b.h"
echo '#include <spdlog/spdlog.h>' >"$planted/optim/c.h"
echo '#include "core/detail/check.h"' >"$planted/examples/d.cpp"
echo '#include <oneapi/dnnl/dnnl.hpp>' >"$planted/core/kernels/e.cpp"
echo '#include <xsimd/xsimd.hpp>' >"$planted/core/kernels/f.inc"
echo '#include <xtensor-blas/xblas.hpp>' >"$planted/layers/g.cpp"
if [[ $(check "$planted" | wc -l) -ne 7 ]]; then
  echo "the check overlooks a planted mistake:"
  check "$planted"
  exit 1
fi
