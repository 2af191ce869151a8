#!/usr/bin/env bash
# The Debian package on a fresh Debian 12: apt installs it with what it asks
# for, its programs run there as another user, and the project of
# tests/consumers/package is built and runs. Needs root and debootstrap.
set -euo pipefail
source_dir=$1
# shellcheck source=tests/nested_build.sh
. "$source_dir/tests/nested_build.sh"
if [[ $EUID -ne 0 ]] || ! command -v debootstrap >/dev/null; then
  echo "skipped: needs root and debootstrap"
  exit 77
fi

# Where this machine's own apt finds Debian.
mirror=$(awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^http/) { print $i; exit } }' \
  /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true)
[[ -n $mirror ]] || mirror=$(awk '$1 == "URIs:" { print $2; exit }' \
  /etc/apt/sources.list.d/*.sources 2>/dev/null || true)
if [[ -z $mirror ]]; then
  echo "skipped: apt's sources name no mirror"
  exit 77
fi

scratch=$(mktemp -d)
root=$scratch/root
cleanup() {
  umount "$root/proc" 2>/dev/null || true
  rm -rf "$scratch"
}
trap cleanup EXIT

build=$source_dir/build-package-shared
build_in "$build" -S "$source_dir" -DCMAKE_BUILD_TYPE=Release \
  -DBUILD_SHARED_LIBS=ON -DMJOLNIR_WERROR=ON -DMJOLNIR_TESTS=OFF \
  -DMJOLNIR_EXAMPLES=ON
(cd "$build" && quietly "$scratch/cpack.log" cpack -G DEB -B "$scratch/made")

quietly "$scratch/debootstrap.log" debootstrap --variant=minbase bookworm \
  "$root" "$mirror"
# apt as this machine has it: its sources, proxies and keys.
rm -f "$root"/etc/apt/sources.list
cp -rL /etc/apt/. "$root/etc/apt/"
cp /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"
cp "$scratch"/made/mjolnir_*.deb "$root/"
cp -r "$source_dir/tests/consumers/package" "$root/consumer"

# inside COMMAND: in the fresh root, with an empty environment
inside() {
  quietly "$scratch/inside.log" chroot "$root" /usr/bin/env -i \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive \
    bash -c "$1"
  tail -n "${2:-3}" "$scratch/inside.log"
}

inside 'apt-get update'
inside 'apt-get install --yes /mjolnir_*.deb'
inside 'dpkg -l mjolnir libopenblas0-openmp dataset-fashion-mnist' 3
inside 'useradd --create-home user && cd /home/user && su user -c "
  mjolnir version &&
  mjolnir explain --model resnet8 &&
  mjolnir train --epochs 1 --validation 50000 --out run && ls run"' 4
# The library itself needs nothing more; building needs a compiler.
inside 'apt-get install --yes --no-install-recommends g++ cmake make pkg-config'
inside 'cmake -S /consumer -B /tmp/by-cmake -DCMAKE_BUILD_TYPE=Release &&
  cmake --build /tmp/by-cmake && /tmp/by-cmake/consumer_17 && /tmp/by-cmake/consumer_20'
# shellcheck disable=SC2016  # for the shell inside
inside 'g++ -std=c++17 /consumer/main.cpp /consumer/other.cpp \
  $(pkg-config --cflags --libs mjolnir) -o /tmp/consumer && /tmp/consumer'
inside 'apt-get remove --yes mjolnir && ! command -v mjolnir && ! test -e /usr/include/mjolnir'
echo "installed, used and removed"
