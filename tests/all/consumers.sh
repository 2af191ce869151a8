#!/usr/bin/env bash
# Projects of users: one finds an installed Mjolnir in a prefix that was moved,
# static and shared; one is README.md's, word for word; one has it as a subfolder
# and adds an op, a layer and an optimizer of its own.
set -euo pipefail
source_dir=$1
build=$2
# shellcheck source=tests/nested_build.sh
. "$source_dir/tests/nested_build.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# run_consumers FOLDER: each program there returns 0
run_consumers() {
  local program
  for program in "$1"/consumer_*; do
    "$program" >"$scratch/output" 2>&1 || {
      echo "${program##*/} failed:"
      cat "$scratch/output"
      exit 1
    }
  done
}

for kind in static shared; do
  shared=OFF
  [[ $kind == static ]] || shared=ON
  build_in "$source_dir/build-package-$kind" -S "$source_dir" \
    -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=$shared \
    -DMJOLNIR_WERROR=ON -DMJOLNIR_TESTS=OFF -DMJOLNIR_EXAMPLES=OFF
  quietly "$scratch/install.log" cmake --install \
    "$source_dir/build-package-$kind" --prefix "$scratch/first-$kind"
  mv "$scratch/first-$kind" "$scratch/moved-$kind"
  if find "$scratch/moved-$kind" | grep -E '/(kernels|detail)(/|$)'; then
    echo "private headers were installed"
    exit 1
  fi
  if grep -rl -e "$source_dir" -e "$scratch/first" "$scratch/moved-$kind" \
    --include='*.cmake' --include='*.h'; then
    echo "the package names the folder it was built or installed in"
    exit 1
  fi
  for type in Release Debug; do
    build_in "$scratch/consumer-$kind-$type" \
      -S "$source_dir/tests/consumers/package" -DCMAKE_BUILD_TYPE=$type \
      -DCMAKE_PREFIX_PATH="$scratch/moved-$kind"
    run_consumers "$scratch/consumer-$kind-$type"
  done
done
# The static library by pkg-config, from the prefix that was moved.
PKG_CONFIG_PATH=$(dirname "$(find "$scratch/moved-static" -name mjolnir.pc)")
export PKG_CONFIG_PATH
read -ra flags <<<"$(pkg-config --cflags --libs mjolnir)"
mkdir "$scratch/by-pkg-config"
quietly "$scratch/by-pkg-config/compile.log" "${CXX:-c++}" -std=c++17 \
  "$source_dir/tests/consumers/package/"{main,other}.cpp \
  -o "$scratch/by-pkg-config/consumer_17" "${flags[@]}"
run_consumers "$scratch/by-pkg-config"
# A static library brings what is below it along.
needed=$(ldd "$scratch/consumer-static-Release/consumer_17")
for library in openblas dnnl libz spdlog; do
  if [[ $needed != *"$library"* ]]; then
    printf '%s\n' "the static consumer does not use $library:" "$needed"
    exit 1
  fi
done

# block LANGUAGE: the first block of that language in README.md
block() {
  awk -v fence="\`\`\`$1" '
    $0 == fence && !done { inside = 1; next }
    /^```$/ { done = done || inside; inside = 0 }
    inside' "$source_dir/README.md"
}
readme=$scratch/readme
mkdir "$readme"
block cmake >"$readme/CMakeLists.txt"
block cpp >"$readme/main.cpp"
grep -q 'find_package(mjolnir' "$readme/CMakeLists.txt"
grep -q 'int main()' "$readme/main.cpp"
build_in "$readme/build" -S "$readme" -DCMAKE_PREFIX_PATH="$scratch/moved-static"
[[ -x $readme/build/mine ]]

if cmake -S "$source_dir/tests/consumers/package" -B "$scratch/wrong-version" \
  -G Ninja -DCMAKE_PREFIX_PATH="$scratch/moved-static" -DWANTED_VERSION=0.99 \
  >"$scratch/wrong-version.log" 2>&1 ||
  ! grep -q 'compatible with requested version' "$scratch/wrong-version.log"; then
  echo "another version was not refused:"
  cat "$scratch/wrong-version.log"
  exit 1
fi

if grep -q '^MJOLNIR_NATIVE:BOOL=ON' "$build/CMakeCache.txt"; then
  if cmake --install "$build" --prefix "$scratch/native" \
    >"$scratch/native.log" 2>&1 || ! grep -q MJOLNIR_NATIVE=OFF "$scratch/native.log"; then
    echo "a build for this very CPU was installed"
    exit 1
  fi
fi

build_in "$source_dir/build-subproject" -S "$source_dir/tests/consumers/subproject" \
  -DCMAKE_BUILD_TYPE=Debug -DMJOLNIR_FOLDER="$source_dir"
run_consumers "$source_dir/build-subproject"
