#!/usr/bin/env bash
# Runs test_core's Environment tests against Debian's other flavours of
# OpenBLAS. They are unpacked, not installed: installing one would make it the
# default of the whole machine.
set -euo pipefail
build=$2
folder=$build/openblas-flavours
libraries=$folder/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null ||
  gcc -print-multiarch)

if [ ! -d "$libraries" ]; then
  mkdir -p "$folder"
  cd "$folder"
  if ! apt-get download -qq libopenblas0-pthread libopenblas0-serial; then
    echo "skipped: the packages libopenblas0-pthread and libopenblas0-serial" \
      "cannot be downloaded"
    exit 0
  fi
  for package in ./*.deb; do
    dpkg-deb -x "$package" .
  done
fi
cd "$build"
output=$(MJOLNIR_OPENBLAS_FLAVOURS=$libraries \
  tests/test_core --gtest_filter='Environment.*')
echo "$output"
case $output in *SKIPPED*) exit 1 ;; esac
