#!/usr/bin/env bash
# The mjolnir script, without its builds: usage, exit codes, and what it says
# when it may not install or is not on Debian. Stand-ins for the package tools
# lie in a PATH of our own, which has no sudo.
set -euo pipefail
source_dir=$1
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
chmod 755 "$tools"
for tool in bash env awk grep dirname cat id; do
  ln -s "$(command -v "$tool")" "$tools/$tool"
done

fail() {
  printf '%s\n' "$1" "status $status, it said:" "$output"
  exit 1
}

# run AS_ROOT ARGUMENT...: sets output and status
run() {
  local -a as=()
  if [[ $1 == no && $EUID -eq 0 ]]; then
    as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
  fi
  shift
  status=0
  output=$("${as[@]}" "$(command -v env)" PATH="$tools" MJOLNIR_PACKAGES= \
    bash "$tools/mjolnir/mjolnir" "$@" 2>&1 </dev/null) || status=$?
}

# A copy, so that another user can read it and build/ stays untouched.
mkdir -p "$tools/mjolnir/cmake"
cp "$source_dir/mjolnir" "$tools/mjolnir/"
cp "$source_dir/cmake/packages.txt" "$tools/mjolnir/cmake/"
chmod -R a+rX "$tools/mjolnir"

run yes help
[[ $status -eq 0 ]] || fail "help failed"
for command in train test bench data; do
  grep -qE "^  $command" <<<"$output" || fail "help does not list $command"
done
[[ $output != *$'\e'* ]] || fail "help printed an escape code"

run yes nonsense
[[ $status -eq 2 && $output == *"'nonsense'"* ]] ||
  fail "an unknown command is not a usage error"
run yes
[[ $status -eq 2 ]] || fail "no command is not a usage error"
run yes test --nonsense
[[ $status -eq 2 && $output == *"'--nonsense'"* ]] ||
  fail "an unknown option of test is not a usage error"
run yes test -R
[[ $status -eq 2 ]] || fail "test -R alone is not a usage error"

run yes train
[[ $status -eq 1 && $output == *"no apt"* && $output == *libxtensor-dev* &&
  $output == *"cmake -S . -B build"* ]] ||
  fail "without apt it does not say what to do"

# Debian, where nothing is installed but the compiler.
printf '#!/bin/bash\necho "apt-get ran: $*"; exit 1\n' >"$tools/apt-get"
printf '#!/bin/bash\necho "g++ installed"; echo "cmake not-installed"; exit 1\n' \
  >"$tools/dpkg-query"
chmod 755 "$tools/apt-get" "$tools/dpkg-query"
run no train
[[ $status -eq 1 && $output == *"  apt-get install --yes"*" cmake "*dataset-fashion-mnist* ]] ||
  fail "without the right to install it does not print the apt line"
[[ $output != *"g++"* ]] || fail "it asks for what is installed"
[[ $output != *libgtest* ]] || fail "train asks for the tests' packages"
run no test
[[ $status -eq 1 && $output == *libgtest-dev* && $output != *clang* ]] ||
  fail "test asks for other packages than it needs"
