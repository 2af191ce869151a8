#!/usr/bin/env bash
# The mjolnir script, without its builds: usage, exit codes, and what it says
# when it may not install or is not on Debian. Stand-ins for the package tools
# lie in a PATH of our own, which has no sudo.
set -euo pipefail
source_dir=$1
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
chmod 755 "$tools"
for tool in bash env awk grep dirname cat id tr; do
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
for command in train predict compare export explain test bench data; do
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
  $output == *"cmake -S . -B build"*MJOLNIR_TESTS=OFF* ]] ||
  fail "without apt it does not say what to do"
run yes test
[[ $status -eq 1 && $output == *libgtest-dev* && $output == *MJOLNIR_TESTS=ON*ctest* ]] ||
  fail "without apt it does not say how to test"

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
[[ $status -eq 1 && $output == *libgtest-dev* && $output == *" curl "* &&
  $output != *clang* ]] || fail "test asks for other packages than it needs"
run no data mnist
[[ $status -eq 1 && $output == *" curl "* && $output != *xz-utils* ]] ||
  fail "data asks for other packages than it needs"
run no data mnist --from "$tools"
[[ $status -eq 1 && $output != *" curl"* && $output != *xz-utils* ]] ||
  fail "data --from asks for what only a download needs"
: >"$tools/cifar-10-binary.tar.xz"
run no data cifar10 --to x --from "$tools"
[[ $status -eq 1 && $output != *" curl"* && $output == *xz-utils* ]] ||
  fail "data --from does not ask for what unpacks its archive"
rm "$tools/cifar-10-binary.tar.xz"

# The same with a sudo that asks for nothing: first the installation alone,
# then, as that fails, with new package lists.
log=$tools/mjolnir/sudo.log
# shellcheck disable=SC2016
printf '#!/bin/bash\n[[ $1 != -n ]] || exit 0\necho "$*" >>"%s"; [[ $* == *update* ]]\n' \
  "$log" >"$tools/sudo"
chmod 755 "$tools/sudo"
chmod 777 "$tools/mjolnir"
ln -s "$(command -v mkdir)" "$(command -v tail)" "$tools/"
run no train
[[ $status -eq 1 && $output == *"apt could not install them"* ]] ||
  fail "a failed installation is not reported"
mapfile -t asked <"$log"
[[ ${#asked[@]} -eq 3 && ${asked[0]} == *"apt-get install --yes"*libxtensor-dev* &&
  ${asked[1]} == *"apt-get update" && ${asked[2]} == "${asked[0]}" ]] ||
  fail "sudo was asked for something else: $(printf '%s\n' "${asked[@]}")"

# ./mjolnir test --all with stand-ins for cmake and ctest: the tiers one after
# the other, the time of each in the last line, and the worst result of all.
calls=$tools/mjolnir/calls.log
# shellcheck disable=SC2016
printf '#!/bin/bash\n[[ $1 == --build ]] || exit 0\necho "[1/1] built"\n' \
  >"$tools/cmake"
# shellcheck disable=SC2016
printf '#!/bin/bash\necho "$*" >>"%s"\necho summary\n[[ $* != *"${FAILS:-none}"* ]]\n' \
  "$calls" >"$tools/ctest"
chmod 755 "$tools/cmake" "$tools/ctest"
for tool in nproc rm; do
  ln -s "$(command -v "$tool")" "$tools/$tool"
done

# run_tests FAILS ARGUMENT...: ctest fails where its arguments hold FAILS
run_tests() {
  local fails=$1
  shift
  rm -f "$calls"
  status=0
  output=$(env PATH="$tools" MJOLNIR_PACKAGES=skip FAILS="$fails" \
    bash "$tools/mjolnir/mjolnir" test "$@" 2>&1 </dev/null) || status=$?
  mapfile -t asked < <(grep -oE -e '-L .*' "$calls" || true)
}
times='building [0-9]+ s, tier fast [0-9]+ s, tier all [0-9]+ s'
run_tests none --all
[[ $status -eq 0 && "${asked[*]}" == '-L ^fast$ -L ^all$' &&
  $(tail -n 1 <<<"$output") =~ ^$times$ ]] || fail "test --all"
for tier in fast all; do
  run_tests "^$tier\$" --all
  [[ $status -eq 1 && ${#asked[@]} -eq 2 && $output =~ $times ]] ||
    fail "a failure in tier $tier ends the run, or is forgotten"
done
run_tests none --all -R conv
[[ $status -eq 0 && "${asked[*]}" == '-L ^(fast|all)$ -R conv' &&
  $output == *"tier fast|all "* ]] || fail "test --all -R"
run_tests none --long
[[ $status -eq 0 && "${asked[*]}" == '-L ^long$' &&
  $output == *"tier long "* ]] || fail "test --long"
run_tests none
[[ $status -eq 0 && "${asked[*]}" == '-L ^fast$' &&
  $(tail -n 1 <<<"$output") == summary ]] || fail "test"

# ./mjolnir bench --peer with a stand-in for the environment's Python: each peer
# has its script, which gets our program and the options that follow. --check is
# the comparison with PyTorch.
peer_folder=$tools/mjolnir/build/peer
mkdir -p "$peer_folder/bin"
# shellcheck disable=SC2016
printf '#!/bin/bash\necho "python $*"\n' >"$peer_folder/bin/python"
chmod 755 "$peer_folder/bin/python"
touch "$peer_folder/torch-$(sed -n 's/^torch_version=//p' "$source_dir/mjolnir")"
run_bench() {
  status=0
  output=$(env PATH="$tools" MJOLNIR_PACKAGES=skip \
    bash "$tools/mjolnir/mjolnir" bench "$@" 2>&1 </dev/null) || status=$?
}
# asks_for SCRIPT PROGRAM OPTION...: what the last line of the output says
asks_for() {
  local script=$1 program=$2
  shift 2
  [[ $status -eq 0 && $(tail -n 1 <<<"$output") == "python "*"/bench/peer/$script --program "*"/build/bench/$program $*" ]] ||
    fail "bench does not run $script $*"
  [[ -f $source_dir/bench/peer/$script ]] || fail "no bench/peer/$script"
}
run_bench --peer torch --rounds 1
asks_for compare.py peer_work --rounds 1
run_bench --peer kfac --rounds 1
asks_for kfac_refresh.py mjolnir_bench --rounds 1
run_bench --check --rounds 1
asks_for compare.py peer_work --check --rounds 1
for peer in nonsense ''; do
  run_bench --peer "$peer"
  [[ $status -eq 2 && $output == *"takes: torch, kfac"* ]] ||
    fail "bench --peer '$peer' is not a usage error"
done
# A peer of another version, or half of one, is installed anew.
mkdir -p "$peer_folder"
rm "$peer_folder"/torch-*
run_bench --peer torch
[[ $status -eq 1 && $output == *"installing PyTorch "*"could not be installed"* ]] ||
  fail "bench --peer torch takes an environment of another version"
