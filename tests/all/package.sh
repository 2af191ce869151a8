#!/usr/bin/env bash
# The Debian package: what cpack makes holds the programs, the library and what
# one needs to use it, shows no private name, and works from where it is
# unpacked: its programs, and a program made with pkg-config.
set -euo pipefail
source_dir=$1
# shellcheck source=tests/nested_build.sh
. "$source_dir/tests/nested_build.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
  printf '%s\n' "$@"
  exit 1
}

# The same folder as the shared build of consumers.sh, with the programs.
build=$source_dir/build-package-shared
build_in "$build" -S "$source_dir" -DCMAKE_BUILD_TYPE=Release \
  -DBUILD_SHARED_LIBS=ON -DMJOLNIR_WERROR=ON -DMJOLNIR_TESTS=OFF -DMJOLNIR_EXAMPLES=ON
(cd "$build" && quietly "$scratch/cpack.log" cpack -G DEB -B "$scratch/made")
packages=("$scratch"/made/mjolnir_*.deb)
[[ ${#packages[@]} -eq 1 && -f ${packages[0]} ]] ||
  fail "expected one package, got: ${packages[*]}"
package=${packages[0]}
quietly "$scratch/unpack.log" dpkg-deb -x "$package" "$scratch/root"
usr=$scratch/root/usr
library=$(dirname "$(find "$usr/lib" -name libmjolnir.so)")

depends=$(dpkg-deb -f "$package" Depends)
for name in libc6 libdnnl2 libopenblas0-openmp libspdlog1 zlib1g; do
  [[ $depends == *"$name"* ]] || fail "the package does not ask for $name: $depends"
done
for file in bin/mjolnir include/mjolnir/mjolnir.h include/mjolnir/version.h \
  share/doc/mjolnir/LICENSE; do
  [[ -e $usr/$file ]] || fail "the package has no $file"
done
[[ -e $library/cmake/mjolnir/mjolnir-config.cmake ]] || fail "no CMake package"
if found=$(grep -rl "$source_dir" "$usr"); then
  fail "the folder of the build is named in:" "$found"
fi

# Names: many of ours, none of kernels/ and detail/, none of others.
symbols=$(nm -D --defined-only "$library/libmjolnir.so" | awk '{ print $3 }' | c++filt)
grep -q '^mjolnir::relu(' <<<"$symbols" || fail "mjolnir::relu is not to be seen"
foreign=$(grep -vE '^((vtable|VTT|typeinfo|typeinfo name) for |[a-z-]+ thunk to )?.*mjolnir::' <<<"$symbols" || true)
[[ -z $foreign ]] || fail "names of others are to be seen:" "${foreign:0:2000}"
# A private name may be seen only if a public header, a template say, needs it.
private=$(grep -oP '^(.* )?mjolnir::([a-z]+::)?(kernels|detail)::.*?(?=[(<\[]|$)' <<<"$symbols" | sort -u || true)
while read -r name; do
  [[ -z $name ]] || grep -rqw "${name##*:}" "$usr/include" ||
    fail "a private name is to be seen: $name"
done <<<"$private"

# The programs, from a folder with a blank in its name.
mv "$scratch/root" "$scratch/another root"
usr="$scratch/another root/usr"
library=$usr${library#"$scratch/root/usr"}
mjolnir=$usr/bin/mjolnir
version=$(sed -nE 's/^project\(mjolnir VERSION ([0-9.]+) .*/\1/p' "$source_dir/CMakeLists.txt")
[[ $("$mjolnir" version) == "mjolnir $version" ]] || fail "wrong version"
"$mjolnir" help | grep -q 'mjolnir COMMAND' || fail "no help"
status=0
"$mjolnir" fly 2>"$scratch/refusal" || status=$?
if [[ $status -ne 2 ]] || ! grep -q "no command 'fly'" "$scratch/refusal"; then
  fail "an unknown command: status $status" "$(cat "$scratch/refusal")"
fi
cd "$scratch"
quietly "$scratch/train.log" "$mjolnir" train --data synthetic --model mlp \
  --epochs 1 --out run
grep -q 'test accuracy' "$scratch/train.log" || fail "it did not train"
quietly "$scratch/explain.log" "$mjolnir" explain --model resnet8
# Every command that help lists starts.
for command in $("$mjolnir" help | awk '/^  [a-z]/ { print $1 }'); do
  case $command in
    version | help) ;;
    *) quietly "$scratch/help.log" "$mjolnir" "$command" --help ;;
  esac
done

# A program of one's own by pkg-config: the same as by CMake.
export PKG_CONFIG_PATH=$library/pkgconfig
[[ $(pkg-config --modversion mjolnir) == "$version" ]] || fail "pkg-config: wrong version"
flags=()  # the folder's blank comes escaped
eval "flags=($(pkg-config --cflags --libs mjolnir))"
consumer=$source_dir/tests/consumers/package
quietly "$scratch/compile.log" "${CXX:-c++}" -std=c++17 -O1 \
  "$consumer/main.cpp" "$consumer/other.cpp" -o consumer "${flags[@]}"
LD_LIBRARY_PATH=$library ./consumer >"$scratch/output" 2>&1 ||
  fail "the program made with pkg-config failed:" "$(cat "$scratch/output")"
